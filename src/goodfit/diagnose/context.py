"""`Context`: what may be known about a training beside its curves. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from goodfit.diagnose.chance import chance_loss


@dataclass(frozen=True)
class Context:
    """Facts that sharpen a diagnosis; every one may be unknown (None).

    Attributes:
        classes: How many classes there are.
        majority: Accuracy of always answering the commonest class.
        linear: Accuracy of a linear model on the same features and validation rows.
        learning_rate: The optimizer's learning rate, where the log has no curve of it.
        batch_size: Rows of a step.
        epochs: Epochs that were asked for.
        patience: Patience of early stopping with the best weights kept; None where training never stops.
        keeps_last: Whether early stopping kept the weights of the last epoch rather than of the best.
        regularised: Whether `loss` and `val_loss` hold a penalty on the weights.
        rows: Training rows.
        validation_rows: Validation rows.
    """

    classes: int | None = None
    majority: float | None = None
    linear: float | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    epochs: int | None = None
    patience: int | None = None
    keeps_last: bool | None = None
    regularised: bool | None = None
    rows: int | None = None
    validation_rows: int | None = None

    @property
    def chance(self) -> float | None:
        """Cross-entropy of an answer that is the same for every row; None where unknown or a penalty lifts the loss.

        With the commonest class's share it is the highest that the shares of the others allow.
        """
        if not self.classes or self.classes < 2 or self.regularised:
            return None
        return chance_loss(max(self.majority or 0.0, 1 / self.classes), self.classes)

    def filled(self, meta: Mapping[str, Any]) -> Context:
        """This context with its gaps filled from a log's `History.meta`."""
        known = {f.name: getattr(self, f.name) for f in fields(self)}
        return Context(**{k: meta.get(k) if v is None else v for k, v in known.items()})
