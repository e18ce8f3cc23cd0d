"""Wrong loss: the loss is lower, or absurdly higher, than a cross-entropy of this accuracy can be."""

from __future__ import annotations

import math

import numpy as np

from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.thresholds import ABSURD, CHANCE, NO_CROSS_ENTROPY, NO_HITS
from goodfit.diagnose.view import View


def surprise(view: View, val: bool) -> float:
    """A loss in units of what a cross-entropy has at the least, over all epochs; NaN without loss or accuracy.

    A row that is told wrongly gave its class a half at most, and a calibrated network is as unsure about some rows
    that it tells rightly: `2 ln(2) min(1 - accuracy, 1/2)` is the lowest cross-entropy that is honest. Half of it is
    the unit here, so that this gives 2 or more for a cross-entropy and 0.7 to 1.4 for a calibrated squared error.

    Args:
        view: The curves; loss and accuracy are taken from the same rows and passes (both running, or validation).
        val: Whether of the validation rows.
    """
    loss, score = (view.val, view.val_metric) if val else (view.running, view.running_metric)
    if loss is None or score is None or not score.is_accuracy:
        return math.nan
    good = np.isfinite(loss.mean) & np.isfinite(score.mean)
    values, accuracy = loss.mean[good], score.mean[good]
    if not good.any() or accuracy.min() < 0 or accuracy.max() > 1:
        return math.nan
    least = float(np.sum(np.minimum(1 - accuracy, 0.5))) * math.log(2)
    return float(np.sum(values)) / least if least > 0 else math.nan


class WrongLoss(Rule):
    """What is minimised is no cross-entropy, though accuracy says that the targets are classes."""

    code = "wrong_loss"
    needs = ("train", "train_metric")

    def check(self, view: View, context: Context) -> Finding | None:
        """A loss under `NO_CROSS_ENTROPY`, or above `ABSURD` while it learns."""
        train, score = view.train, view.train_metric
        assert train is not None
        assert score is not None
        # Validation rows where there are any: of rows that were learned by heart too few are told wrongly to judge by.
        sides = [s for s in (surprise(view, val=True), surprise(view, val=False)) if math.isfinite(s)]
        if not sides:
            return None
        most = sides[0]
        learned = score.last > score.first + 5 * CHANCE
        if 0 <= most < NO_CROSS_ENTROPY:
            numbers = score.at_best < NO_HITS
            said = (
                f"{train.key} is {train.last:.3g} and hardly a row is hit: the targets seem to be numbers, of which "
                "accuracy counts exact hits only"
                if numbers
                else f"{train.key} is {train.last:.3g} at an accuracy of {score.last:.3g}: lower than a cross-entropy "
                "can be, so it is another loss (mean squared error?)"
            )
            severity, sure = "info" if numbers else "warning", NO_CROSS_ENTROPY / most if most > 0 else 4.0
        elif train.last > ABSURD and learned:
            severity, sure = "warning", 2.0
            said = f"{train.key} is {train.last:.3g} while the accuracy has risen to {score.last:.3g}: no cross-entropy"
        else:
            return None
        advice = "" if severity == "info" else " For classes use a cross-entropy."
        return Finding(
            code=self.code,
            severity=severity,
            epoch=1,
            confidence=confidence(sure),
            message=f"{said}.{advice}",
            evidence={"loss": number(train.last), score.key: number(score.last), "times_least": number(most)},
        )
