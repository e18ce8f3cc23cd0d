"""The page: one HTML file that opens offline and asks nothing of any network."""

from __future__ import annotations

import json
import os
from importlib import resources
from pathlib import Path

from goodfit.errors import StudyError
from goodfit.report import languages
from goodfit.report.figures import palette
from goodfit.report.html import esc
from goodfit.report.sections import Build, comparison, curves, data, findings, mistakes, recipe, verdict
from goodfit.report.source import Source

SECTIONS = (
    verdict.render,
    curves.render,
    comparison.render,
    findings.render,
    mistakes.render,
    recipe.render,
    data.render,
    data.command,
)
"""What the page holds, in this order."""

LINKS = ("verdict", "curves", "comparison", "findings", "test", "recipe", "data", "command")
"""Sections that the head of the page leads to, where they are there."""

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
"""A browser that reads this loads nothing from anywhere."""


def write(folder: str | Path, out: str | Path | None = None, *, lang: str = "en") -> Path:
    """Write the report of a study.

    Args:
        folder: The study's folder, with `study.json` and, for the curves, `history.parquet`.
        out: The file to write; `report.html` in the folder if not given.
        lang: Code of the page's language, one of `languages.available()`.

    Returns:
        The file written.

    Raises:
        StudyError: The folder holds no study, or one that cannot be read, or the file cannot be written.
        UsageError: No such language.
    """
    texts = languages.get(lang)
    source = Source.read(folder)
    file = Path(out) if out is not None else Path(folder) / "report.html"
    page = render(source, texts)
    beside = file.with_name(f".{file.name}.part")
    try:
        beside.write_text(page, encoding="utf-8", errors="replace")
        os.replace(beside, file)
    except OSError as e:
        beside.unlink(missing_ok=True)
        raise StudyError("the report cannot be written", received=f"{file}: {e.strerror or e}") from e
    return file


def render(source: Source, texts: languages.Texts) -> str:
    """The whole page of a study, as HTML."""
    from plotly.offline import get_plotlyjs

    names = [v["name"] for v in source.variants]
    names += [n for n in source.histories.get("search") or {} if n not in names]
    build = Build(source, texts, palette.assign(names, source.base, source.rival))
    body = "\n".join(part for s in SECTIONS if (part := s(build)))
    figures = {name: json.loads(figure.to_json()) for name, figure in build.figures.items()}
    style, script = _asset("page.css"), _asset("page.js")
    plotly = get_plotlyjs().replace("</script", "<\\/script")
    title = texts("page.title", name=source.name)
    return f"""<!DOCTYPE html>
<html lang="{texts.lang}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="goodfit {esc(source.study.get("version") or "")}">
<title>{esc(title)}</title>
<style>
{style}</style>
</head>
<body>
<header><p>goodfit <span>{esc(source.name)}</span></p>{_links(body, texts)}</header>
<main>
<noscript><p class="note">{esc(texts("page.no_script"))}</p></noscript>
{body}
</main>
<script type="application/json" id="figures">{_embed(figures)}</script>
<script type="application/json" id="twins">{_embed(palette.twins())}</script>
<script>{plotly}</script>
<script>
{script}</script>
</body>
</html>
"""


def _links(body: str, texts: languages.Texts) -> str:
    """Links to the sections that are there."""
    titles = {name: texts(f"{name}.short" if name == "verdict" else f"{name}.title") for name in LINKS}
    links = "".join(f'<a href="#{n}">{esc(t)}</a>' for n, t in titles.items() if f'<section id="{n}"' in body)
    return f'<nav aria-label="{esc(texts("page.sections"))}">{links}</nav>'


def _embed(data: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _asset(name: str) -> str:
    """A file of `assets/`."""
    return resources.files("goodfit.report").joinpath("assets", name).read_text(encoding="utf-8")
