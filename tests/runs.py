"""How far trained runs are from each other."""

import numpy as np

from goodfit.train.lane import Trained


def distance(a, b) -> float:
    """The largest difference between two lists of weights; NaN where one of them is."""
    return float(np.max([np.abs(np.asarray(v) - np.asarray(w)).max(initial=0) for v, w in zip(a, b, strict=True)]))


def same(a: Trained, b: Trained, tolerance: float = 2e-5) -> bool:
    """Whether two runs are one: what they are called, how long they ran, their curves, their weights."""
    names = (a.variant, a.seed, a.best_epoch, a.epochs_run) == (b.variant, b.seed, b.best_epoch, b.epochs_run)
    if not names or a.curves.keys() != b.curves.keys() or (a.weights is None) != (b.weights is None):
        return False
    curves = all(np.allclose(a.curves[k], b.curves[k], rtol=0, atol=tolerance, equal_nan=True) for k in a.curves)
    return curves and (a.weights is None or distance(a.weights, b.weights) <= tolerance)
