"""First of all: the verdict, the one test result, the choice."""

from __future__ import annotations

import re

from goodfit.report import numbers
from goodfit.report.html import esc, facts, items, paragraph
from goodfit.report.sections import Build


def render(build: Build) -> str:
    """The headline, the plain sentences beside the key figures."""
    study, texts = build.study, build.texts
    sentences = [str(s) for s in study.get("sentences") or [] if s]
    headline = sentences[0] if sentences else texts("verdict.none")
    headline = re.sub("'[^']*'", lambda name: name[0].replace(" ", "\u00a0"), headline)
    chosen = study.get("chosen") or {}
    beside = [r for r in (chosen.get("reason"), chosen.get("epochs_reason")) if r]  # they stand under what was chosen
    told = items([s for s in sentences[1:] if not any(s.endswith(r[1:]) for r in beside)], "told")
    if not chosen or (not study.get("test") and (study.get("splits") or {}).get("test")):
        told += paragraph(texts("verdict.unfinished"), "note")
    key = facts([f for f in (_test(build), _choice(build), _against_base(build)) if f], "key")
    return (
        f'<section id="verdict" class="verdict" aria-labelledby="verdict-h"><h1 id="verdict-h">{esc(headline)}</h1>'
        f'<div class="beside"><div>{told}</div>{key}</div></section>'
    )


def _test(build: Build) -> tuple[str, str] | None:
    test, texts = build.study.get("test") or {}, build.texts
    if not numbers.known(test.get("accuracy")):
        return None
    lines = []
    if numbers.known(test.get("low")) and numbers.known(test.get("high")):
        lines.append(texts("verdict.interval", low=numbers.accuracy(test["low"]), high=numbers.accuracy(test["high"])))
    if numbers.known(test.get("rows")):
        lines.append(texts.many("verdict.test_rows", test["rows"]))
    if numbers.known(test.get("looks")):
        lines.append(texts.many("verdict.looks", test["looks"]))
    small = "<br>".join(esc(line) for line in lines)
    return texts("verdict.test"), f"<b>{numbers.accuracy(test['accuracy'])}</b><small>{small}</small>"


def _choice(build: Build) -> tuple[str, str] | None:
    chosen, texts = build.study.get("chosen") or {}, build.texts
    if not chosen.get("variant"):
        return None
    epochs = f", {texts.many('epochs', chosen['epochs'])}" if numbers.known(chosen.get("epochs")) else ""
    why = "<br>".join(esc(chosen[k]) for k in ("reason", "epochs_reason") if chosen.get(k))
    return texts("verdict.chosen"), f'<b class="name">{esc(chosen["variant"])}{esc(epochs)}</b><small>{why}</small>'


def _against_base(build: Build) -> tuple[str, str] | None:
    source, texts = build.source, build.texts
    fresh = build.study.get("fresh") or {}
    found = fresh.get("comparison") or {}
    if not numbers.known(found.get("effect")) or found.get("verdict") == "diverged":
        return None
    between = numbers.interval(found.get("low"), found.get("high"), numbers.points)
    small = [texts("verdict.points")]
    if between != numbers.MISSING:
        small.append(texts("verdict.points_interval", interval=between))
    small.append(texts.many("verdict.fresh", found.get("n") or len(fresh.get("seeds") or [])))
    lines = "<br>".join(esc(s) for s in small)
    title = texts("verdict.against", other=fresh.get("other") or source.rival, base=fresh.get("base") or source.base)
    return title, f"<b>{numbers.points(found['effect'])}</b><small>{lines}</small>"
