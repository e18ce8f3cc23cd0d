"""The learning curves: every variant, then base and the chosen one side by side."""

from __future__ import annotations

import json

from goodfit.report import numbers
from goodfit.report.figures import curves
from goodfit.report.html import esc, figure, paragraph, plot, section
from goodfit.report.sections import Build

FEW = 6
"""Up to so many variants all bands are shown from the start; beyond it only those of base and the chosen one."""


def render(build: Build) -> str:
    """Both groups of figures."""
    title = build.texts("curves.title")
    if not build.source.histories:
        return section("curves", title, paragraph(build.texts("curves.missing"), "note"))
    return section("curves", title, _every(build), _side_by_side(build))


def _every(build: Build) -> str:
    source, texts = build.source, build.texts
    histories = source.histories.get("search") or {}
    order = [v["name"] for v in source.variants if v["name"] in histories]
    order += [n for n in histories if n not in order]
    panels = {m: curves.panel({n: histories[n] for n in order}, m) for m in curves.MEASURES} if order else {}
    shown = {m: p for m, p in panels.items() if p is not None}
    if not shown:
        return ""
    strong = tuple(dict.fromkeys(n for n in (source.base, source.rival) if n in order))
    body = []
    for measure, panel in shown.items():
        build.figures[f"every-{measure}"] = curves.draw(panel, build.colours, texts, strong=strong)
        note = f" <small>{esc(texts('curves.cut'))}</small>" if panel.cut else ""
        body.append(
            f"<div><h4>{esc(texts(f'measure.{measure}'))}{note}</h4>"
            + plot(f"every-{measure}", texts("curves.every_label", measure=texts(f"measure.{measure}")), 320)
            + "</div>"
        )
    chips = "".join(
        f'<button type="button" class="chip" aria-pressed="true" data-variant="{esc(n)}" '
        f'style="--light:{build.colours[n].light};--dark:{build.colours[n].dark}"><i></i>{esc(n)}</button>'
        for n in order
    )
    bands = "all" if len(order) <= FEW else "some"
    controls = (
        f'<div class="controls" data-bands="{bands}" data-strong="{esc(json.dumps(strong))}">'
        + _switch("part", texts("curves.show"), [(p, texts(f"curves.{p}")) for p in ("val", "train", "both")], "val")
        + _switch(
            "bands", texts("curves.bands"), [(b, texts(f"curves.bands_{b}")) for b in ("all", "some", "none")], bands
        )
        + (
            _switch("who", texts("curves.who"), [(w, texts(f"curves.who_{w}")) for w in ("all", "some")], "all")
            if len(order) > 2
            else ""
        )
        + f'</div><div class="chips" role="group" aria-label="{esc(texts("curves.variants"))}">{chips}</div>'
    )
    seeds = max(histories[n].runs for n in order)
    caption = texts.many("curves.every_caption", seeds)
    return figure(texts("curves.every"), caption, controls + f'<div class="pair">{"".join(body)}</div>')


def _switch(name: str, label: str, options: list[tuple[str, str]], start: str) -> str:
    """A row of radio buttons."""
    body = "".join(
        f'<label><input type="radio" name="{name}" value="{value}"{" checked" if value == start else ""}>'
        f"<span>{esc(words)}</span></label>"
        for value, words in options
    )
    return f'<fieldset class="switch"><legend>{esc(label)}</legend>{body}</fieldset>'


def _side_by_side(build: Build) -> str:
    source, texts = build.source, build.texts
    names = [n for n in dict.fromkeys((source.base, source.rival)) if n]
    histories = source.histories.get("search") or {}
    found = {n: histories[n] for n in names if n in histories}
    if not found:
        return ""
    body = []
    for measure in curves.MEASURES:
        panels = [p for n, h in found.items() if (p := curves.panel({n: h}, measure, _marks(build, n)))]
        for panel in curves.share_scale(panels) if panels else []:
            name = panel.curves[0].variant
            ident = f"side-{measure}-{list(found).index(name)}"
            build.figures[ident] = curves.draw(panel, build.colours, texts, strong=(name,), unified=True)
            label = f"{name}: {texts(f'measure.{measure}')}"
            body.append(f"<div><h4>{esc(label)}</h4>{plot(ident, label, 320)}</div>")
    shown = list(found)
    title = (
        texts("curves.side", base=shown[0], other=shown[1]) if len(shown) > 1 else texts("curves.alone", base=shown[0])
    )
    seeds = max(h.runs for h in found.values())
    key = (
        f'<p class="lines"><span class="solid"></span>{esc(texts("part.val"))} '
        f'<span class="dot"></span>{esc(texts("part.train"))}</p>'
    )
    caption = texts.many("curves.side_caption", seeds)
    return figure(title, caption, f'{key}<div class="pair">{"".join(body)}</div>')


def _marks(build: Build, name: str) -> tuple[tuple[float, str], ...]:
    """The chosen number of epochs; at base the epoch its main finding starts from."""
    chosen = build.study.get("chosen") or {}
    if name == build.source.chosen and numbers.known(chosen.get("epochs")):
        return ((chosen["epochs"], build.texts("mark.chosen", epoch=chosen["epochs"])),)
    for finding in build.source.variant(name).get("findings") or []:
        if numbers.known(finding.get("epoch")):
            code = build.texts.word("finding", str(finding.get("code")))
            return ((finding["epoch"], build.texts("mark.finding", finding=code, epoch=finding["epoch"])),)
    return ()
