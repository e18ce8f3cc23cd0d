"""The few HTML parts that sections are built of. What comes from a study goes through `esc`."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff￾￿]")


def esc(x: Any) -> str:
    """Text as text: markup escaped, characters that HTML forbids replaced."""
    return html.escape(_CONTROL.sub("�", str(x)), quote=True)


def section(ident: str, title: str, *parts: str) -> str:
    """A section with its heading; empty if all parts are."""
    body = "\n".join(p for p in parts if p)
    return (
        f'<section id="{ident}" aria-labelledby="{ident}-h">\n<h2 id="{ident}-h">{esc(title)}</h2>\n{body}\n</section>'
        if body
        else ""
    )


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph, empty for an empty text."""
    return f"<p{_kind(kind)}>{esc(text)}</p>" if text else ""


def items(texts: Iterable[str], kind: str = "") -> str:
    """A list of plain texts, empty for none."""
    body = "".join(f"<li>{esc(t)}</li>" for t in texts)
    return f"<ul{_kind(kind)}>{body}</ul>" if body else ""


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
    *,
    words: Iterable[int] = (0,),
    kinds: Sequence[str] = (),
) -> str:
    """A table that scrolls by itself on a narrow screen.

    Args:
        head: Column titles, plain.
        rows: Cells as HTML; the first of a row is its heading.
        caption: What to see in it, plain.
        words: Positions of columns that hold words; all others are numbers and stand to the right.
        kinds: A CSS class for each row.
    """
    left = set(words)
    align = ["" if i in left else ' class="n"' for i in range(len(head))]
    titles = "".join(f'<th scope="col"{a}>{esc(h)}</th>' for h, a in zip(head, align, strict=True))
    body = []
    for i, row in enumerate(rows):
        cells = [
            f'<th scope="row"{a}>{c}</th>' if j == 0 else f"<td{a}>{c}</td>"
            for j, (c, a) in enumerate(zip(row, align, strict=True))
        ]
        body.append(f"<tr{_kind(kinds[i] if kinds else '')}>{''.join(cells)}</tr>")
    # The caption stands below the box that scrolls: inside it a phone would show its first words only.
    held = f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    return f'<div class="table">{scroller(held, caption)}<p class="caption">{esc(caption)}</p></div>'


def scroller(body: str, label: str) -> str:
    """A box that scrolls sideways, by keyboard too."""
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{esc(label)}">{body}</div>'


def plot(ident: str, label: str, height: int, width: int = 0) -> str:
    """The place where the page's script draws the figure of this name; as wide as the page if no width is given."""
    wide = f";width:{width}px" if width else ""
    place = (
        f'<div class="plot" data-figure="{ident}" role="img" aria-label="{esc(label)}"'
        f' style="height:{height}px{wide}"></div>'
    )
    return scroller(place, label) if width else place


def figure(title: str, caption: str, body: str) -> str:
    """A titled figure with one line that says what to see."""
    return f"<figure><h3>{esc(title)}</h3>{body}<figcaption>{esc(caption)}</figcaption></figure>"


def details(title: str, body: str) -> str:
    """A part that opens on a click."""
    return f"<details><summary>{esc(title)}</summary>{body}</details>" if body else ""


def facts(pairs: Iterable[tuple[str, str]], kind: str = "") -> str:
    """A list of names and values, values as HTML; empty for none."""
    body = "".join(f"<div><dt>{esc(k)}</dt><dd>{v}</dd></div>" for k, v in pairs)
    return f"<dl{_kind(kind)}>{body}</dl>" if body else ""


def _kind(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
