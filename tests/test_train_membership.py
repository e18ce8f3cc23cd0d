"""Who validates on what: hold-outs, folds, fixed rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.data import splits
from goodfit.errors import DataError, UsageError
from goodfit.train.lane import TRAIN, VALIDATION
from goodfit.train.membership import Validation


def rows(seed=0, count=400, classes=3, repeated=0.2):
    rng = np.random.default_rng(seed)
    groups = np.where(rng.random(count) < repeated, rng.integers(0, 20, count), np.arange(count) + 100)
    kinds = rng.choice(classes, 600, p=np.arange(1, classes + 1) / sum(range(1, classes + 1)))
    return kinds[groups], groups


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 50), folds=st.integers(2, 8), repetition=st.integers(0, 3))
def test_folds_part_the_rows_by_class_and_keep_groups_together(seed, folds, repetition):
    labels, groups = rows(seed)
    way = Validation("kfold", folds)
    masks = np.stack([way.roles(labels, groups, repetition * folds + i) == VALIDATION for i in range(folds)])
    assert (masks.sum(0) == 1).all()
    for mask in masks:
        assert not set(groups[mask]) & set(groups[~mask])
        assert abs(mask.mean() - 1 / folds) < 0.06
        for c in range(3):
            assert abs(mask[labels == c].mean() - 1 / folds) < 0.12


def test_the_next_seeds_are_folds_of_another_partition():
    labels, groups = rows()
    way = Validation("kfold", 4)
    a, b = way.roles(labels, groups, 1), way.roles(labels, groups, 5)
    assert np.array_equal(a, way.roles(labels, groups, 1))
    assert 0.05 < ((a == VALIDATION) & (b == VALIDATION)).mean() * 4 < 0.5


def test_a_holdout_is_that_of_the_splits_and_fixed_never_moves():
    labels, groups = rows()
    expected = splits.stratified(labels, groups, 0.3, 7, splits.VALIDATION)
    roles = Validation("holdout", fraction=0.3).roles(labels, groups, 7)
    assert np.array_equal(roles == VALIDATION, expected)
    assert np.array_equal(roles == TRAIN, ~expected)
    fixed = Validation("fixed", fraction=0.3)
    assert np.array_equal(fixed.roles(labels, groups, 1), fixed.roles(labels, groups, 2))


@pytest.mark.parametrize(
    ("text", "kind", "share"),
    [
        ("holdout", "holdout", 0.2),
        (0.3, "holdout", 0.3),
        ("0.3", "holdout", 0.3),
        ("holdout:0.3", "holdout", 0.3),
        ("kfold:10", "kfold", 0.1),
        ("kfold", "kfold", 0.2),
        ("Fixed", "fixed", 0.2),
        ("fixed:.25", "fixed", 0.25),
    ],
)
def test_a_way_is_read_from_its_name(text, kind, share):
    way = Validation.parse(text)
    assert (way.kind, way.share) == (kind, share)
    assert Validation.parse(str(way)) == way
    assert way.resampled((80, 20)) == (None if kind == "fixed" else (80, 20))


@pytest.mark.parametrize(
    "text", ["folds", "kfold:", "kfold:x", "kfold:2.5", "holdout:3", "holdout:", "kfold:1", "1", "0", "nan", 1.5, ""]
)
def test_a_name_that_means_nothing_is_told(text):
    with pytest.raises(UsageError):
        Validation.parse(text)


def test_more_folds_than_rows_are_told():
    with pytest.raises(DataError, match="3 different rows cannot make 5 folds"):
        Validation("kfold", 5).roles(np.array([0, 1, 0, 1]), np.array([1, 1, 2, 3]), 0)
