"""Which classes are taken for which: the confusion matrix and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from goodfit.report.figures import palette, style

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from goodfit.report.languages import Texts


class Confusion(NamedTuple):
    """A confusion matrix.

    Attributes:
        classes: Names, k of them.
        counts: Rows by truth and prediction, shape `(k, k)`.
        shares: `counts` over the rows of each true class, shape `(k, k)`; 0 where a class has no rows.
        recall: Share of each class's rows that was recognised, shape `(k,)`; NaN for a class without rows.
        precision: Share of each class's predictions that was right, shape `(k,)`; NaN if never predicted.
        pairs: The most frequent mistakes: (truth, predicted, rows), most first.
    """

    classes: tuple[str, ...]
    counts: np.ndarray
    shares: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    pairs: tuple[tuple[int, int, int], ...]


def confusion(matrix: Sequence[Sequence[int]] | None, classes: Sequence[str], most: int = 10) -> Confusion | None:
    """From the counts of `study.json`; None where there are none or their shape is not that of the classes."""
    counts = np.array(matrix if matrix else [[]], dtype=np.float64)
    k = len(classes)
    if not k or counts.shape != (k, k) or not np.all(np.isfinite(counts)):
        return None
    rows, columns, right = counts.sum(axis=1), counts.sum(axis=0), np.diag(counts)
    wrong = counts - np.diag(right)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [(int(i // k), int(i % k), int(wrong.flat[i])) for i in order if wrong.flat[i] > 0]
    return Confusion(
        tuple(str(c) for c in classes),
        counts.astype(np.int64),
        counts / np.maximum(rows, 1)[:, None],
        np.where(rows > 0, right / np.maximum(rows, 1), np.nan),
        np.where(columns > 0, right / np.maximum(columns, 1), np.nan),
        tuple(pairs),
    )


def draw(data: Confusion, texts: Texts) -> go.Figure:
    """A Plotly heat map, for more classes than a table can hold; colour is the share of the true class."""
    import plotly.graph_objects as go

    k = len(data.classes)
    names = [style.plain(c, most=40) for c in data.classes]
    ticks = [style.plain(c, most=18) for c in data.classes]
    cell = 15 if k > 24 else 24
    size = 9 if k > 24 else 11
    figure = go.Figure(layout={**style.layout(height=cell * k + 140), "width": cell * k + 200})
    truth, predicted = style.plain(texts("errors.truth")), style.plain(texts("errors.predicted"))
    figure.add_heatmap(
        z=np.round(data.shares, 4).tolist(),
        customdata=[[[int(data.counts[i, j]), names[i], names[j]] for j in range(k)] for i in range(k)],
        colorscale=[[at, colour.light] for at, colour in palette.HEAT],
        zmin=0,
        zmax=1,
        xgap=1,
        ygap=1,
        hovertemplate=f"{truth}: <b>%{{customdata[1]}}</b><br>{predicted}: <b>%{{customdata[2]}}</b><br>"
        "%{customdata[0]} (%{z:.1%})<extra></extra>",
        colorbar={"thickness": 8, "len": 0.4, "y": 1, "yanchor": "top", "tickformat": ".0%", "outlinewidth": 0},
    )
    axis = {"tickvals": list(range(k)), "ticktext": ticks, "tickfont": {"size": size}, "showgrid": False}
    figure.update_yaxes(**axis, autorange="reversed", title_text=truth, showline=False)
    figure.update_xaxes(**axis, tickangle=-90, title_text=predicted, showline=False)
    figure.update_layout(margin={"t": 8, "r": 8}, hovermode="closest")
    return figure
