"""Every treatment's effect against base with its interval: a forest plot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from goodfit.report import numbers
from goodfit.report.figures import palette, style
from goodfit.report.source import Source, contrast

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from goodfit.report.languages import Texts


class Interval(NamedTuple):
    """One effect in accuracy (shares, not points).

    Attributes:
        name: The variant.
        effect: Mean paired difference to base.
        low: Lower end of its interval.
        high: Upper end.
        n: Paired seeds.
        verdict: `better`, `worse`, `equivalent` or `undecided`; what diverged has no effect to draw.
        fresh: Whether the seeds had no part in the choice.
    """

    name: str
    effect: float
    low: float
    high: float
    n: int
    verdict: str
    fresh: bool = False


class Intervals(NamedTuple):
    """All effects, best first, those on fresh seeds before them; and the zone that counts as no difference."""

    rows: tuple[Interval, ...]
    rope: float


def intervals(source: Source) -> Intervals | None:
    """The effects of a study, or None where nothing was compared."""
    found = [(v["name"], contrast(v), False) for v in source.variants]
    fresh = source.study.get("fresh") or {}
    found.append((str(fresh.get("other") or ""), fresh.get("comparison") or {}, True))
    rows = [
        Interval(name, c["effect"], c["low"], c["high"], int(c.get("n") or 0), str(c.get("verdict") or ""), is_fresh)
        for name, c, is_fresh in found
        if name and c.get("verdict") != "diverged" and all(numbers.known(c.get(k)) for k in ("effect", "low", "high"))
    ]
    rows.sort(key=lambda r: (not r.fresh, -r.effect))
    ropes = [c["rope"] for _, c, _ in found if numbers.known(c.get("rope"))]
    return Intervals(tuple(rows), ropes[0] if ropes else 0.01) if rows else None


def draw(data: Intervals, colours: Mapping[str, palette.Colour], chosen: str, texts: Texts) -> go.Figure:
    """A Plotly figure: one line a treatment, in points, with the zone of no practical difference shaded."""
    import plotly.graph_objects as go

    figure = go.Figure(layout=style.layout(height=92 + 30 * len(data.rows)))
    rope = 100 * data.rope
    figure.add_vrect(x0=-rope, x1=rope, fillcolor=palette.ZONE.light, line_width=0, layer="below")
    figure.add_vline(x=0, line={"color": palette.AXIS.light, "width": 1})
    for i, row in enumerate(data.rows):
        strong = row.fresh or row.name == chosen
        colour = colours[row.name].light if row.name in colours else palette.CHOSEN.light
        said = f"{texts.word('verdict', row.verdict)}, {texts.many('seeds', row.n)}"
        words = f"{numbers.points(row.effect)} {numbers.interval(row.low, row.high, numbers.points)}"
        figure.add_scatter(
            x=[100 * row.effect],
            y=[i],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [100 * (row.high - row.effect)],
                "arrayminus": [100 * (row.effect - row.low)],
                "color": colour,
                "thickness": 3 if strong else 1.6,
                "width": 0,
            },
            mode="markers",
            marker={"color": colour, "size": 11 if strong else 8, "symbol": "diamond" if row.fresh else "circle"},
            hovertemplate=f"<b>{style.plain(row.name)}</b><br>{words}<br>{style.plain(said)}<extra></extra>",
        )
    figure.update_yaxes(
        tickvals=list(range(len(data.rows))),
        ticktext=[_label(row, chosen, texts) for row in data.rows],
        range=[len(data.rows) - 0.4, -0.6],
        showgrid=False,
    )
    ends = [min(-1.2 * rope, *(105 * r.low for r in data.rows)), max(1.2 * rope, *(105 * r.high for r in data.rows))]
    figure.update_xaxes(range=ends, title_text=style.plain(texts("axis.points")), showgrid=True, ticksuffix=" ")
    figure.update_layout(margin={"t": 8}, hovermode="closest")
    return figure


def _label(row: Interval, chosen: str, texts: Texts) -> str:
    name = style.plain(row.name, most=28)
    if row.fresh:
        return f"<b>{name}</b><br>{style.plain(texts('forest.fresh'))} "
    return f"<b>{name}</b> " if row.name == chosen else f"{name} "
