"""Learning rate too high: the first steps throw the loss far off, and there it stays."""

from __future__ import annotations

import math

import numpy as np

from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.thresholds import CHANCE, FIRST_THROWN_OFF, FIRST_WORSE_THAN_CHANCE, FITS, LEARNED, THROWN_OFF
from goodfit.diagnose.view import View


def chance_loss(accuracy: float, classes: int | None) -> float:
    """The highest cross-entropy that an honest network of this accuracy can have.

    Args:
        accuracy: Its accuracy, 0 to 1.
        classes: Number of classes; where unknown as many as make this accuracy the one of chance, at least 2.

    Returns:
        The cross-entropy of giving every row's likeliest class the probability `accuracy` and the others equal shares.
    """
    a = min(max(accuracy, 1e-6), 1 - 1e-6)
    others = max(1, (classes or max(2, round(1 / a))) - 1)
    return -a * math.log(a) - (1 - a) * math.log((1 - a) / others)


class LearningRateTooHigh(Rule):
    """The network is surely wrong rather than unsure: its loss is far above that of answering by chance."""

    code = "learning_rate_too_high"
    needs = ("train", "train_metric")

    def check(self, view: View, context: Context) -> Finding | None:
        """A cross-entropy `THROWN_OFF` times what the accuracy explains, or a first epoch far worse than chance."""
        train, score = view.train, view.train_metric
        assert train is not None
        assert score is not None
        if "acc" not in score.key:
            return None
        accuracy = float(np.clip(score.last, 0, 1))
        floor = max(context.majority or 0.0, 1 / (context.classes or max(2, round(1 / max(accuracy, 0.01)))))
        honest = chance_loss(max(accuracy, floor), context.classes)
        # Whoever is right most of the time has learned, however sure it is where it errs.
        learned = accuracy >= FITS or accuracy > floor + 10 * CHANCE
        off = train.last / honest
        # A penalty on the weights lifts a loss too, but not the accuracy off its course.
        stays = off >= THROWN_OFF and not learned and not context.regularised and accuracy < score.first + LEARNED
        first = self._first(view, context)
        if not stays and (first < 1 or (learned and context.classes is None)):
            return None
        sure = off / THROWN_OFF if stays else min(first, 1.5)
        running = view.running or train
        level = f"is {train.last:.3g}" if stays else f"was {running.first:.3g} in the first epoch, now {train.last:.3g}"
        return Finding(
            code=self.code,
            severity="error" if stays else "warning",
            epoch=1,
            confidence=confidence(sure),
            message=(
                f"The first steps threw the network far off: the training loss {level} at an accuracy of "
                f"{accuracy:.2f}, where a network that is merely unsure has {honest:.2g}. The learning rate is too "
                "high, or the inputs are not scaled."
            ),
            evidence={
                "train_last": number(train.last),
                "chance_loss": number(honest),
                "times": number(off),
                "first": number(running.first),
                score.key: number(accuracy),
            },
            remedies=("lower_learning_rate", "batch_normalization"),
        )

    @staticmethod
    def _first(view: View, context: Context) -> float:
        """How many times the first epoch's running loss passes its threshold; 0 where it never moved from there.

        Where the classes are known an untrained network's loss is: near ln(classes). Where they are not, the first
        accuracy has to stand in for them, and the threshold is far higher.
        """
        running, train, score = view.running, view.train, view.train_metric
        assert running is not None
        assert train is not None
        assert score is not None
        apart = train.key != running.key
        first = running.first - (max(0.0, running.last - train.last) if apart else 0.0)
        then = train.first if apart else float(train.mean[1])
        if abs(then - first) < 0.2 * abs(first):
            return 0.0
        if context.classes is not None and context.classes > 1:
            return first / math.log(context.classes) / FIRST_WORSE_THAN_CHANCE
        return first / chance_loss(score.first, None) / FIRST_THROWN_OFF
