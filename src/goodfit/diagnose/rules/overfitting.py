"""Overfitting: the validation loss turns and rises while the training loss goes on falling."""

from __future__ import annotations

import math

import numpy as np

from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.noise import Array
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.thresholds import (
    CLEAR,
    NEVER,
    RISE_RELATIVE,
    RISE_SHARE,
    ROWS_NOISE,
    SHORT,
    START,
    STILL_FALLING,
    SURE,
)
from goodfit.diagnose.view import View


def rise(view: View, context: Context | None = None) -> dict[str, float]:
    """How far the validation loss ends above its lowest point.

    Returns:
        `rise` in the loss's own unit, `share` of what it had come down by, `relative` to the lowest loss, `sure` in
        standard errors, `after` the number of epochs since the lowest, `in_a_row` the longest stretch of rises since
        (of a run of up to `SHORT` epochs, 0 of a longer one), `least` the relative rise that so few validation rows
        can tell (0 where their number is unknown, or the noise between seeds tells it).
    """
    val = view.val
    assert val is not None
    end = len(val.mean) - 1
    few = len(val.runs) < 3  # else the noise between seeds is known, and holds that of the rows
    rows = (context.validation_rows if context else None) or view.held_rows if few else None
    size, error = val.change(val.best, end) if val.best < end else (0.0, 0.0)
    gained = view.start - val.at_best
    return {
        "rise": size,
        "share": size / gained if gained > 0 else math.inf,
        "relative": size / abs(val.at_best) if val.at_best else math.inf,
        "sure": max(size / error if error > 0 else math.inf, val.climb(val.best, end)),
        "after": end - val.best,
        "least": ROWS_NOISE / math.sqrt(rows) if rows else 0.0,
        "in_a_row": _in_a_row(val.mean[val.best :]) if len(val.mean) <= SHORT else 0,
    }


def _in_a_row(x: Array) -> int:
    """The longest stretch of steps that all go up."""
    longest = stretch = 0
    for step in np.diff(x):
        stretch = stretch + 1 if step > 0 else 0
        longest = max(longest, stretch)
    return longest


def strength(shares: dict[str, float], share: float = RISE_SHARE, relative: float = RISE_RELATIVE) -> float:
    """How many times a rise passes every threshold; 1 is the border.

    Args:
        shares: What `rise` says.
        share: Threshold of the rise as a share of the fall before it.
        relative: Threshold of the rise relative to the lowest loss.
    """
    # A few points that turn sharply look rough however smooth they are: there three rises in a row may speak.
    turned = min(shares["in_a_row"] / 3, shares["relative"] / CLEAR)
    sure = max(shares["sure"] / SURE, turned)
    # Two epochs after the best are the least that can show a rise; one alone is a wobble.
    return min(shares["share"] / share, shares["relative"] / max(relative, shares["least"]), sure, shares["after"] / 2)


def still_learning(view: View) -> bool:
    """Whether the training loss fell by `STILL_FALLING` after the best epoch."""
    train, val = view.train, view.val
    assert train is not None
    assert val is not None
    at_best = float(train.smooth[val.best])
    return at_best - train.last >= STILL_FALLING * abs(at_best)


def by_heart(view: View) -> bool:
    """Whether the validation loss never got better than the training was at its start, while training went on.

    It has come down by less than `NEVER` of itself and stays within `START` of the first training loss, and the
    training loss has fallen by more than that: nothing of what was learned holds for other rows.
    """
    train, val, running = view.train, view.val, view.running
    assert train is not None
    assert val is not None
    assert running is not None
    first = running.first
    return (
        len(val.mean) >= 5
        and first > 0
        and view.start - val.at_best <= NEVER * abs(view.start)
        and val.at_best >= (1 - START) * first
        and train.last <= (1 - START) * first
    )


class Overfitting(Rule):
    """The network learns its training rows by heart: validation loss up, training loss down."""

    code = "overfitting"
    needs = ("train", "val")

    def check(self, view: View, context: Context) -> Finding | None:
        """A rise past `RISE_SHARE` and `RISE_RELATIVE`, sure beyond noise, while the training loss still falls."""
        train, val = view.train, view.val
        assert train is not None
        assert val is not None
        shares = rise(view, context)
        best, sure, heart = val.best, strength(shares) if shares["rise"] > 0 else 0.0, by_heart(view)
        if not heart and (sure < 0.5 or not still_learning(view)):
            return None
        sure = max(sure, 1.0) if heart else sure
        grave = sure >= 1 and context.patience is None
        metrics = {c.key: number(c.last) for c in (view.train_metric, view.val_metric) if c is not None}
        stopped = " Early stopping had ended the training there." if context.patience is not None else ""
        return Finding(
            code=self.code,
            severity="warning" if grave else "info",
            epoch=best + 2,
            confidence=confidence(sure),
            message=(
                f"Overfitting from the start: {val.key} never got better ({val.first:.3g}, at best {val.at_best:.3g}), "
                f"while {train.key} fell from {train.first:.3g} to {train.last:.3g}: what is learned holds for the "
                "training rows only. Do the labels belong to their rows?"
                if heart
                else f"Overfitting from epoch {best + 2}: {val.key} was lowest ({val.at_best:.4g}) at epoch {best + 1} "
                f"and ends {shares['relative']:.0%} above, while {train.key} fell on from "
                f"{float(train.smooth[best]):.3g} to {train.last:.3g}.{stopped}"
            ),
            evidence={
                "best_epoch": best + 1,
                "epochs": view.epochs,
                "lowest": number(val.at_best),
                "last": number(val.last),
                "rise_share": number(min(shares["share"], 1e6)),
                "rise_relative": number(min(shares["relative"], 1e6)),
                "standard_errors": number(min(shares["sure"], 1e6)),
                "train_at_best": number(float(train.smooth[best])),
                "train_last": number(train.last),
                "runs": view.history.runs,
                **metrics,
            },
            remedies=("early_stopping", "dropout", "l2", "smaller", "l1"),
        )
