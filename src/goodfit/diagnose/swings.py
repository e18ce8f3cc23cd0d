"""How a curve swings from epoch to epoch. NumPy only."""

from __future__ import annotations

import numpy as np

from goodfit.diagnose.noise import Array


def swings(values: Array, least: float) -> int:
    """How often a curve turns back by at least `least` before it turns again.

    A swing is counted at each local extremum from which the curve moves `least` or more in the other direction than
    it had come (a zigzag of that size).
    """
    x = values[np.isfinite(values)]
    if len(x) < 3 or least <= 0:
        return 0
    turns, direction = 0, 0
    high = low = x[0]
    for v in x[1:]:
        high, low = max(high, v), min(low, v)
        if direction >= 0 and v <= high - least:
            turns += direction > 0
            direction, low = -1, v
            high = v
        elif direction <= 0 and v >= low + least:
            turns += direction < 0
            direction, high = 1, v
            low = v
    return turns
