"""Underfitting: the network cannot even fit its training rows."""

from __future__ import annotations

import math

import numpy as np

from goodfit.diagnose.chance import chance_loss
from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.grain import rows_behind
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.rules.too_few_epochs import errors_per_loss, expected_gain
from goodfit.diagnose.thresholds import BELOW_LINEAR, BY_BIAS, CHANCE, FITS, JUST_ABOVE, NOTHING_LEARNED, SURE
from goodfit.diagnose.view import Curve, View


def within_reach(train: Curve, score: Curve) -> float:
    """Training accuracy that more epochs should reach: one still on its way up is not too weak, but cut short."""
    n = len(train.smooth)
    if len(score.smooth) != n or not (np.isfinite(train.smooth).all() and np.isfinite(score.smooth).all()):
        return score.at_best
    return score.at_best + expected_gain(train.smooth) * errors_per_loss(train.smooth, 1 - score.smooth)


def stays(curve: Curve, level: float) -> bool:
    """Whether a loss stays at a level, or above: the mean of its later half is less than `NOTHING_LEARNED` below.

    The lowest of many noisy epochs is not what was learned.
    """
    x = curve.smooth[np.isfinite(curve.smooth)]
    return bool(np.mean(x[-max(1, len(x) // 2) :]) > level - NOTHING_LEARNED * abs(level))


class Underfitting(Rule):
    """The training metric stays far from what the data allows."""

    code = "underfitting"
    needs = ("train",)

    def check(self, view: View, context: Context) -> Finding | None:
        """Training accuracy at chance, or below a linear model's, or a training loss that hardly moved."""
        train = view.train
        assert train is not None
        score = view.train_metric if view.train_metric and view.train_metric.is_accuracy else None
        floor = self._floor(train, score, context)
        moved = (train.first - train.at_best) / abs(train.first) if train.first else 0.0
        knows = score.at_best >= FITS if score is not None and floor is None else train.at_best == 0
        evidence = {"epochs": view.epochs, "train_loss": number(train.last), "fell": number(moved)}
        if score is not None:
            evidence[score.key] = number(score.at_best)
        said, remedies = "", (_rate(train), "larger", "more_epochs")
        trained = within_reach(train, score) if score is not None else math.nan
        reach = trained
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
            remedies = ("lower_learning_rate", "batch_normalization", "larger")
            said = (
                f"the accuracy has not changed by one row since epoch 2 ({score.last if score else 0:.3g}): the "
                "network answers every row alike, as one does whose units are dead"
            )
        elif score is not None and floor is not None and trained < self._by_luck(view, score, floor, context):
            severity, sure = "error", 1.0 + (floor + JUST_ABOVE - score.at_best) / JUST_ABOVE
            evidence["chance"] = number(floor)
            said = (
                f"{train.key} stays at {train.last:.4g} in {view.epochs} epochs, and {score.key} never passed "
                f"{score.at_best:.3g}: hardly more than answering by chance ({floor:.3g})"
            )
        elif (
            (score is None or floor is None) and not knows and moved < 2 * NOTHING_LEARNED and stays(train, train.first)
        ):
            severity, sure = "error", 1.0 + max(0.0, NOTHING_LEARNED - moved) / NOTHING_LEARNED
            said = f"{train.key} hardly moved in {view.epochs} epochs (from {train.first:.4g} to {train.at_best:.4g})"
        elif score is not None and context.linear is not None and reach < context.linear - BELOW_LINEAR:
            severity, sure = "warning", (context.linear - score.at_best) / BELOW_LINEAR
            evidence["linear"] = number(context.linear)
            remedies = ("larger", "higher_learning_rate", "more_epochs")
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
            remedies=remedies,
        )

    @staticmethod
    def _floor(train: Curve, score: Curve | None, context: Context) -> float | None:
        """Accuracy of an answer that ignores the inputs, where it is known or the curves give it away."""
        if context.majority is not None:
            return context.majority
        if context.classes is not None:
            return 1 / context.classes
        x = train.smooth[np.isfinite(train.smooth)]
        level = float(np.mean(x[len(x) // 2 :]))
        if score is None or not 0 < level <= 10:
            return None
        # A loss of ln(C) beside an accuracy of 1/C is a network that answers the same for every row.
        classes = round(math.exp(level))
        near = classes >= 2 and abs(level - math.log(classes)) < CHANCE * math.log(classes)
        return 1 / classes if near and abs(score.at_best - 1 / classes) < max(0.25 / classes, JUST_ABOVE) else None

    @staticmethod
    def _by_luck(view: View, score: Curve, floor: float, context: Context) -> float:
        """Accuracy up to which nothing was learned where no loss shows anything: `JUST_ABOVE` the floor.

        The best epoch lies farther above by chance, the fewer the rows: by their standard error, or the curve's wobble
        where their number is unknown. 0 where a loss left its start, and chance.
        """
        chance = None if context.regularised else chance_loss(floor, context.classes)
        for curve in (view.train, view.val):
            if curve is not None and not any(stays(curve, v) for v in (curve.first, chance) if v is not None):
                return 0.0
        rows = context.rows or rows_behind(score.logged[0])
        spread = math.sqrt(floor * (1 - floor) / rows) if rows else min(score.noise, 2 * JUST_ABOVE / SURE)
        return floor + min(max(JUST_ABOVE, SURE * spread), (1 - floor) / 2)


def _rate(loss: Curve) -> str:
    """Which way to turn the learning rate where a loss gets nowhere: up if it stands or creeps, down if it wobbles."""
    wobbles = loss.noise > BY_BIAS * abs(loss.first) and SURE * loss.noise > loss.first - loss.last
    return "lower_learning_rate" if wobbles else "higher_learning_rate"
