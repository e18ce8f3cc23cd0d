"""Noisy validation: the validation curve jumps so much that its best epoch is a matter of luck."""

from __future__ import annotations

import numpy as np

from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.noise import median, roughness
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.thresholds import NOISY, NOISY_TO_TRAIN, VERY_NOISY
from goodfit.diagnose.view import View


class NoisyValidation(Rule):
    """The validation loss wobbles far more than the training loss, and much against what was learned."""

    code = "noisy_validation"
    needs = ("train", "val")

    def check(self, view: View, context: Context) -> Finding | None:
        """Wobble of the median run above `NOISY` of the fall and `NOISY_TO_TRAIN` times the training loss's."""
        running, val = view.running, view.val
        assert running is not None
        assert val is not None
        n = len(val.mean)
        if n < 6:
            return None
        wobble = median(np.array([roughness(run) for run in val.runs]))
        calm = median(np.array([roughness(run) for run in running.runs]))
        fall = view.start - val.at_best
        if not np.isfinite(wobble) or wobble == 0 or fall <= 0:
            return None
        sure = min(wobble / fall / NOISY, wobble / calm / NOISY_TO_TRAIN if calm > 0 else np.inf)
        if sure < 1:
            return None
        return Finding(
            code=self.code,
            severity="warning" if sure >= VERY_NOISY and n >= 8 else "info",
            epoch=1,
            confidence=confidence(sure),
            message=(
                f"{val.key} jumps by about {wobble:.3g} from epoch to epoch, {wobble / fall:.0%} of what it fell by: "
                f"which epoch is best (here {val.best + 1}) is largely luck."
            ),
            evidence={
                "wobble": number(wobble),
                "train_wobble": number(calm),
                "fall": number(fall),
                "runs": view.history.runs,
            },
            remedies=("lower_learning_rate",),
        )
