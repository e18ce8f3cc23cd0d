"""Checks of data: every seeded slip by its code, slow independent versions, silence on healthy rows."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit import checkup
from goodfit.diagnose import preflight
from goodfit.diagnose.preflight import near_duplicates as near
from goodfit.diagnose.preflight.rows import TEST, TRAIN, VALIDATION, Rows, row_groups
from goodfit.diagnose.preflight.target_leak import agreement, explained
from goodfit.diagnose.preflight.tiny_validation import rows_needed
from goodfit.errors import DataError, UsageError

N = 50_000


def rows(labels=None, side=None, **fields):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, N) if labels is None else np.asarray(labels)
    n = len(labels)
    fields.setdefault("groups", np.arange(n))
    fields.setdefault("classes", tuple(f"class {k}" for k in range(int(labels.max()) + 1)))
    return Rows(labels=labels, side=np.zeros(n, np.int8) if side is None else side, **fields)


def found(rows, **options):
    return {(f.code, f.severity) for f in preflight.data(rows, **options)}


def test_healthy_rows_have_no_finding():
    labels = np.random.default_rng(0).integers(0, 3, N)
    columns = {
        "a": np.random.default_rng(1).normal(labels, 1),
        "b": np.random.default_rng(2).integers(0, 5, N),
        "c": np.where(np.random.default_rng(3).random(N) < 0.2, np.nan, np.random.default_rng(4).normal(size=N)),
    }
    assert found(rows(labels, columns=columns, names=frozenset("b"))) == set()


def test_copies_within_and_across_a_split():
    labels, groups = rows().labels.copy(), np.arange(N)

    def copied(start, end, count):
        groups[start : start + count], labels[start : start + count] = (
            groups[end : end + count],
            labels[end : end + count],
        )

    copied(0, 500, 500)
    assert found(rows(labels, groups=groups)) == {("duplicate_rows", "info")}
    copied(0, 4000, 4000)
    assert found(rows(labels, groups=groups)) == {("duplicate_rows", "warning")}
    side = np.zeros(N, np.int8)
    side[-10_000:] = VALIDATION
    assert found(rows(labels, groups=groups, side=side)) == set()  # all copies stand on one side
    copied(N - 200, 0, 200)
    assert found(rows(labels, groups=groups, side=side)) == {("duplicate_rows", "warning")}


def test_conflicting_labels_and_the_accuracy_they_allow():
    labels, groups = np.arange(12_000) % 2, np.arange(12_000)
    groups[:900] = 5  # 450 of each class are one row
    (told,) = (f for f in preflight.data(rows(labels, groups=groups)) if f.code == "conflicting_labels")
    assert told.severity == "warning"
    assert told.evidence["rows"] == 900
    assert told.evidence["highest_accuracy"] == pytest.approx(1 - 450 / 12_000, abs=1e-5)


def test_a_column_that_is_the_target_again_and_one_that_gives_it_away():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, N)
    honest = rng.normal(labels, 1)
    again = (labels * 7 + 2).astype(float)
    again[:100] = np.nan
    told = preflight.data(rows(labels, columns={"again": again, "honest": honest}))
    assert [(f.code, f.severity, f.evidence["columns"]) for f in told] == [("target_leak", "error", ["again"])]
    # Many values, each of one class: no one-to-one pairing, but it says nearly all.
    gives = labels + 3 * rng.integers(0, 8, N)
    told = preflight.data(rows(labels, columns={"gives": gives, "honest": honest}))
    assert [(f.code, f.severity, f.evidence["columns"]) for f in told] == [("target_leak", "warning", ["gives"])]
    score = rng.random(N)
    told = preflight.data(rows((score > 0.37).astype(int), columns={"score": score, "noise": rng.normal(size=N)}))
    assert [(f.code, f.evidence["columns"]) for f in told] == [("target_leak", ["score"])]


def test_strong_honest_columns_are_no_leak():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, N)
    odour = np.where(rng.random(N) < 0.015, 1 - labels, labels) + 2 * rng.integers(0, 4, N)
    two = {"a": labels + rng.normal(0, 0.05, N), "b": labels + rng.normal(0, 0.05, N)}  # an easy task
    assert found(rows(labels, columns={"odour": odour}, names=frozenset(["odour"]))) == set()
    assert found(rows(labels, columns=two)) == set()


def test_identifiers():
    ids = {"customer_id": np.random.default_rng(0).permutation(10 * N)[:N].astype(float)}
    assert found(rows(columns=ids)) == {("target_leak", "warning")}
    assert found(rows(columns={"amount": ids["customer_id"]})) & {("target_leak", "warning")} == set()
    assert found(rows(columns={"n": np.arange(N, dtype=float)})) == {("target_leak", "warning")}
    assert found(rows(columns={"name": np.arange(N)}, names=frozenset(["name"]))) == {("target_leak", "info")}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_what_a_column_explains_against_a_slow_count(seed):
    rng = np.random.default_rng(seed)
    labels, column = rng.integers(0, 3, 200), rng.integers(0, 6, 200)
    half = np.random.default_rng(0).permutation(200) % 2 == 0
    wrong = 0
    for fit in (half, ~half):
        for value, truth in zip(column[~fit], labels[~fit], strict=True):
            here = labels[fit][column[fit] == value]
            answer = np.bincount(here if len(here) else labels[fit]).argmax()
            wrong += answer != truth
    errors = 200 - np.bincount(labels).max()
    assert explained(column, labels, 3) == pytest.approx(1 - wrong / errors)
    assert agreement(column, labels, 3) == 0.0
    assert agreement(labels, labels, 3) == 1.0


def test_scales_and_constant_columns_are_info():
    rng = np.random.default_rng(0)
    columns = {"small": rng.normal(0, 0.1, N), "large": rng.normal(0, 5000, N), "same": np.full(N, 3.0)}
    (told,) = preflight.data(rows(columns=columns))
    assert (told.code, told.severity) == ("unscaled_input", "info")
    assert told.evidence["largest"] == "large"
    assert told.evidence["constant"] == ["same"]
    assert found(rows(columns={"a": rng.normal(5, 2, N), "b": rng.normal(0, 20, N)})) == set()


def test_class_imbalance():
    labels = np.zeros(N, int)
    labels[::8] = 1
    np.random.default_rng(0).shuffle(labels)
    assert found(rows(labels)) == {("class_imbalance", "info")}
    labels[labels == 1] = np.random.default_rng(1).random((labels == 1).sum()) < 0.3
    assert found(rows(labels)) == {("class_imbalance", "warning")}
    labels = np.random.default_rng(0).integers(0, 4, N)
    labels[:5] = 4
    np.random.default_rng(0).shuffle(labels)
    assert found(rows(labels)) == {("class_imbalance", "info")}


def test_sorted_rows_and_splits_that_lack_a_class():
    labels = np.sort(np.random.default_rng(0).integers(0, 4, N))
    assert found(rows(labels)) == {("unshuffled_split", "warning")}
    assert found(rows(labels, ordered=False)) == set()
    side = (np.arange(N) >= 0.8 * N).astype(np.int8) * VALIDATION
    assert found(rows(labels, side=side)) == {("unshuffled_split", "error")}
    mixed = np.random.default_rng(1).permutation(labels)
    assert found(rows(mixed, side=side)) == set()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40))
def test_shuffled_rows_are_never_called_sorted(seed, classes):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(classes))
    labels = rng.choice(classes, rng.integers(20, 5000), p=shares)
    assert "unshuffled_split" not in {code for code, _ in found(rows(labels, classes=tuple(map(str, range(classes)))))}


def test_rows_needed_has_its_power():
    """Simulated: McNemar's test on that many rows sees the difference in about 80 % of the cases."""
    difference, disagree = 0.03, 0.1
    n, rng = rows_needed(difference), np.random.default_rng(0)
    draws = rng.multinomial(n, [(disagree + difference) / 2, (disagree - difference) / 2, 1 - disagree], 4000)
    z = (draws[:, 0] - draws[:, 1]) / np.sqrt(draws[:, 0] + draws[:, 1])
    assert np.mean(np.abs(z) > 1.96) == pytest.approx(0.8, abs=0.03)


def test_tiny_validation_is_told_with_the_rows_that_would_do():
    few = rows(np.arange(400) % 2)
    (told,) = preflight.data(few)
    assert (told.code, told.severity) == ("tiny_validation", "warning")
    some = rows(np.random.default_rng(0).integers(0, 2, 5000))
    assert found(some) == {("tiny_validation", "info")}
    assert found(some, difference=0.01) == {("tiny_validation", "warning")}
    assert found(some, difference=0.05) == set()


WORDS = [f"word{i}" for i in range(5000)]


def text(rng, length):
    return " ".join(rng.choice(WORDS, length))


def test_near_duplicates_against_all_pairs():
    rng = np.random.default_rng(0)
    texts = [text(rng, rng.integers(8, 80)) for _ in range(150)]
    for i in range(0, 60, 2):  # one word in twenty or so is changed, case and signs too
        words = texts[i].split()
        for j in rng.integers(0, len(words), max(1, len(words) // 20)):
            words[j] = "other"
        texts[i + 1] = ", ".join(words).upper()
    slow = {(i, j) for i in range(150) for j in range(i + 1, 150) if near.jaccard(texts[i], texts[j]) >= near.LIKE}
    fast = {tuple(map(int, p)) for p in near.near_duplicates(texts)}
    assert len(slow) >= 20
    assert fast <= slow
    assert len(slow - fast) <= 1


def test_near_duplicates_hash_words_as_a_slow_version_would():
    texts = ["", "eins zwei drei", "Él comió ñandú 🎉 ayer — sí", "a b c d e f g h i j", "  <br />tail "]
    document, words = near._words([t.lower().encode() for t in texts])
    counts = np.bincount(document, minlength=len(texts))
    assert counts.tolist() == [0, 3, 7, 10, 2]
    assert len(set(words.tolist())) == len(words)
    again, twice = near._words([b"drei eins", b"zwei"])
    assert twice.tolist() == [words[2], words[0], words[1]]
    assert again.tolist() == [0, 0, 1]


def test_near_duplicates_across_a_split():
    rng = np.random.default_rng(0)
    texts = [text(rng, 40) for _ in range(1000)]
    texts[900:950] = [t + " really" for t in texts[:50]]
    side = np.where(np.arange(1000) < 900, TRAIN, TEST).astype(np.int8)
    told = [f for f in preflight.data(rows(np.arange(1000) % 2, side, texts=texts)) if f.code == "duplicate_rows"]
    assert [(f.severity, f.evidence["near"], f.evidence["exact"]) for f in told] == [("warning", 50, 0)]


def test_groups_of_arrays():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 7, 3)).astype("float32")
    x[10], x[20, 0, 0], x[30, 0, 0] = x[3], 0.0, -0.0
    x[30, 0, 1:], x[30, 1:] = x[20, 0, 1:], x[20, 1:]
    groups = row_groups(x)
    assert len(set(groups.tolist())) == 298
    assert groups[10] == groups[3]
    assert groups[20] == groups[30]


def test_checking_a_file_reads_every_row_of_it(tmp_path):
    path = tmp_path / "rows.csv"
    frame = pl.DataFrame({"id": range(200), "x": [i % 7 for i in range(200)], "y": ["a", "b"] * 100})
    frame.write_csv(path)
    codes = [f.code for f in checkup.check_data(path, "y")]
    assert codes[0] == "target_leak"
    held = pl.concat([frame[:20], frame[:20]])
    codes = [(f.code, f.evidence.get("exact")) for f in checkup.check_data(frame, "y", test=held)]
    assert ("duplicate_rows", 40) in codes


def test_bad_input_is_one_line(tmp_path):
    frame = pl.DataFrame({"x": range(20), "y": ["a", "b"] * 10})
    with pytest.raises(DataError, match="Did you mean 'y'"):
        checkup.check_data(frame, "Y2")
    with pytest.raises(UsageError, match="target"):
        checkup.check_data(frame)
    with pytest.raises(UsageError, match="difference"):
        checkup.check_data(frame, "y", difference=2)
    with pytest.raises(DataError, match="does not exist"):
        checkup.check_data(tmp_path / "no.csv", "y")


REAL = [
    ("titanic/titanic.csv", "survived", {"target_leak", "duplicate_rows", "tiny_validation"}),
    ("breast-cancer-wisconsin/wisc_bc_data.csv", "diagnosis", {"target_leak", "tiny_validation"}),
    ("sms-spam/sms_spam.csv", "type", {"duplicate_rows"}),
    ("noticias-es/dataset_noticias.csv", "CATEGORÍA", {"duplicate_rows", "conflicting_labels"}),
    ("mushrooms/mushrooms.csv", "type", {"unshuffled_split"}),
    ("credit-german/credit.csv", "default", set()),
]


@pytest.mark.real
@pytest.mark.parametrize(("file", "target", "expected"), REAL, ids=[r[0].split("/")[0] for r in REAL])
def test_real_tables(real_data, file, target, expected):
    told = checkup.check_data(real_data / file, target)
    assert {f.code for f in told if f.severity != "info"} == expected
    if file.startswith("titanic"):
        assert told[0].evidence["columns"] == ["alive"]
    if file.startswith("breast"):
        assert told[0].evidence["identifiers"] == ["id"]
