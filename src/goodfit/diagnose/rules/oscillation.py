"""Oscillation: the training loss swings from epoch to epoch instead of falling."""

from __future__ import annotations

import numpy as np

from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.noise import median
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.swings import swings
from goodfit.diagnose.thresholds import FEWEST_TURNS, NOTHING_LEARNED, SWING, SWING_POINTS, SWING_SHARE
from goodfit.diagnose.view import View


class Oscillation(Rule):
    """Each run's own training curve turns back and forth; the mean of many seeds would hide it."""

    code = "oscillation"
    needs = ("running",)

    def check(self, view: View, context: Context) -> Finding | None:
        """Swings by `SWING` of the loss's fall in `SWING_SHARE` of the epochs, in the median run."""
        running = view.running
        assert running is not None
        n = len(running.mean)
        fall = running.first - float(np.nanmin(running.mean))
        if n < 5 or fall <= 0:
            return None
        # After the first epoch: its running loss averages over the steepest part of training.
        least = max(SWING * fall, NOTHING_LEARNED * abs(running.first))
        turns = median(np.array([swings(run[1:], least) for run in running.runs]))
        score = view.curve(view.metric) if view.metric and "acc" in view.metric else None
        if score is not None:
            turns = max(turns, median(np.array([swings(run[1:], SWING_POINTS) for run in score.runs])))
        share = turns / (n - 2)
        sure = share / SWING_SHARE
        if sure < 1 or turns < FEWEST_TURNS:
            return None
        return Finding(
            code=self.code,
            severity="warning",
            epoch=2,
            confidence=confidence(sure),
            message=(
                f"Training swings: the loss turns by {least:.2g} or more, or the accuracy by {SWING_POINTS:.0%}, "
                f"{turns:.0f} times in {n} epochs. The learning rate is too high, or the batches are too small."
            ),
            evidence={
                "turns": turns,
                "epochs": n,
                "share": number(share),
                "swing": number(least),
                "fall": number(fall),
            },
            remedies=("lower_learning_rate", "batch_normalization"),
        )
