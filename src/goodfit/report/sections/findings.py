"""What is wrong, variant by variant, with the numbers that show it."""

from __future__ import annotations

from typing import Any

from goodfit.report import numbers
from goodfit.report.html import details, esc, facts, paragraph, section
from goodfit.report.sections import Build


def render(build: Build) -> str:
    """Findings on base and the chosen variant in full, on all others folded."""
    source, texts = build.source, build.texts
    main = [n for n in dict.fromkeys((source.base, source.chosen)) if n and source.variant(n)]
    others = [v["name"] for v in source.variants if v["name"] not in main]
    shown = "".join(_variant(build, n) for n in main)
    folded = "".join(_variant(build, n) for n in others if source.variant(n).get("findings"))
    if not main:
        return ""
    return section("findings", texts("findings.title"), shown, details(texts("findings.others"), folded))


def _variant(build: Build, name: str) -> str:
    found = [f for f in build.source.variant(name).get("findings") or [] if isinstance(f, dict)]
    body = "".join(_finding(build, f) for f in found) or paragraph(build.texts("findings.none"), "note")
    return f"<h3>{esc(name)}</h3>{body}"


def _finding(build: Build, f: dict[str, Any]) -> str:
    texts = build.texts
    severity = str(f.get("severity") or "info")
    small = [texts.word("severity", severity)]
    if numbers.known(f.get("epoch")):
        small.append(texts("findings.from_epoch", epoch=f["epoch"]))
    if numbers.known(f.get("confidence")):
        small.append(texts("findings.confidence", share=numbers.percent(f["confidence"])))
    evidence = [
        (str(k).replace("_", " "), esc(build.value(v)))
        for k, v in (f.get("evidence") or {}).items()
        if v is not None and v != [] and v != {}
    ]
    remedies = ", ".join(str(r) for r in f.get("remedies") or [])
    return (
        f'<article class="finding {esc(severity)}"><h4>{esc(texts.word("finding", str(f.get("code") or "")))} '
        f"<small>{esc(' · '.join(small))}</small></h4>{paragraph(str(f.get('message') or ''))}"
        + facts(evidence, "evidence")
        + (paragraph(texts("findings.remedies", names=remedies), "remedies") if remedies else "")
        + "</article>"
    )
