"""Splits hold classes, keep copies together, and follow the seed alone."""

import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit import data
from goodfit.data.splits import stratified
from goodfit.errors import UsageError


def table(n=200, classes=4, copies=1):
    x = np.repeat(np.arange(n // copies), copies)
    return data.load(pl.DataFrame({"x": x, "z": x % 7, "y": [f"c{i % classes}" for i in x]}), "y")


def test_rows_have_one_side_each():
    dataset = table()
    for seed in range(5):
        validation = data.validation_mask(dataset, seed)
        assert not (validation & dataset.test).any()
        for side in (dataset.test, validation, ~dataset.test & ~validation):
            np.testing.assert_allclose(np.bincount(dataset.labels[side]) / side.sum(), 0.25, atol=0.02)
    assert dataset.test.sum() == 40
    assert validation.sum() == 32


def test_the_seed_alone_decides():
    dataset = table()
    masks = [data.validation_mask(dataset, seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).sum() > 20
    assert data.load((dataset.rows, dataset.labels), seed=1).test.tolist() != dataset.test.tolist()


def test_test_and_validation_draws_of_a_seed_are_independent():
    labels, groups = np.zeros(4000, np.int64), np.arange(4000)
    a, b = (stratified(labels, groups, 0.5, 7, stream) for stream in (1, 2))
    assert abs((a == b).mean() - 0.5) < 0.03


def test_copies_stay_together():
    dataset = table(400, copies=4)
    assert len(np.unique(dataset.groups)) == 100
    for seed in range(5):
        for mask in (dataset.test, data.validation_mask(dataset, seed)):
            sides = np.bincount(dataset.groups, mask)
            assert set(sides) == {0, 4}
            assert 0.15 < mask.mean() < 0.25


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 15)), min_size=4, max_size=80),
    st.sampled_from([0.1, 0.2, 0.5]),
    st.integers(0, 5),
)
def test_laws_of_a_stratified_draw(rows, fraction, seed):
    labels, groups = np.array(rows).T
    taken = stratified(labels, groups, fraction, seed)
    inside = {g: set(taken[groups == g]) for g in groups}
    assert all(len(sides) == 1 for sides in inside.values())
    kind = {g: labels[groups == g][0] for g in groups}
    if len(inside) > 1:
        assert 0 < taken.sum() < len(taken)
    for c in set(kind.values()):
        sides = [inside[g] for g in kind if kind[g] == c]
        if len(sides) > 1:
            assert {True} in sides
            assert {False} in sides


def test_a_huge_group_does_not_eat_the_validation_set():
    labels = np.zeros(1000, np.int64)
    groups = np.r_[np.zeros(700, np.int64), np.arange(1, 301)]
    for seed in range(5):
        assert stratified(labels, groups, 0.2, seed).sum() == 200


def test_rare_classes_stand_on_every_side():
    y = ["common"] * 90 + ["three"] * 3 + ["two"] * 2
    dataset = data.load(pl.DataFrame({"x": range(95), "y": y}), "y")
    counts = np.bincount(dataset.labels[~dataset.test], minlength=3)
    assert (counts > 0).all()
    assert (np.bincount(dataset.labels[dataset.test], minlength=3) > 0).all()
    assert (np.bincount(dataset.labels[~dataset.test & ~data.validation_mask(dataset, 0)], minlength=3) > 0).all()


def test_fractions_are_checked():
    with pytest.raises(UsageError, match="validation fraction"):
        data.validation_mask(table(), 0, 0)


def test_fifty_thousand_rows_take_milliseconds():
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 46, 50_000), rng.permutation(50_000)
    rows = rng.random((50_000, 20))
    split, sort = [], []
    for _ in range(5):  # side by side with plain sorting of rows of that size, so that a slow machine is no failure
        start = time.perf_counter()
        stratified(labels, groups, 0.2, 0)
        middle = time.perf_counter()
        np.sort(rows, axis=0)
        split.append(middle - start)
        sort.append(time.perf_counter() - middle)
    assert min(split) < 3 * min(sort)


def test_shared_rows_leave_the_training_side():
    train = pl.DataFrame({"x": range(40), "y": ["a", "b"] * 20})
    test = pl.DataFrame({"x": [0, 1, 1, 50, 51], "y": ["a.", "B.", "b", "a", "zzz"]})
    dataset = data.load(train, "y", test=test)
    assert dataset.test.sum() == 5
    assert len(dataset) == 43
    assert set(dataset.groups[dataset.test]).isdisjoint(dataset.groups[~dataset.test])
    assert [dataset.classes[i] for i in dataset.labels[dataset.test]] == ["a", "b", "b", "a", "zzz"]
    told = " ".join(dataset.notes)
    assert "2 rows of the training set stand in the test set too" in told
    assert "'B.' as 'b'" in told
    assert "'zzz'" in told


def test_rows_without_a_label_are_left_out_and_counted():
    y = ["a", "b"] * 20
    y[3] = y[8] = None
    dataset = data.load(pl.DataFrame({"x": range(40), "y": y}), "y")
    assert (len(dataset), dataset.rows["x"].is_in([3, 8]).any()) == (38, False)
    assert "2 rows without a label were left out." in dataset.notes


def test_labels_are_named_as_people_write_them():
    def classes(y):
        return data.load(pl.DataFrame({"x": range(len(y)), "y": y}, strict=False), "y").classes

    assert classes([10, 9, 2] * 9) == ("2", "9", "10")
    assert classes([1.0, 0.0, None] * 9) == ("0", "1")
    assert classes(["1.0", "0", " 1"] * 9) == ("0", "1")
    assert classes([True, False] * 9) == ("False", "True")
    assert classes([" yes", "no "] * 9) == ("no", "yes")
    assert classes([0.5, 1.5] * 9) == ("0.5", "1.5")


@pytest.mark.parametrize(
    ("count", "says"),
    [
        (1, "1 test row has a label that no training row has ('z'): it counts as an error."),
        (2, "2 test rows have labels that no training row has ('z'): they count as errors."),
    ],
)
def test_labels_that_only_test_rows_have_are_counted(count, says):
    train = pl.DataFrame({"x": range(40), "y": ["a", "b"] * 20})
    test = pl.DataFrame({"x": range(100, 110), "y": ["z"] * count + ["a"] * (10 - count)})
    assert says in data.load(train, "y", test=test).notes
