"""Diverged: the training loss is NaN, or has risen back to where it came from."""

from __future__ import annotations

import math

import numpy as np

from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.thresholds import ABOVE_START, FALLEN_BACK, LOST_POINTS, SURE
from goodfit.diagnose.view import View


class Diverged(Rule):
    """Training itself broke down; a rising validation loss alone is not this."""

    code = "diverged"
    needs = ()

    def applies(self, view: View) -> bool:
        """Any run that has begun."""
        return view.broken is not None or (view.epochs >= 3 and view.train is not None)

    def check(self, view: View, context: Context) -> Finding | None:
        """NaN or infinite training loss in any run, or a lasting rise by `FALLEN_BACK` of what it had come down by."""
        if view.broken is not None:
            return self._broken(view)
        train = view.train
        assert train is not None
        x = train.mean[np.isfinite(train.mean)]
        low = int(np.argmin(x))
        top = float(max(x[: low + 1].max(), x[0]))
        # The lower of the last two epochs: a single spike at the end is no divergence.
        back = float(min(x[-2:])) - float(x[low])
        gained = top - float(x[low])
        if low >= len(x) - 2 or back <= 0:
            return self._forgot(view)
        share = back / gained if gained > 0 else math.inf
        sure = back / train.noise / SURE if train.noise > 0 else math.inf
        sure = max(sure, float(min(x[-2:])) / top / ABOVE_START if top > 0 else 0.0)
        strength = min(share / FALLEN_BACK, sure, back / abs(x[low]) / FALLEN_BACK if x[low] else math.inf)
        if strength < 1:
            return self._forgot(view)
        return Finding(
            code=self.code,
            severity="error" if share >= 1 else "warning",
            epoch=low + 2,
            confidence=confidence(strength),
            message=(
                f"Diverged from epoch {low + 2}: {train.key} rose from {x[low]:.4g} at epoch {low + 1} "
                f"to {x[-1]:.4g} at the end (it began at {x[0]:.4g})."
            ),
            evidence={
                "best_epoch": low + 1,
                "first": number(float(x[0])),
                "lowest": number(float(x[low])),
                "last": number(float(x[-1])),
                "lost_share": number(min(share, 1e6)),
            },
            remedies=("lower_learning_rate", "batch_normalization"),
        )

    def _forgot(self, view: View) -> Finding | None:
        """The finding for a training accuracy that is lost again, however high the loss once was."""
        score = view.train_metric
        if score is None or not score.is_accuracy:
            return None
        x = score.mean[np.isfinite(score.mean)]
        top = int(np.argmax(x))
        lost, gained = float(x[top] - max(x[-2:])), float(x[top] - x[0])
        if top >= len(x) - 2 or gained < 0.1 or lost < LOST_POINTS * gained:
            return None
        return Finding(
            code=self.code,
            severity="error" if lost >= 0.8 * gained else "warning",
            epoch=top + 2,
            confidence=confidence(lost / gained / LOST_POINTS),
            message=(
                f"Diverged from epoch {top + 2}: {score.key} fell from {x[top]:.3g} at epoch {top + 1} to {x[-1]:.3g} "
                f"(it began at {x[0]:.3g})."
            ),
            evidence={"best_epoch": top + 1, "highest": number(float(x[top])), "last": number(float(x[-1]))},
            remedies=("lower_learning_rate", "batch_normalization"),
        )

    def _broken(self, view: View) -> Finding:
        """The finding for a NaN or infinity."""
        runs = view.history.runs
        whose = f" in {view.broken_runs} of {runs} runs" if runs > 1 else ""
        when = "not a finite number from the start" if view.broken == 1 else f"no longer finite at epoch {view.broken}"
        return Finding(
            code=self.code,
            severity="error",
            epoch=view.broken,
            confidence=1.0,
            message=f"Diverged: the training loss was {when}{whose}.",
            evidence={"epoch": view.broken, "broken_runs": view.broken_runs, "runs": runs},
            remedies=("lower_learning_rate", "batch_normalization"),
        )
