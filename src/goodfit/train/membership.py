"""Which rows a run trains on and which it validates on: repeated hold-out, k folds, or the same rows for all.

The roles of a run's rows are 0/1 weights in the one stream of batches that all lanes see, so that no way of validating
costs an extra pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from goodfit.data import splits
from goodfit.errors import DataError, UsageError
from goodfit.train.lane import TRAIN, VALIDATION

Array = np.ndarray
_FOLDS = 1_000  # random streams of the folds: none that hold-outs use


@dataclass(frozen=True)
class Validation:
    """A way to pick each run's validation rows; by class, identical rows always together.

    Attributes:
        kind: `holdout`: a new share for each seed; `kfold`: seeds `0..k-1` are the folds of one partition, the next `k`
            seeds those of another; `fixed`: the share of seed 0 for every seed.
        folds: k.
        fraction: Share of the rows that a hold-out validates on.
    """

    kind: str = "holdout"
    folds: int = 5
    fraction: float = 0.2

    def __post_init__(self) -> None:
        """Check all three."""
        if self.kind not in ("holdout", "kfold", "fixed"):
            raise _unknown(self.kind)
        if self.kind == "kfold" and self.folds < 2:
            raise UsageError("validation: too few folds", expected="2 folds or more", received=str(self.folds))
        if not 0 < self.fraction < 1:
            raise UsageError(
                "validation: bad fraction", expected="a share between 0 and 1", received=str(self.fraction)
            )

    @classmethod
    def parse(cls, text: str | float) -> Validation:
        """From `holdout`, `kfold:5`, `fixed`, or a share such as `0.3`; `holdout:0.3` and `fixed:0.3` name one too.

        Raises:
            UsageError: It is none of these.
        """
        words = str(text).strip().lower()
        if _number(words) is not None:
            return cls(fraction=float(words))
        kind, colon, size = words.partition(":")
        if not colon:
            return cls(kind)
        if (kind == "kfold" and not size.isdigit()) or _number(size) is None:
            raise _unknown(str(text))
        return cls(kind, folds=int(size)) if kind == "kfold" else cls(kind, fraction=float(size))

    def __str__(self) -> str:
        return f"kfold:{self.folds}" if self.kind == "kfold" else f"{self.kind}:{self.fraction:g}"

    @property
    def told(self) -> str:
        """What each seed validates on, as half a sentence."""
        if self.kind == "kfold":
            return f"each seed validates on one of {self.folds} folds"
        share = f"{100 * self.fraction:g} % of the development rows"
        return (
            f"all seeds validate on the same {share}"
            if self.kind == "fixed"
            else f"each seed validates on its own {share}"
        )

    @property
    def share(self) -> float:
        """The share of rows that a run validates on."""
        return 1 / self.folds if self.kind == "kfold" else self.fraction

    def resampled(self, split: tuple[int, int]) -> tuple[int, int] | None:
        """A run's training and validation rows where each seed draws its own; None where all share the same ones."""
        return None if self.kind == "fixed" else split

    def roles(self, labels: Array, groups: Array, seed: int) -> Array:
        """The role of each row for a seed, uint8 `(rows,)`: `TRAIN` or `VALIDATION`.

        Args:
            labels: Class indices of the rows that may be trained on, `(rows,)`.
            groups: Equal for identical rows, `(rows,)`.
            seed: The run's seed.

        Raises:
            DataError: There are fewer different rows than folds.
        """
        if self.kind == "kfold":
            validation = _fold(labels, groups, self.folds, seed)
        else:
            at = 0 if self.kind == "fixed" else seed
            validation = splits.stratified(labels, groups, self.fraction, at, splits.VALIDATION)
        return np.where(validation, VALIDATION, TRAIN).astype(np.uint8)


def _fold(labels: Array, groups: Array, folds: int, seed: int) -> Array:
    """True for the rows of one fold: seed `r * folds + i` is fold `i` of partition `r`."""
    different = len(np.unique(groups))
    if different < folds:
        raise DataError(
            f"{different} different rows cannot make {folds} folds",
            fix=f"Ask for kfold:{max(different, 2)} or fewer folds, or for holdout.",
        )
    partition, fold = divmod(seed, folds)
    left = np.arange(len(labels))
    for i in range(fold):
        taken = splits.stratified(labels[left], groups[left], 1 / (folds - i), partition, _FOLDS + i)
        left = left[~taken]
    if fold < folds - 1:
        taken = splits.stratified(labels[left], groups[left], 1 / (folds - fold), partition, _FOLDS + fold)
        left = left[taken]
    mask = np.zeros(len(labels), bool)
    mask[left] = True
    return mask


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _unknown(text: str) -> UsageError:
    return UsageError(
        "validation is not understood", expected="holdout, kfold:5, fixed or a share such as 0.2", received=repr(text)
    )
