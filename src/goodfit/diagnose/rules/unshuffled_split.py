"""Unshuffled split: from the first epoch on, validation rows are told far worse than training rows."""

from __future__ import annotations

import numpy as np

from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.thresholds import AT_ONCE, OTHER_LOSS, OTHER_ROWS
from goodfit.diagnose.view import View


class UnshuffledSplit(Rule):
    """Training and validation rows are not of one kind. Overfitting takes epochs to open a gap; this one is born so."""

    code = "unshuffled_split"
    needs = ("val", "running", "val_metric")

    def check(self, view: View, context: Context) -> Finding | None:
        """Validation accuracy under `OTHER_ROWS` of the running one in the first epochs, and a loss far above."""
        val, running, held = view.val, view.running, view.val_metric
        assert val is not None
        assert running is not None
        assert held is not None
        score = view.running_metric
        if score is None or not held.is_accuracy:
            return None
        early = slice(0, AT_ONCE)
        with np.errstate(divide="ignore", invalid="ignore"):
            told = held.mean[early] / score.mean[early]
        above = val.first / running.first if running.first > 0 else 0.0
        if len(told) < AT_ONCE or not np.all(told <= OTHER_ROWS) or above < OTHER_LOSS:
            return None
        # Averages of batch normalisation that have not settled look alike, and settle.
        if held.last > 0.75 * score.last:
            return None
        return Finding(
            code=self.code,
            severity="warning",
            epoch=1,
            confidence=confidence(OTHER_ROWS / max(float(told.max()), 0.1)),
            message=(
                f"Validation rows are of another kind: in epoch 1 {held.key} is {held.first:.3g} and {score.key} "
                f"{score.first:.3g}, and {val.key} {above:.1f} times {running.key}. Are the rows sorted and the last "
                "ones held out? Shuffle before splitting."
            ),
            evidence={
                "val_accuracy_first": number(held.first),
                "accuracy_first": number(score.first),
                "val_accuracy_last": number(held.last),
                "loss_ratio_first": number(above),
            },
        )
