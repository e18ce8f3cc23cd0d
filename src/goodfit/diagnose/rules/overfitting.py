"""Overfitting: the validation loss turns and rises while the training loss goes on falling."""

from __future__ import annotations

import math

from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.thresholds import RISE_RELATIVE, RISE_SHARE, STILL_FALLING, SURE
from goodfit.diagnose.view import View


def rise(view: View) -> dict[str, float]:
    """How far the validation loss ends above its lowest point.

    Returns:
        `rise` in the loss's own unit, `share` of what it had come down by, `relative` to the lowest loss, `sure` in
        standard errors, `after` the number of epochs since the lowest.
    """
    val = view.val
    assert val is not None
    end = len(val.mean) - 1
    size, error = val.change(val.best, end) if val.best < end else (0.0, 0.0)
    gained = view.start - val.at_best
    return {
        "rise": size,
        "share": size / gained if gained > 0 else math.inf,
        "relative": size / abs(val.at_best) if val.at_best else math.inf,
        "sure": size / error if error > 0 else math.inf,
        "after": end - val.best,
    }


def strength(shares: dict[str, float], share: float = RISE_SHARE, relative: float = RISE_RELATIVE) -> float:
    """How many times a rise passes every threshold; 1 is the border.

    Args:
        shares: What `rise` says.
        share: Threshold of the rise as a share of the fall before it.
        relative: Threshold of the rise relative to the lowest loss.
    """
    # Two epochs after the best are the least that can show a rise; one alone is a wobble.
    return min(shares["share"] / share, shares["relative"] / relative, shares["sure"] / SURE, shares["after"] / 2)


def still_learning(view: View) -> bool:
    """Whether the training loss fell by `STILL_FALLING` after the best epoch."""
    train, val = view.train, view.val
    assert train is not None
    assert val is not None
    at_best = float(train.smooth[val.best])
    return at_best - train.last >= STILL_FALLING * abs(at_best)


class Overfitting(Rule):
    """The network learns its training rows by heart: validation loss up, training loss down."""

    code = "overfitting"
    needs = ("train", "val")

    def check(self, view: View, context: Context) -> Finding | None:
        """A rise past `RISE_SHARE` and `RISE_RELATIVE`, sure beyond noise, while the training loss still falls."""
        train, val = view.train, view.val
        assert train is not None
        assert val is not None
        shares = rise(view)
        if shares["rise"] <= 0:
            return None
        best, sure = val.best, strength(shares)
        if sure < 0.5 or not still_learning(view):
            return None
        grave = sure >= 1 and context.patience is None
        metrics = {c.key: number(c.last) for c in (view.train_metric, view.val_metric) if c is not None}
        stopped = " Early stopping had ended the training there." if context.patience is not None else ""
        return Finding(
            code=self.code,
            severity="warning" if grave else "info",
            epoch=best + 2,
            confidence=confidence(sure),
            message=(
                f"Overfitting from epoch {best + 2}: {val.key} was lowest ({val.at_best:.4g}) at epoch {best + 1} and "
                f"ends {shares['relative']:.0%} above, while {train.key} fell on from "
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
