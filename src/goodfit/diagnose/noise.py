"""How much a curve wobbles, and how sure a change on it is. NumPy only."""

from __future__ import annotations

import numpy as np

Array = np.ndarray

_T975 = np.array([12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262])
"""97.5 % points of Student's t for 1 to 9 degrees of freedom."""


def median(values: Array) -> float:
    """The median; `np.median` would import `numpy.ma`, a tenth of the time that a short log takes."""
    x = np.sort(np.asarray(values, dtype=np.float64))
    return float((x[(len(x) - 1) // 2] + x[len(x) // 2]) / 2)


def roughness(values: Array) -> float:
    """Standard deviation of one epoch's value about the curve's trend; NaN under 3 points.

    The median absolute second difference over 0.6745 * sqrt(6): exact for white noise on a straight line, and
    too large where few points bend strongly, which makes a diagnosis of a short run more careful.
    """
    x = values[np.isfinite(values)]
    if len(x) < 3:
        return float("nan")
    return float(median(np.abs(np.diff(x, 2))) / (0.6745 * np.sqrt(6)))


def smoothed(values: Array, window: int) -> Array:
    """Centred moving average over `window` (odd) epochs, narrower at both ends; NaN are left out, not spread."""
    if window <= 1 or len(values) < 3:
        return values.copy()
    half = window // 2
    good = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(good, values, 0.0))])
    count = np.concatenate([[0], np.cumsum(good)])
    at = np.arange(len(values))
    # A window that shrinks symmetrically keeps a straight line straight up to both ends.
    reach = np.minimum(half, np.minimum(at, len(values) - 1 - at))
    low, high = at - reach, at + reach + 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count[high] > count[low], (total[high] - total[low]) / (count[high] - count[low]), np.nan)


def window(epochs: int) -> int:
    """Epochs of the moving average for a run of this length: 1 up to 19, 3 from 20, 11 from 110 (always odd)."""
    return min(11, epochs // 10) | 1


def standard_error(changes: Array) -> float:
    """Standard error of the mean of paired changes, as much wider as Student's t is; NaN under 3 runs."""
    x = changes[np.isfinite(changes)]
    if len(x) < 3:
        return float("nan")
    df = len(x) - 1
    wider = (_T975[df - 1] if df <= len(_T975) else 1.96 + 2.5 / df) / 1.96
    return float(np.std(x, ddof=1) / np.sqrt(len(x)) * wider)
