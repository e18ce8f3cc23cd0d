"""Too few epochs: the loss was still falling when training ended."""

from __future__ import annotations

import math

import numpy as np

from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.noise import Array
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.thresholds import HOLDS, SURE, WORTH_ERRORS, WORTH_MORE_EPOCHS, WORTH_POINTS
from goodfit.diagnose.view import View


def expected_gain(trend: Array) -> float:
    """What as many epochs again, or ten, should take off a loss, if its steps go on shrinking as they did.

    The factor `r` by which steps shrink is the least-squares slope of each step on the one before (through the
    origin, at most 1), over the last two thirds of the run from nine epochs on; the gain is the geometric sum
    `step * (r + ... + r^max(n, 10))`, where `step` is the mean of the last third's steps brought to the run's end.

    Args:
        trend: A loss's moving average, shape `(n,)`, n >= 3.

    Returns:
        The gain in the loss's own unit, 0 where it no longer falls.
    """
    n = len(trend)
    third = max(1, n // 3)
    steps = -np.diff(trend)
    late = float(np.mean(steps[-third:]))
    recent = steps[third:] if n >= 9 else steps
    before = float(np.sum(recent[:-1] ** 2))
    if late <= 0 or before == 0:
        return 0.0
    shrink = min(1.0, max(0.0, float(np.sum(recent[:-1] * recent[1:])) / before))
    return late * shrink ** ((third - 1) / 2) * float(np.sum(shrink ** np.arange(1, more(n) + 1)))


def more(epochs: int) -> int:
    """Epochs that a gain is foretold for: as many again, or ten."""
    return max(epochs, 10)


def errors_per_loss(loss: Array, errors: Array) -> float:
    """By how much the error rate falls when the loss falls by one: least squares over the last two thirds, 0 at least.

    The loss is far smoother than the error rate of a few hundred rows, so its gain is foretold and translated.
    """
    part = slice(len(loss) // 3, None)
    x, y = loss[part] - loss[part].mean(), errors[part] - errors[part].mean()
    spread = float(np.sum(x * x))
    return max(0.0, float(np.sum(x * y)) / spread) if spread > 0 else 0.0


def falls(curve: Array) -> int:
    """How many steps at the end of a loss go down without a break."""
    up = np.flatnonzero(np.diff(curve) >= 0)
    return len(curve) - 1 - (int(up[-1]) + 1 if len(up) else 0)


def holds(view: View) -> float:
    """The validation loss's fall in the last third, two epochs at least, as a share of the training loss's.

    What a network learns late holds ever less for other rows; at the lowest validation loss nothing of it does. So a
    validation loss that falls by little of what the training loss falls by is about to arrive, however steep it is.

    Args:
        view: The curves.

    Returns:
        The share; infinite where one of the losses is missing or the training loss does not fall.
    """
    running, val = view.running, view.val
    if running is None or val is None:
        return math.inf
    start = -1 - max(2, view.epochs // 3)
    fell = float(running.smooth[start] - running.smooth[-1])
    return float(val.smooth[start] - val.smooth[-1]) / fell if fell > 0 else math.inf


def _epochs(count: int) -> str:
    """`epoch`, or so many of them: what goes behind `the last`."""
    return "epoch" if count == 1 else f"{count} epochs"


class TooFewEpochs(Rule):
    """Training ended while the network was still getting better."""

    code = "too_few_epochs"
    needs = ("train",)

    def check(self, view: View, context: Context) -> Finding | None:
        """Validation loss still falls, much like the training loss, and enough is to be gained by going on.

        A training loss alone is worth an `info`: it goes on falling while a network learns its rows by heart.
        """
        curve = view.val or view.train
        assert curve is not None
        n = len(curve.mean)
        if not np.isfinite(curve.smooth).all() or (
            context.patience is not None and view.epochs < (context.epochs or 0)
        ):
            return None
        third = max(1, n // 3)
        gain = expected_gain(curve.smooth)
        change, error = curve.change(n - 1 - third, n - 1)
        worth = gain / abs(curve.last) if curve.last else 0.0
        surely = -change / error if error > 0 else math.inf
        # Three falls in a row happen to a flat noisy curve in 1 of 24; a few points can say no more.
        sure = min(worth / WORTH_MORE_EPOCHS, max(surely / SURE, falls(curve.mean) / 3))
        if curve.best < n - 1 - third or sure < 0.5:
            return None
        # A schedule that has run its rate down has come to its end: more epochs need another schedule.
        rate = view.rate.mean[np.isfinite(view.rate.mean)] if view.rate else np.ones(1)
        done = bool(rate[-1] < 0.1 * rate.max())
        metric = view.val_metric if view.val else view.train_metric
        points, accuracy = None, 0.0
        if metric is not None and metric.is_accuracy and len(metric.smooth) == n and np.isfinite(metric.smooth).all():
            points, accuracy = gain * errors_per_loss(curve.smooth, 1 - metric.smooth), metric.last
        shared = holds(view)
        foretold = f"about {worth:.0%}" if worth < 0.5 else "more than half"  # no straight line goes on to 0
        better = points is None or points >= WORTH_POINTS or points >= max(WORTH_ERRORS * (1 - accuracy), 0.005)
        return Finding(
            code=self.code,
            severity="warning" if sure >= 1 and better and shared >= HOLDS and not done and view.val else "info",
            epoch=view.epochs,
            confidence=confidence(sure if better else sure / 2),
            message=(
                f"{curve.key} was still falling after {n} epochs ({-change:.3g} in the last {_epochs(third)}); "
                f"{more(n)} more should lower it by {foretold}."
            ),
            evidence={
                "epochs": n,
                "last": number(curve.last),
                "fell": number(-change),
                "over_epochs": third,
                "expected_gain": number(min(worth, 1.0)),
                "standard_errors": number(min(surely, 1e6)),
                **({} if points is None else {"expected_accuracy_gain": number(min(points, 1 - accuracy))}),
                **({} if math.isinf(shared) else {"holds_for_validation": number(shared)}),
            },
            remedies=("more_epochs", "higher_learning_rate"),
        )
