"""Learning rate too high: the first steps throw the loss far off, and there it stays."""

from __future__ import annotations

import math

import numpy as np

from goodfit.diagnose.chance import chance_loss, classes_of
from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.noise import distinct
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.thresholds import (
    CHANCE,
    FIRST_OF_NONE,
    FIRST_THROWN_OFF,
    FIRST_WORSE_THAN_CHANCE,
    FITS,
    FLIP,
    FROZEN,
    LEARNED,
    MOST_CLASSES,
    THROWN_OFF,
)
from goodfit.diagnose.view import View


class LearningRateTooHigh(Rule):
    """The network is surely wrong rather than unsure: its loss is far above that of answering by chance."""

    code = "learning_rate_too_high"
    needs = ("train", "train_metric")

    def check(self, view: View, context: Context) -> Finding | None:
        """A cross-entropy `THROWN_OFF` times what the accuracy explains, or a first epoch far worse than chance."""
        train, score = view.train, view.train_metric
        assert train is not None
        assert score is not None
        if not score.is_accuracy:
            return None
        accuracy = float(np.clip(score.last, 0, 1))
        classes = context.classes or self._classes(view, accuracy)
        floor = max(context.majority or 0.0, 1 / (context.classes or classes_of(accuracy, 100)))
        honest = chance_loss(max(accuracy, floor), classes)
        # Whoever is right most of the time has learned, however sure it is where it errs.
        learned = accuracy >= FITS or accuracy > floor + 10 * CHANCE
        off = train.last / honest
        # A penalty on the weights lifts a loss too, but not the accuracy off its course.
        stays = off >= THROWN_OFF and (
            self._frozen(view, context)
            or (not learned and not context.regularised and accuracy < score.first + LEARNED)
        )
        first = self._first(view, context)
        if not stays and first < 1 and (told := self._flips(view)) is not None:
            return told
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
    def _classes(view: View, accuracy: float) -> int:
        """How many classes there may be: as many as make this accuracy, or the first loss, the one of chance."""
        running = view.running
        first = running.first if running is not None else 0.0
        return max(classes_of(accuracy, 100), min(MOST_CLASSES, round(math.exp(min(first, 20.0)))))

    def _flips(self, view: View) -> Finding | None:
        """The finding for a network that answers every row alike, now with one class and now with another.

        Validation accuracy then leaps to and fro between a few shares of rows, the same to the last digit, while the
        training accuracy gets nowhere: each step throws the output's bias from one class to the other.
        """
        held, score = view.val_metric, view.train_metric
        if held is None or score is None or len(held.runs) > 1 or view.epochs < 6 or score.at_best >= FITS:
            return None
        x = np.round(held.mean[1:], 6)
        shares = distinct(x)
        often = max(int(np.sum(x == share)) for share in shares)
        leaps = np.abs(np.diff(x))
        leaps = leaps[leaps > 0]
        if not len(leaps) or leaps.min() < FLIP or len(shares) > len(x) / 2 or often < 3:
            return None
        if score.last > score.first + LEARNED / 2 or score.last > x.max() + LEARNED / 2:
            return None
        return Finding(
            code=self.code,
            severity="error",
            epoch=1,
            confidence=0.7,
            message=(
                f"{held.key} leaps between {len(shares)} values, the same to the last digit ({shares.min():.3g} to "
                f"{shares.max():.3g}), and {score.key} gets nowhere ({score.last:.3g}): the network answers every row "
                "alike, and each epoch with another class. The learning rate is too high."
            ),
            evidence={"values": len(shares), "epochs": view.epochs, score.key: number(score.last)},
            remedies=("lower_learning_rate", "batch_normalization"),
        )

    @staticmethod
    def _frozen(view: View, context: Context) -> bool:
        """Whether neither loss nor accuracy moves any more, at a loss worse than chance: it is sure of its errors."""
        train, score = view.train, view.train_metric
        assert train is not None
        assert score is not None
        late = max(3, view.epochs // 3)
        loss, accuracy = train.mean[-late:], score.mean[-late:]
        still = np.ptp(accuracy) < 1e-6 and np.ptp(loss) < FROZEN * abs(float(loss[-1]))
        return bool(still and loss[-1] > math.log(context.classes or 2))

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
        absurd = first / FIRST_OF_NONE if 0.05 < score.first < 0.5 else 0.0
        return max(first / chance_loss(score.first, None) / FIRST_THROWN_OFF, absurd)
