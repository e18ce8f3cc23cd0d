"""Learning rate too low: a loss that falls in a straight line, at a pace that never arrives."""

from __future__ import annotations

import math

import numpy as np

from goodfit.diagnose.chance import classes_of
from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.noise import Array
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.thresholds import BY_BIAS, CHANCE, EPOCHS_TO_HALVE, FITS, STRAIGHT, SURE, UNMOVED
from goodfit.diagnose.view import View


class LearningRateTooLow(Rule):
    """The training loss falls evenly, or does not move at all, far from fitting its rows."""

    code = "learning_rate_too_low"
    needs = ("train",)

    def check(self, view: View, context: Context) -> Finding | None:
        """Even steps, and at this pace more than `EPOCHS_TO_HALVE` to halve the loss that it began with.

        However long it goes on: a steady fall shall have one name at every length.
        """
        train, score = view.train, view.train_metric
        assert train is not None
        x = train.smooth[np.isfinite(train.smooth)]
        n = len(x)
        accuracy = score.last if score is not None and score.is_accuracy else None
        if n < 3 or x[-1] <= 0 or (accuracy is not None and accuracy >= FITS):
            return None
        third = max(1, (n - 1) // 3)
        late, early = float(x[-1 - third] - x[-1]) / third, float(x[0] - x[third]) / third
        pace = float(x[0] - x[-1]) / (n - 1)
        halving = float(x[0]) / 2 / max(late, pace) if pace > 0 else math.inf
        if view.same_answer and pace > BY_BIAS * float(x[0]):
            return None  # something moves, but nothing that depends on the rows
        unmoved = abs(float(x[0] - x[-1])) <= UNMOVED * abs(float(x[0])) and not context.regularised
        if accuracy is not None and unmoved and halving >= EPOCHS_TO_HALVE and self._above(x, accuracy, context):
            return self._unmoved(float(x[0]), float(x[-1]))
        # A training loss goes on falling slowly while the validation loss has arrived: that is another matter.
        arrived = view.val is not None and view.val.best < len(view.val.mean) - 1 - max(1, len(view.val.mean) // 3)
        if pace <= 0 or late < STRAIGHT * early or arrived:
            return None
        change, error = train.change(0, n - 1)
        surely = -change / error if error > 0 else math.inf
        sure = min(halving / EPOCHS_TO_HALVE, surely / SURE)
        if sure < 1:
            return None
        return Finding(
            code=self.code,
            severity="warning",
            epoch=1,
            confidence=confidence(sure),
            message=(
                f"{train.key} falls evenly but slowly ({x[0]:.4g} to {x[-1]:.4g} in {n} epochs): "
                f"at this pace it takes about {halving:.0f} epochs to halve. The learning rate is too low."
            ),
            evidence={
                "train_first": number(float(x[0])),
                "train_last": number(float(x[-1])),
                "pace": number(pace),
                "late_to_early": number(late / early if early > 0 else 1e6),
                "epochs_to_halve": number(halving),
            },
            remedies=("higher_learning_rate", "more_epochs"),
        )

    @staticmethod
    def _above(trend: Array, accuracy: float, context: Context) -> bool:
        """Whether a loss ends above that of chance without ever rising: an output's bias alone would pass it."""
        classes = context.classes or classes_of(accuracy, 1000)
        chance = math.log(classes)
        at_chance = accuracy * classes < 1.25
        # Three steps of flat noise all fall in 1 of 24 cases: of so few none may move at all.
        told = len(trend) >= 5 or float(np.ptp(trend)) <= 1e-4 * chance
        return (
            at_chance
            and told
            and chance * (1 + CHANCE) < trend[-1] < 2 * chance
            and bool(np.all(np.diff(trend) <= 1e-4 * chance))
        )

    def _unmoved(self, first: float, last: float) -> Finding:
        """The finding for a network that is still worse than a constant answer."""
        return Finding(
            code=self.code,
            severity="error",
            epoch=1,
            confidence=0.6,
            message=(
                f"The training loss hardly moved ({first:.4g} to {last:.4g}) and is still above that of answering by "
                "chance: the steps change next to nothing. The learning rate is too low, or the layers are not trained."
            ),
            evidence={"train_first": number(first), "train_last": number(last)},
            remedies=("higher_learning_rate",),
        )
