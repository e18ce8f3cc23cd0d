"""Which rows stand on which side: by class, by seed, identical rows always together."""

from __future__ import annotations

import numpy as np

from goodfit.data.dataset import Dataset
from goodfit.errors import UsageError

TEST, VALIDATION = 1, 2
"""Streams of random numbers, so that the test and the validation split of one seed have nothing in common."""


def validation_mask(dataset: Dataset, seed: int, fraction: float = 0.2) -> np.ndarray:
    """True for the validation rows of this seed among the rows that are no test rows; bool, shape `(rows,)`."""
    if not 0 < fraction < 1:
        raise UsageError("bad validation fraction", expected="a share between 0 and 1", received=str(fraction))
    inside = np.flatnonzero(~dataset.test)
    mask = np.zeros(len(dataset), dtype=bool)
    mask[inside] = stratified(dataset.labels[inside], dataset.groups[inside], fraction, seed, VALIDATION)
    return mask


def stratified(labels: np.ndarray, groups: np.ndarray, fraction: float, seed: int, stream: int = TEST) -> np.ndarray:
    """A share of every class, drawn in whole groups; bool, shape `(rows,)`.

    A group counts for the class of its first row. A class of two groups or more stands on both sides; a group too
    large for the share stays out while smaller ones can fill it.
    """
    rng = np.random.default_rng([seed, stream])
    _, first, inverse, size = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    kind = labels[first]
    classes = int(labels.max(initial=-1)) + 1
    want = fraction * np.bincount(kind, weights=size, minlength=classes)[kind]
    large = size > np.maximum(want, 1)
    order = np.lexsort((rng.permutation(len(first)), size * large, large, kind))
    kind, size, want = kind[order], size[order], want[order]

    count = np.bincount(kind, minlength=classes)
    start = (np.cumsum(count) - count)[kind]
    before = np.cumsum(size) - size
    before -= before[start]
    rank = np.arange(len(kind)) - start
    taken = before + size / 2 <= want
    taken |= (rank == 0) & (count[kind] > 1)
    taken &= rank < np.maximum(count[kind] - 1, 1)  # one group at least stays out of it
    taken &= count[kind] > 1
    if not taken.any() and len(taken) > 1:  # every class is one group: better some of them than nothing
        taken[rng.permutation(len(taken))[: max(1, round(fraction * len(taken)))]] = True
    chosen = np.empty(len(taken), dtype=bool)
    chosen[order] = taken
    return chosen[inverse]
