"""Last weights kept: early stopping ended the training, but the best weights are gone."""

from __future__ import annotations

from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.rules.base import Rule, number
from goodfit.diagnose.view import View


class LastWeightsKept(Rule):
    """Keras's `EarlyStopping` keeps the last weights unless told otherwise."""

    code = "last_weights_kept"
    needs = ("val",)

    def check(self, view: View, context: Context) -> Finding | None:
        """Known to keep the last weights, and the last epoch is not the best."""
        val = view.val
        assert val is not None
        behind = len(val.mean) - 1 - val.best
        if not context.keeps_last or behind < 1:
            return None
        return Finding(
            code=self.code,
            severity="warning",
            epoch=len(val.mean),
            confidence=0.95,
            message=(
                f"Early stopping kept the weights of epoch {len(val.mean)} ({val.key} {val.mean[-1]:.4g}), not of the "
                f"best, epoch {val.best + 1} ({val.mean[val.best]:.4g}): set restore_best_weights=True."
            ),
            evidence={
                "best_epoch": val.best + 1,
                "epochs": len(val.mean),
                "lowest": number(float(val.mean[val.best])),
                "last": number(float(val.mean[-1])),
            },
            remedies=("early_stopping",),
        )
