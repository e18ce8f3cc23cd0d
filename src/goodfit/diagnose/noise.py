"""How much a curve wobbles, and how sure a change on it is. NumPy only."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def median(values: Array) -> float:
    """The median; `np.median` would import `numpy.ma`, a tenth of the time that a short log takes."""
    x = np.sort(np.asarray(values, dtype=np.float64))
    return float((x[(len(x) - 1) // 2] + x[len(x) // 2]) / 2)


def distinct(values: Array) -> Array:
    """The different values, sorted; `np.unique` would import `numpy.ma` too."""
    x = np.sort(values)
    return x[np.concatenate([[True], np.diff(x) > 0])] if len(x) else x


def roughness(values: Array) -> float:
    """Standard deviation of one epoch's value about the curve's trend; NaN under 3 points.

    The median absolute second difference over 0.6745 * sqrt(6): exact for white noise on a straight line, and
    too large where few points bend strongly, which makes a diagnosis of a short run more careful.
    """
    x = values[np.isfinite(values)]
    if len(x) < 3:
        return float("nan")
    return float(median(np.abs(np.diff(x, 2))) / (0.6745 * np.sqrt(6)))


def window(position: int) -> int:
    """Epochs that the trend averages around a position: 1 up to epoch 10, 3 from 11, 5 from 21, 11 from 51 (odd).

    It grows as learning slows down, and does not depend on how long a run goes on.
    """
    return min(11, position // 5) | 1


def smoothed(values: Array) -> Array:
    """A curve's trend: centred moving average over `window`, narrower at the end; NaN are left out, not spread."""
    good = np.isfinite(values)
    level = values[good][0] if good.any() else 0.0  # sums of what differs from it keep a constant curve constant
    total = np.concatenate([[0.0], np.cumsum(np.where(good, values - level, 0.0))])
    count = np.concatenate([[0], np.cumsum(good)])
    at = np.arange(len(values))
    # A window that shrinks symmetrically keeps a straight line straight up to the end.
    reach = np.minimum(np.minimum(11, at // 5) // 2, len(values) - 1 - at)
    low, high = at - reach, at + reach + 1
    means = level + (total[high] - total[low]) / np.maximum(count[high] - count[low], 1)
    # Where the window is one epoch the value itself, which no sum can blur.
    return np.where(reach == 0, values, np.where(count[high] > count[low], means, np.nan))


def between(runs: Array) -> float:
    """Standard deviation between seeds of one epoch's value; NaN under 2 runs or 2 epochs that all of them reached.

    What is left of each value when its run's mean and its epoch's mean are taken off (a two-way layout), with
    (runs - 1)(epochs - 1) degrees of freedom.

    Args:
        runs: Shape `(runs, epochs)`.
    """
    x = runs[:, np.isfinite(runs).all(axis=0)]
    n, epochs = x.shape
    if n < 2 or epochs < 2:
        return float("nan")
    rest = x - x.mean(axis=1, keepdims=True) - x.mean(axis=0) + x.mean()
    return float(np.sqrt(np.sum(rest**2) / ((n - 1) * (epochs - 1))))
