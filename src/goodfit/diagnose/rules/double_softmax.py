"""Double softmax: the loss falls exactly as the accuracy rises, and stops far above 0."""

from __future__ import annotations

import math

import numpy as np

from goodfit.diagnose.chance import chance_loss
from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.noise import Array, smoothed
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.rules.too_few_epochs import expected_gain
from goodfit.diagnose.thresholds import FITS, SAME_SUM, STOPPED, TOO_UNSURE
from goodfit.diagnose.view import View


def sum_of(classes: float) -> float:
    """What loss and accuracy add up to when a softmax goes through another one.

    The second softmax sees numbers from 0 to 1 that add up to 1: a row costs `ln(sum(exp(p))) - p[class]`, and for a
    network that is sure of one class the first term is `ln(e + classes - 1)` and the second its accuracy.
    """
    return math.log(math.e + classes - 1)


class DoubleSoftmax(Rule):
    """A softmax output with `from_logits=True`: probabilities are taken for logits."""

    code = "double_softmax"
    needs = ("train", "train_metric")

    def check(self, view: View, context: Context) -> Finding | None:
        """Loss and accuracy add up to the same all along, and the loss is `TOO_UNSURE` times what accuracy explains."""
        running = view.running
        score = view.running_metric
        assert running is not None
        if score is None or not score.is_accuracy or context.regularised:
            return None
        good = np.isfinite(running.mean) & np.isfinite(score.mean)
        loss, accuracy = running.mean[good], score.mean[good]
        classes = 2 if self._sigmoid(loss, accuracy, context) else self._classes(loss, accuracy, context)
        if classes is None:
            return None
        # A loss that is bounded so is bounded on validation rows too, however much the network overfits.
        val, held = view.val, view.val_metric
        if val is not None and held is not None:
            apart = np.abs(val.mean + held.mean - loss[-1] - accuracy[-1])
            if not np.all(apart[1:] <= 2 * SAME_SUM):
                return None
        last = float(np.clip(accuracy[-1], 0, 1))
        unsure = float(loss[-1]) / chance_loss(last, classes)
        if unsure < TOO_UNSURE:
            return None
        return Finding(
            code=self.code,
            severity="error",
            epoch=1,
            confidence=confidence(unsure / TOO_UNSURE),
            message=(
                f"{running.key} stays at {loss[-1]:.3g} though the accuracy is {last:.3g}: "
                + (
                    "so it does where sigmoid is applied twice"
                    if classes == 2
                    else f"the two add up to {loss[-1] + last:.3g} all along, as they do for {classes} classes where "
                    "softmax is applied twice"
                )
                + ". Drop the output's activation, or set from_logits=False."
            ),
            evidence={
                "loss": number(float(loss[-1])),
                score.key: number(last),
                "sum": number(float(loss[-1]) + last),
                "classes": classes,
                "times": number(unsure),
            },
        )

    @staticmethod
    def _sigmoid(loss: Array, accuracy: Array, context: Context) -> bool:
        """Whether a binary loss has stopped where a sigmoid of a sigmoid does, while nearly all rows are told.

        A row of class 1 costs `ln(1 + 1/e)` = 0.31 at the least, one of class 0 `ln(2)` = 0.69, and at the start, where
        the output is a half, they cost 0.72 on average.
        """
        if context.classes not in (None, 2) or len(loss) < 5 or loss.min() <= 0:
            return False
        low, high = math.log(1 + 1 / math.e), math.log(2)
        stopped = expected_gain(smoothed(loss)) <= STOPPED * loss[-1]
        begins = high - 0.1 < loss[0] < high + 0.2
        return bool(low + 0.1 < loss[-1] < high - 0.03 and begins and stopped and accuracy[-1] >= FITS)

    @staticmethod
    def _classes(loss: Array, accuracy: Array, context: Context) -> int | None:
        """For how many classes the sums fit; None where they do not."""
        if len(loss) < 3 or accuracy.min() < 0 or accuracy.max() > 1 or loss.min() <= 0:
            return None
        sums = loss + accuracy
        # What rises as one falls: without a way to go the sum says nothing.
        if accuracy[-1] - accuracy[0] < SAME_SUM or sums.max() - sums.min() > SAME_SUM:
            return None
        classes = max(3, round(math.exp(float(sums[-1])) - math.e + 1))
        if context.classes is None:
            return classes if sums[-1] > sum_of(3) - SAME_SUM / 4 else None
        off = float(sums[-1]) - sum_of(context.classes)
        return context.classes if context.classes > 2 and -SAME_SUM / 4 < off < SAME_SUM else None
