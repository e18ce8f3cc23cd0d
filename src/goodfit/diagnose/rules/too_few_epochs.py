"""Too few epochs: the loss was still falling when training ended."""

from __future__ import annotations

import math

import numpy as np

from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.noise import Array
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.thresholds import SURE, WORTH_MORE_EPOCHS
from goodfit.diagnose.view import View


def expected_gain(trend: Array) -> tuple[float, float]:
    """What as many epochs again should take off a loss, if its steps go on shrinking as they did.

    The improvement of the last third, set against that of the third before, gives the factor `r` by which steps
    shrink from epoch to epoch; the gain is the geometric sum `step * (r + r^2 + ... + r^n)`.

    Args:
        trend: A loss's moving average, shape `(n,)`, n >= 3.

    Returns:
        The gain in the loss's own unit (0 where it no longer falls) and `r`.
    """
    n = len(trend)
    third = max(1, n // 3)
    late = float(trend[-1 - third] - trend[-1])
    early = float(trend[-1 - 2 * third] - trend[-1 - third])
    if late <= 0:
        return 0.0, 0.0
    shrink = min(1.0, (late / early) ** (1 / third)) if early > 0 else 1.0
    step = late / third * shrink ** ((third - 1) / 2)
    return step * float(np.sum(shrink ** np.arange(1, n + 1))), shrink


class TooFewEpochs(Rule):
    """Training ended while the network was still getting better."""

    code = "too_few_epochs"
    needs = ("train",)

    def check(self, view: View, context: Context) -> Finding | None:
        """Validation loss (training loss where there is none) still falls, and enough is to be gained by going on."""
        curve = view.val or view.train
        assert curve is not None
        n = len(curve.mean)
        if not np.isfinite(curve.smooth).all() or (
            context.patience is not None and view.epochs < (context.epochs or 0)
        ):
            return None
        third = max(1, n // 3)
        gain, _ = expected_gain(curve.smooth)
        change, error = curve.change(n - 1 - third, n - 1)
        worth = gain / abs(curve.last) if curve.last else 0.0
        surely = -change / error if error > 0 else math.inf
        sure = min(worth / WORTH_MORE_EPOCHS, surely / SURE)
        if curve.best < n - 1 - third or sure < 0.5:
            return None
        # A schedule that has run its rate down has come to its end: more epochs need another schedule.
        rate = view.rate.mean[np.isfinite(view.rate.mean)] if view.rate else np.ones(1)
        done = bool(rate[-1] < 0.1 * rate.max())
        metric = view.val_metric if view.val else view.train_metric
        better = True
        if metric is not None and len(metric.mean) == n:
            gained, _ = metric.change(n - 1 - third, n - 1)
            better = gained > 0 if metric.higher else gained < 0
        return Finding(
            code=self.code,
            severity="warning" if sure >= 1 and better and not done else "info",
            epoch=view.epochs,
            confidence=confidence(sure if better else sure / 2),
            message=(
                f"{curve.key} was still falling after {n} epochs ({-change:.3g} in the last {third}); "
                f"as many again should lower it by about {worth:.0%}."
            ),
            evidence={
                "epochs": n,
                "last": number(curve.last),
                "fell": number(-change),
                "over_epochs": third,
                "expected_gain": number(worth),
                "standard_errors": number(min(surely, 1e6)),
            },
            remedies=("more_epochs", "higher_learning_rate"),
        )
