"""Loss curves as text."""

from __future__ import annotations

import numpy as np

from goodfit.diagnose.view import View
from goodfit.history import History

_ROWS = 10


def drawn(history: History, wide: int) -> str:
    """Training (`.`) and validation loss (`o`) over the epochs, with their range.

    Args:
        history: Runs of one variant; their mean is drawn.
        wide: Columns there are room for.
    """
    view = View.of(history)
    curves = [(mark, c) for mark, c in ((".", view.train), ("o", view.val)) if c is not None]
    if not curves or view.epochs < 2:
        return ""
    values = np.concatenate([c.mean for _, c in curves])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    columns = max(10, min(wide - 14, 3 * view.epochs))
    page = np.full((_ROWS, columns), " ")
    for mark, curve in curves:
        good = np.flatnonzero(np.isfinite(curve.mean))
        at = np.linspace(0, len(curve.mean) - 1, columns)
        here = (at >= good[0]) & (at <= good[-1])
        height = (np.interp(at, good, curve.mean[good]) - low) / ((high - low) or 1.0)
        rows = np.round((1 - height) * (_ROWS - 1)).astype(int)
        page[rows[here], np.flatnonzero(here)] = mark
    scale = [f"{high:9.4g} |", *[" " * 9 + " |"] * (_ROWS - 2), f"{low:9.4g} |"]
    lines = [s + "".join(row).rstrip() for s, row in zip(scale, page, strict=True)]
    names = ", ".join(f"{mark} {c.key}" for mark, c in curves)
    axis = f"{'epoch':>9} 1" + str(view.epochs).rjust(columns)
    return "\n".join([*lines, axis, f"{'':11}{names}"])
