"""Learning curves of variants: the mean over seeds and a band of one standard deviation either side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from goodfit.history import History
from goodfit.report.figures import style
from goodfit.report.figures.palette import OTHERS, Colour, veil

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from goodfit.report.languages import Texts

MEASURES = ("loss", "accuracy")


class Curve(NamedTuple):
    """One metric of one variant over the epochs; arrays have shape `(epochs,)`.

    Attributes:
        variant: Whose curve.
        part: `train` or `val`.
        epochs: From 1.
        mean: Over the runs that still train.
        sd: Standard deviation over them (n - 1), 0 where there is one run.
        runs: How many they are.
    """

    variant: str
    part: str
    epochs: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    runs: np.ndarray


class Panel(NamedTuple):
    """One coordinate system.

    Attributes:
        measure: One of `MEASURES`.
        curves: What it shows.
        low: Lower end of the vertical axis.
        high: Upper end of the vertical axis.
        cut: Whether a curve leaves the picture.
        marks: Epochs worth a vertical line, with their words.
    """

    measure: str
    curves: tuple[Curve, ...]
    low: float
    high: float
    cut: bool
    marks: tuple[tuple[float, str], ...] = ()


def curve(history: History, part: str, measure: str) -> Curve | None:
    """One curve, or None where it was not recorded.

    Epochs that fewer than half of the runs reached are left out: a mean over the few that
    early stopping spared is a mean of something else.
    """
    keys = (f"val_{measure}",) if part == "val" else (f"train_{measure}", measure)
    values = history.get(*keys)
    if values is None:
        return None
    values = np.where(np.isfinite(values), values, np.nan)
    runs = np.sum(~np.isnan(values), axis=0)
    kept = np.flatnonzero((runs > 0) & (2 * runs >= len(values)))
    if not kept.size:
        return None
    values, runs = values[:, kept], runs[kept]
    mean = np.nanmean(values, axis=0)
    sd = np.sqrt(np.nansum((values - mean) ** 2, axis=0) / np.maximum(runs - 1, 1))
    return Curve(history.variant, part, kept + 1, mean, sd, runs)


def panel(histories: Mapping[str, History], measure: str, marks: tuple[tuple[float, str], ...] = ()) -> Panel | None:
    """All training and validation curves of these variants, or None if none has any."""
    found = [curve(h, part, measure) for h in histories.values() for part in ("train", "val")]
    curves = tuple(c for c in found if c is not None)
    if not curves:
        return None
    low, high, cut = window(curves, measure)
    return Panel(measure, curves, low, high, cut, marks)


def window(curves: Sequence[Curve], measure: str) -> tuple[float, float, bool]:
    """The ends of a vertical axis for these curves, and whether one of them leaves it.

    One diverged variant must not press all others flat, so a loss goes up to three times the height of a
    typical curve.
    """
    lows = np.array([np.min(c.mean - c.sd) for c in curves])
    highs = np.array([np.max(c.mean + c.sd) for c in curves])
    low, high = float(lows.min()), float(highs.max())
    cap = float(low + 3 * (np.median(highs) - low)) if measure == "loss" else 1.0
    top = min(high, cap) if cap > low else high
    pad = 0.04 * (top - low) or 0.01
    return (
        low - pad,
        min(top + pad, 1.005) if measure == "accuracy" else top + pad,
        bool(high > top and measure == "loss"),
    )


def share_scale(panels: list[Panel]) -> list[Panel]:
    """The same panels with one vertical axis, so that they can be compared by eye."""
    low, high = min(p.low for p in panels), max(p.high for p in panels)
    return [p._replace(low=low, high=high) for p in panels]


def draw(
    panel: Panel, colours: Mapping[str, Colour], texts: Texts, *, strong: tuple[str, ...] = (), unified: bool = False
) -> go.Figure:
    """A Plotly figure of a panel; its traces carry `variant`, `part` and `band` as `meta`, for the page's switches.

    Args:
        panel: What to draw.
        colours: Variant to colour.
        texts: The language.
        strong: Variants whose lines are thick and lie on top.
        unified: One hover box for all curves at an epoch, rather than one for the nearest curve.
    """
    import plotly.graph_objects as go

    figure = go.Figure(layout=style.layout(height=320))
    later = [v for v in dict.fromkeys(c.variant for c in panel.curves) if v not in strong][len(OTHERS) :]
    for c in sorted(
        panel.curves, key=lambda c: (c.variant in strong, strong.index(c.variant) if c.variant in strong else 0)
    ):
        colour, thick = colours[c.variant].light, c.variant in strong
        meta = {"variant": c.variant, "part": c.part}
        if np.any(c.sd > 0):
            edge = np.concatenate([c.mean + c.sd, (c.mean - c.sd)[::-1]])
            figure.add_scatter(
                x=np.concatenate([c.epochs, c.epochs[::-1]]).tolist(),
                y=style.short(edge),
                fill="toself",
                fillcolor=veil(colour),
                line={"width": 0},
                mode="lines",
                hoverinfo="skip",
                showlegend=False,
                meta={**meta, "band": True},
            )
        figure.add_scatter(
            x=c.epochs.tolist(),
            y=style.short(c.mean),
            customdata=[[s, n] for s, n in zip(style.short(c.sd), c.runs.tolist(), strict=True)],
            name=style.plain(texts(f"part.{c.part}") if unified else c.variant),
            mode="lines+markers" if c.variant in later or len(c.epochs) == 1 else "lines",
            marker={"size": 5, "symbol": "diamond-open"},
            line={
                "color": colour,
                "width": 2.6 if thick else 1.5,
                "dash": "solid" if c.part == "val" else "dot",
            },
            hovertemplate=_hover(c, panel.measure, texts, unified),
            meta={**meta, "band": False},
        )
    last = max(int(c.epochs[-1]) for c in panel.curves)
    figure.update_xaxes(title_text=texts("axis.epoch"), range=[min(1, last - 0.5), last + 0.02 * last], tickformat="d")
    figure.update_xaxes(dtick=1 if last <= 12 else None, nticks=min(last, 10))
    parts = {p: [c for c in panel.curves if c.part == p] for p in ("val", "train")} | {"both": list(panel.curves)}
    figure.update_yaxes(range=[panel.low, panel.high])
    figure.update_layout(meta={p: window(cs, panel.measure)[:2] for p, cs in parts.items() if cs})
    figure.update_layout(hovermode="x unified" if unified else "closest")
    for epoch, words in panel.marks:
        style.mark(figure, epoch, words, last)
    return figure


def _hover(c: Curve, measure: str, texts: Texts, unified: bool) -> str:
    """Plotly's template of a hover box: value, spread, number of runs."""
    spread = " ± %{customdata[0]:.3f}" if np.any(c.sd > 0) else ""
    body = "%{y:.3f}" + spread
    if unified:
        return f"{body}<extra>{style.plain(texts(f'part.{c.part}'))}</extra>"
    name, runs = style.plain(texts("axis.epoch")), style.plain(texts("hover.runs"))
    return (
        f"<b>{style.plain(c.variant)}</b><br>{style.plain(texts(f'measure.{c.part}_{measure}'))} {body}"
        f"<br>{name} %{{x}}, {runs} %{{customdata[1]}}<extra></extra>"
    )
