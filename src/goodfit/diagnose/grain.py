"""How many rows an accuracy was measured on, read off its values. NumPy only."""

from __future__ import annotations

import numpy as np

from goodfit.diagnose.noise import Array, distinct

MOST = 3000
"""Rows above which it is not looked for: the values are then too finely spread to tell."""

LUCK = 0.01
"""Chance that fewer rows fit by luck, up to which the answer is believed."""


def rows_behind(shares: Array) -> int | None:
    """The fewest rows of which all these shares can be: an accuracy of n rows is a multiple of 1/n.

    Args:
        shares: Accuracies of one set of rows, as logged; NaN are left out.

    Returns:
        The number of rows; None where it cannot be told: fewer than three different values, too few digits, or none
        up to `MOST` fits.
    """
    x = distinct(shares[np.isfinite(shares)])
    x = x[(x > 0) & (x < 1)]
    if len(x) < 3:
        return None
    digits = next((d for d in range(1, 7) if np.all(np.abs(np.round(x, d) - x) < 1e-9)), 7)
    slack = max(0.5 * 10.0**-digits, 2e-7)
    n = np.arange(2, MOST + 1)
    counts = x[:, None] * n
    fits = np.flatnonzero(np.all(np.abs(counts - np.round(counts)) <= slack * n, axis=0))
    if not len(fits):
        return None
    luck = np.sum(np.minimum(1.0, 2 * slack * n[: fits[0] + 1]) ** len(x))
    return int(n[fits[0]]) if luck <= LUCK else None
