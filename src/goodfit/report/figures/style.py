"""What all figures share: type, axes, room; and how numbers and names travel into Plotly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from goodfit.report.figures import palette

if TYPE_CHECKING:
    import plotly.graph_objects as go

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"


def layout(height: int) -> dict[str, Any]:
    """The common layout; `height` in pixels, the width is the page's."""
    axis = {
        "gridcolor": palette.GRID.light,
        "linecolor": palette.AXIS.light,
        "zeroline": False,
        "showline": False,
        "ticks": "",
        "automargin": True,
        "title": {"font": {"size": 12, "color": palette.MUTED.light}, "standoff": 8},
    }
    return {
        "template": "none",
        "height": height,
        "margin": {"l": 44, "r": 10, "t": 26, "b": 40},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": palette.INK.light},
        "xaxis": {**axis, "showgrid": False, "showline": True},
        "yaxis": axis,
        "showlegend": False,
        "modebar": {
            "bgcolor": "rgba(0,0,0,0)",
            "color": palette.AXIS.light,
            "activecolor": palette.INK.light,
        },
        "hoverlabel": {
            "bgcolor": palette.HOVER.light,
            "bordercolor": palette.AXIS.light,
            "font": {"family": FONT, "size": 12, "color": palette.INK.light},
            "align": "left",
            "namelength": -1,
        },
    }


def short(values: np.ndarray) -> list[float | None]:
    """Numbers with five figures, to keep the page small; what is no number is None."""
    return [float(f"{v:.5g}") if np.isfinite(v) else None for v in values]


def plain(name: str, most: int = 0) -> str:
    """A name as Plotly shows it letter for letter (it reads tags in texts), cut to `most` letters if given."""
    name = " ".join(str(name).split())
    if most and len(name) > most:
        name = name[: most - 1].rstrip() + "…"
    return name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%{", "%&#123;")


def mark(figure: go.Figure, epoch: float, words: str, last: float) -> None:
    """A thin vertical line with its words, on the side where there is room."""
    figure.add_vline(x=epoch, line={"color": palette.MUTED.light, "width": 1, "dash": "dash"})
    figure.add_annotation(
        x=epoch,
        y=1,
        yref="paper",
        yanchor="bottom",
        xanchor="left" if epoch <= 0.5 * last else "right",
        text=plain(words),
        showarrow=False,
        font={"size": 11, "color": palette.MUTED.light},
    )
