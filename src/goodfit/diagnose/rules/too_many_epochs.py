"""Too many epochs: the best epoch came long before the last."""

from __future__ import annotations

from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.rules.base import Rule, confidence, number
from goodfit.diagnose.rules.overfitting import rise, strength
from goodfit.diagnose.view import View


class TooManyEpochs(Rule):
    """Epochs after the best one brought nothing, or cost quality."""

    code = "too_many_epochs"
    needs = ("val",)

    def check(self, view: View, context: Context) -> Finding | None:
        """The best epoch lies in the first half, or the validation loss rises for sure after it."""
        val = view.val
        assert val is not None
        best, epochs = val.best, len(val.mean)
        shares = rise(view, context)
        after = epochs - 1 - best
        sure = strength(shares) if shares["rise"] > 0 else 0.0
        rising = sure >= 1
        if context.patience is not None or not (rising or (after >= 4 and best + 1 <= epochs / 2)):
            return None
        # Without a training curve overfitting and divergence look alike; that the best epoch is past is sure.
        alone = rising and view.train is None
        after_it = f"rose by {shares['relative']:.0%} after it" if rising else "got no better after it"
        enough = f"{best + 1} of {epochs} epochs {'was' if best == 0 else 'were'} enough"
        unsure = " Without a training curve it cannot be said whether it overfits or diverges." if alone else ""
        return Finding(
            code=self.code,
            severity="warning" if alone else "info",
            epoch=best + 2,
            confidence=confidence(sure if rising else after / 8),
            message=f"{enough}: {val.key} {after_it}.{unsure}",
            evidence={
                "best_epoch": best + 1,
                "epochs": epochs,
                "lowest": number(val.at_best),
                "last": number(val.last),
                "standard_errors": number(min(shares["sure"], 1e6)),
            },
            remedies=("early_stopping", "fewer_epochs"),
        )
