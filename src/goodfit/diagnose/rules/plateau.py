"""Plateau: after a good start the training loss stops moving, far above where it could be."""

from __future__ import annotations

import numpy as np

from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.thresholds import BELOW_LINEAR, FITS, FLAT, NOTHING_LEARNED
from goodfit.diagnose.view import View


class Plateau(Rule):
    """The last half of the training brought nothing, and there was more to be had."""

    code = "plateau"
    needs = ("train",)

    def check(self, view: View, context: Context) -> Finding | None:
        """Less than `FLAT` of the fall came after the named epoch, in half of the run and five epochs at least."""
        train, score = view.train, view.train_metric
        assert train is not None
        x = train.smooth[np.isfinite(train.smooth)]
        n, fall = len(x), float(x[0] - np.min(x))
        accuracy = score.at_best if score is not None and score.is_accuracy else None
        if n < 8 or fall < NOTHING_LEARNED * abs(float(x[0])) or (accuracy is not None and accuracy >= FITS):
            return None
        reached = int(np.argmax(x <= x.min() + FLAT * fall))
        flat = n - 1 - reached
        if flat < max(5, n / 2) or accuracy is None:
            return None
        # Whether a flat curve is stuck or has learned all there is, only a yardstick can tell.
        missed = context.linear is not None and accuracy < context.linear - BELOW_LINEAR / 2
        return Finding(
            code=self.code,
            severity="warning" if missed else "info",
            epoch=reached + 1,
            confidence=confidence(flat / n * (2 if missed else 1)),
            message=(
                f"{train.key} has hardly moved since epoch {reached + 1} of {n} (it stands at {train.last:.3g}, "
                f"accuracy {accuracy:.3g}); either that is all the data allow, or training is stuck."
            ),
            evidence={
                "since": reached + 1,
                "epochs": n,
                "fell_before": number(float(x[0] - x[reached])),
                "fell_after": number(float(x[reached] - x.min())),
                "accuracy": number(accuracy),
            },
            remedies=("higher_learning_rate", "larger", "batch_normalization"),
        )
