"""Underfitting: the network cannot even fit its training rows."""

from __future__ import annotations

import math

import numpy as np

from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.rules.too_few_epochs import errors_per_loss, expected_gain
from goodfit.diagnose.thresholds import BELOW_LINEAR, BY_BIAS, CHANCE, FITS, NOTHING_LEARNED
from goodfit.diagnose.view import Curve, View


def within_reach(train: Curve, score: Curve) -> float:
    """Training accuracy that more epochs should reach: one still on its way up is not too weak, but cut short."""
    n = len(train.smooth)
    if len(score.smooth) != n or not (np.isfinite(train.smooth).all() and np.isfinite(score.smooth).all()):
        return score.at_best
    return score.at_best + expected_gain(train.smooth) * errors_per_loss(train.smooth, 1 - score.smooth)


class Underfitting(Rule):
    """The training metric stays far from what the data allows."""

    code = "underfitting"
    needs = ("train",)

    def check(self, view: View, context: Context) -> Finding | None:
        """Training accuracy at chance, or below a linear model's, or a training loss that hardly moved."""
        train = view.train
        assert train is not None
        score = view.train_metric if view.train_metric and view.train_metric.is_accuracy else None
        floor = self._chance(train, score, context)
        fell = train.first - train.at_best
        moved = fell / abs(train.first) if train.first else 0.0
        knows = score.at_best >= FITS if score is not None and floor is None else train.at_best == 0
        evidence = {"epochs": view.epochs, "train_loss": number(train.last), "fell": number(moved)}
        if score is not None:
            evidence[score.key] = number(score.at_best)
        said, reach = "", within_reach(train, score) if score is not None else math.nan
        if score is not None and view.val is not None and view.val_metric is not None:
            # Validation rows may fare better than a running accuracy, which is measured under dropout.
            reach = max(reach, within_reach(view.val, view.val_metric))
        if score is not None and floor is not None and reach < (least := floor + min(CHANCE, (1 - floor) / 2)):
            severity, sure = "error", 2.0 + (least - reach) / CHANCE
            evidence["chance"] = number(floor)
            said = (
                f"{score.key} never passed {score.at_best:.3g}; always answering the commonest class gives {floor:.3g}"
            )
        elif view.same_answer and moved > BY_BIAS * (view.epochs - 1):
            severity, sure = "error", 2.0
            said = (
                f"the accuracy has not changed by one row since epoch 2 ({score.last if score else 0:.3g}): the "
                "network answers every row alike, as one does whose units are dead"
            )
        elif moved < NOTHING_LEARNED and (score is None or floor is None) and not knows:
            severity, sure = "error", 1.0 + (NOTHING_LEARNED - moved) / NOTHING_LEARNED
            said = f"{train.key} hardly moved in {view.epochs} epochs (from {train.first:.4g} to {train.at_best:.4g})"
        elif score is not None and context.linear is not None and reach < context.linear - BELOW_LINEAR:
            severity, sure = "warning", (context.linear - score.at_best) / BELOW_LINEAR
            evidence["linear"] = number(context.linear)
            said = f"{score.key} reaches {score.at_best:.3g}, a linear model {context.linear:.3g} on validation rows"
        if not said:
            return None
        return Finding(
            code=self.code,
            severity=severity,
            epoch=1,
            confidence=confidence(sure),
            message=f"Underfitting: {said}.",
            evidence=evidence,
            remedies=("larger", "higher_learning_rate", "more_epochs", "lower_learning_rate"),
        )

    @staticmethod
    def _chance(train: Curve, score: Curve | None, context: Context) -> float | None:
        """Accuracy of an answer that ignores the inputs, where it is known or the curves give it away."""
        if context.majority is not None:
            return context.majority
        if context.classes is not None:
            return 1 / context.classes
        if score is None or train.at_best <= 0 or train.at_best > 10:
            return None
        # A loss of ln(C) beside an accuracy of 1/C is a network that answers the same for every row.
        classes = round(math.exp(train.at_best))
        near = classes >= 2 and abs(train.at_best - math.log(classes)) < CHANCE * math.log(classes)
        return 1 / classes if near and abs(score.at_best * classes - 1) < 0.25 else None
