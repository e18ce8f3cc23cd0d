"""The test set: the one result, which classes are taken for which, and the mistakes the network was surest of."""

from __future__ import annotations

from typing import Any

import numpy as np

from goodfit.report import numbers
from goodfit.report.figures import confusion
from goodfit.report.html import details, esc, figure, paragraph, plot, section, table
from goodfit.report.sections import Build

TABLE = 12
"""Up to so many classes the matrix is a table; beyond it a heat map."""
LETTERS = 1200
"""Letters of a row that are shown; more would make the page heavy."""
OPEN = 420
"""Letters of a row that are shown unfolded."""


def render(build: Build) -> str:
    """All that the test set says."""
    test = build.study.get("test") or {}
    if not test:
        return ""
    classes = [str(c) for c in build.study.get("classes") or []]
    matrix = confusion.confusion(test.get("confusion"), classes)
    title = build.texts("test.title")
    return section("test", title, _result(build, test), _matrix(build, matrix), _errors(build, test))


def _result(build: Build, test: dict[str, Any]) -> str:
    from goodfit.study.sentences import unchanged

    source, texts = build.source, build.texts
    chosen, base = build.study.get("chosen") or {}, source.variant(source.base).get("recipe") or {}
    results: list[tuple[str, Any, Any]] = [(source.chosen or texts("verdict.chosen"), chosen.get("epochs"), test)]
    if not (base and chosen and unchanged(build.study)):
        results.append((source.base, base.get("epochs"), test.get("base") or {}))
    rows = [
        [
            esc(name if not numbers.known(epochs) else f"{name}, {texts.many('epochs', epochs)}"),
            numbers.accuracy(r["accuracy"]),
            numbers.interval(r.get("low"), r.get("high")),
            numbers.loss(r.get("loss")),
        ]
        for name, epochs, r in results
        if numbers.known(r.get("accuracy"))
    ]
    if not rows:
        return ""
    caption = texts("test.caption")
    difference = test.get("difference") or {}
    if len(rows) > 1 and numbers.known(difference.get("effect")):
        between = numbers.interval(difference.get("low"), difference.get("high"), numbers.points)
        p = numbers.probability(difference.get("p"))
        kind = {"mcnemar": "McNemar"}.get(str(difference.get("test")), str(difference.get("test") or ""))
        rows.append([esc(texts("test.difference")), numbers.points(difference["effect"]), between, ""])
        caption += " " + texts("test.difference_caption", test=kind, p=p if p.startswith("<") else f"=\u00a0{p}")
    head = [texts(f"column.{c}") for c in ("variant", "test_accuracy", "interval", "loss")]
    return table(head, rows, caption, kinds=["chosen", "base", "fresh"][: len(rows)])


def _matrix(build: Build, data: confusion.Confusion | None) -> str:
    if data is None:
        return ""
    texts, k = build.texts, len(data.classes)
    if k <= TABLE:
        head = [f"{texts('errors.truth')} ↓  {texts('errors.predicted')} →", *data.classes]
        rows = [[esc(c), *(_cell(build, data, i, j) for j in range(k))] for i, c in enumerate(data.classes)]
        body = f'<div class="matrix">{table(head, rows, texts("confusion.title"))}</div>'
    else:
        drawn = confusion.draw(data, texts)
        build.figures["confusion"] = drawn
        body = plot("confusion", texts("confusion.title"), int(drawn.layout.height), int(drawn.layout.width))
    shown = figure(texts("confusion.title"), texts("confusion.caption"), body)
    pairs = [
        [esc(data.classes[i]), esc(data.classes[j]), build.count(n), numbers.percent(float(data.shares[i, j]))]
        for i, j, n in data.pairs
    ]
    head = [texts("errors.truth"), texts("confusion.taken_for"), texts("column.rows"), texts("confusion.share")]
    often = table(head, pairs, texts("confusion.pairs_caption"), words=(0, 1)) if pairs and k > 2 else ""
    return shown + often + details(texts("confusion.classes"), _classes(build, data))


def _cell(build: Build, data: confusion.Confusion, i: int, j: int) -> str:
    share = float(data.shares[i, j])
    kind = "right" if i == j else "wrong"
    inside = f"{build.count(int(data.counts[i, j]))} <small>{esc(numbers.percent(share))}</small>"
    return f'<span class="{kind}" style="--share:{100 * share:.1f}%">{inside}</span>'


def _classes(build: Build, data: confusion.Confusion) -> str:
    texts = build.texts
    head = [texts("column.class"), texts("column.rows"), texts("column.recall"), texts("column.precision")]
    rows = [
        [esc(c), build.count(int(n)), esc(numbers.percent(float(r))), esc(numbers.percent(float(p)))]
        for c, n, r, p in zip(data.classes, np.sum(data.counts, axis=1), data.recall, data.precision, strict=True)
    ]
    return table(head, rows, texts("confusion.classes_caption"))


def _errors(build: Build, test: dict[str, Any]) -> str:
    texts = build.texts
    errors = [e for e in test.get("errors") or [] if isinstance(e, dict)]
    if not errors:
        return ""
    cards = []
    for e in errors:
        sure = numbers.accuracy(e.get("probability"))
        row = (
            f"<small>{esc(texts('errors.row', row=build.count(e['row'])))}</small>"
            if numbers.known(e.get("row"))
            else ""
        )
        predicted, truth = esc(build.value(e.get("predicted"))), esc(build.value(e.get("truth")))
        cards.append(
            f"<li><p><span>{esc(texts('errors.predicted'))}</span> <b>{predicted}</b> "
            f"<span>({sure}) · {esc(texts('errors.truth'))}</span> <b>{truth}</b> {row}</p>"
            f"{_picture(str(e['image'])) if e.get('image') else _text(build, str(e.get('text') or ''))}</li>"
        )
    intro = paragraph(texts("errors.caption"))
    return f'<h3>{esc(texts("errors.title"))}</h3>{intro}<ol class="errors">{"".join(cards)}</ol>'


def _picture(png: str) -> str:
    return f'<img alt="" src="data:image/png;base64,{esc(png)}">'


def _text(build: Build, text: str) -> str:
    """A row's text: its beginning, the rest folded, cut where it is very long."""
    if len(text) > LETTERS:
        text = text[:LETTERS].rstrip() + " …"
    if len(text) <= OPEN * 1.3:
        return f'<blockquote dir="auto">{esc(text)}</blockquote>'
    at = text.rfind(" ", 0, OPEN)
    at = at if at > 0 else OPEN
    return (
        f'<details class="text"><summary><blockquote dir="auto">{esc(text[:at])} … '
        f"<em>{esc(build.texts('errors.more'))}</em></blockquote></summary>"
        f'<blockquote dir="auto">{esc(text[at:].lstrip())}</blockquote></details>'
    )
