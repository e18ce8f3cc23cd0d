"""Files of texts larger than memory: the same data set as read at once, and the same mistakes told."""

import csv
import itertools

import numpy as np
import polars as pl
import pytest

from goodfit import memory
from goodfit.data import disk, load
from goodfit.data.disk import OnDisk
from goodfit.encode.table import TableEncoder
from goodfit.encode.text import TextEncoder
from goodfit.errors import DataError, GoodfitError
from goodfit.study import leaks

WORDS = [
    "the",
    "a",
    "film",
    "story",
    "plot",
    "it",
    "was",
    "is",
    "good",
    "bad",
    "great,",
    "awful",
    '"quoted"',
    "don't",
    "naïve",
    "👍",
    "long\nline",
    "of",
    "many",
    "words",
]


@pytest.fixture
def rows(monkeypatch):
    """Cells of a table: an id, texts with a repeated one and empty ones, a label with one missing, a weight."""
    monkeypatch.setattr(disk, "BLOCK", 16)
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(7, 20))) for _ in range(90)]
    texts[7], texts[20], texts[21] = texts[3], "", "  "
    labels = [str(label) for label in rng.choice(["good", "bad"], 90)]
    labels[50] = ""
    return {"id": [str(i) for i in range(90)], "review": texts, "label": labels, "count": ["1", "2.5"] * 45}


def written(path, rows):
    if path.suffix == ".parquet":
        pl.DataFrame(rows).with_columns(pl.all().replace("", None)).write_parquet(path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            lines.writerows([rows, *zip(*rows.values(), strict=True)])
    return path


def both(path, *args, **kwargs):
    """The data set held, and that of a process without memory."""
    held = load(path, *args, stream=True, **kwargs)
    with memory.at_most(1):
        return held, load(path, *args, stream=True, **kwargs)


def assert_same(held, large):
    assert isinstance(held.rows, pl.DataFrame)
    assert isinstance(large.rows, OnDisk)
    for name in ("classes", "kind", "target", "text", "fingerprint", "task", "name"):
        assert getattr(held, name) == getattr(large, name), name
    assert sorted(held.notes) == sorted(large.notes)
    for name in ("labels", "test", "groups", "weights"):
        np.testing.assert_array_equal(getattr(held, name), getattr(large, name))
    assert large.rows[:].equals(held.rows)
    assert [large.shown(i) for i in (0, 7, 89 - 1)] == [held.shown(i) for i in (0, 7, 89 - 1)]
    for mask in (held.test, ~held.test):
        a, b = TextEncoder(("review",)), TextEncoder(("review",))
        assert (a.fit_transform(held.select(mask)) != b.fit_transform(large.select(mask))).nnz == 0
        assert a.vocabulary == b.vocabulary


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
@pytest.mark.parametrize("text", [None, "review"])
def test_a_file_too_large_for_memory_gives_the_same_data_set(suffix, text, rows, tmp_path):
    path = written(tmp_path / f"rows{suffix}", rows)
    assert_same(*both(path, "label", text))


def test_weights_and_a_test_set_stand_beside_it(rows, tmp_path):
    cut = {k: v[:60] for k, v in rows.items()}
    path, test = (
        written(tmp_path / "rows.csv", cut),
        written(tmp_path / "test.csv", {k: v[60:] for k, v in rows.items()}),
    )
    held, large = both(path, "label", test=test, weight="count")
    assert_same(held, large)
    few, many = sorted(set(held.weights[~held.test]))
    assert many == pytest.approx(2.5 * few)


@pytest.mark.parametrize(
    ("content", "args"),
    [
        ("review,label\n" + "one two three,good\n" * 40 + "one,two,three\n", ("label",)),
        ("review,label\n" + "one two three,good\n" * 40 + "one two\n" * 2, ("label",)),
        ("review,label\n" + "one two three,good\n" * 40 + '"one two,good\n', ("label",)),
        (b"review,label\n" + b"one two three,good\n" * 40 + b"caf\xe9 one two,good\n", ("label",)),
        ("review,label\n" + "one two three,good\n" * 40, ("lable",)),
        ("review,label\n" + "one two three,good\n" * 40, ("label", "revue")),
        ("review,label\n" + "one two three,good\n" * 40, ("label",)),
        ("review,label\n" + "   ,good\n ,bad\n" * 40, ("label", "review")),
        ("review,label\n", ("label",)),
        (bytes(range(256)) * 20, ("label",)),
    ],
    ids=[
        "too many fields",
        "too few fields",
        "open quote",
        "encoding",
        "target",
        "text",
        "one class",
        "empty",
        "no rows",
        "binary",
    ],
)
def test_mistakes_are_told_as_of_any_file(content, args, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(GoodfitError) as ordinary:
        load(path, *args)
    with memory.at_most(1), pytest.raises(GoodfitError) as large:
        load(path, *args, stream=True)
    assert str(large.value) == str(ordinary.value)


def numbers_and_names():
    """A table of every kind of column but texts, with missing cells."""
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "": range(60),
            "whole": rng.integers(0, 9, 60),
            "part": [None if i == 7 else v for i, v in enumerate(rng.random(60).round(3))],
            "kind": ["ash" if i % 3 else " " if i % 2 else "elm" for i in range(60)],
            "yes": rng.random(60) < 0.5,
            "day": [f"2024-01-{i % 28 + 1:02}" for i in range(60)],
            "label": ["ab"[i % 2] for i in range(60)],
        }
    )


@pytest.mark.parametrize("name", ["rows.csv", "comma.csv", "rows.tsv", "rows.parquet"])
def test_a_table_too_large_for_memory_gives_the_same_data_set(name, tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "BLOCK", 16)
    frame, path = numbers_and_names(), tmp_path / name
    if name == "rows.parquet":
        frame.rename({"": "nr"}).with_columns(
            pl.col("day").str.to_date(), pl.col("kind").cast(pl.Categorical)
        ).write_parquet(path)
    else:
        separator = {"rows.csv": ",", "comma.csv": ";", "rows.tsv": "\t"}[name]
        frame.write_csv(path, separator=separator, null_value="NA", decimal_comma=name == "comma.csv")
    held, large = both(path, "label")
    assert isinstance(large.rows, OnDisk)
    assert large.rows[:].equals(held.rows)
    for field in ("classes", "kind", "target", "text", "fingerprint", "task", "name", "notes"):
        assert getattr(held, field) == getattr(large, field), field
    for field in ("labels", "test", "groups"):
        np.testing.assert_array_equal(getattr(held, field), getattr(large, field))
    assert large.shown(8) == held.shown(8)
    assert [f.code for f in leaks.found(large)] == [f.code for f in leaks.found(held)]
    a, b = TableEncoder(), TableEncoder()
    np.testing.assert_array_equal(a.fit_transform(held.select(~held.test)), b.fit_transform(large.select(~held.test)))
    np.testing.assert_array_equal(a.transform(held.select(held.test)), b.transform(large.select(held.test)))
    assert a.to_dict() == b.to_dict()


def test_leaks_are_found_in_a_part_of_the_rows_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(leaks, "BLOCK", 200)
    monkeypatch.setattr(leaks, "FEW", 64)
    frame = pl.concat([numbers_and_names()] * 10).with_columns(pl.int_range(600).sqrt().alias("part"))
    frame = frame.with_columns(pl.col("label").replace({"a": "x", "b": "y"}).alias("again"))
    frame.write_csv(tmp_path / "rows.csv")
    _, large = both(tmp_path / "rows.csv", "label")
    read = []
    get = OnDisk.__getitem__
    monkeypatch.setattr(OnDisk, "__getitem__", lambda self, at: (read.append(at), get(self, at))[1])
    assert "again" in leaks.found(large)[0].message
    assert [at.stop - at.start for at in read if isinstance(at, slice)] == [64] * 4


def test_encoded_rows_that_memory_cannot_hold_are_told(tmp_path):
    frame = numbers_and_names()
    encoder = TableEncoder().fit(frame.drop("label"))
    with memory.at_most(1), pytest.raises(DataError, match=r"60 encoded rows of \d+ features.*--drop"):
        encoder.transform(frame)


def test_nested_cells_and_other_kinds_of_files_are_read_as_ever(tmp_path):
    numbers_and_names().write_ndjson(tmp_path / "rows.jsonl")
    nested = numbers_and_names().with_columns(pl.concat_list("whole", "part").alias("list"))
    nested.write_parquet(tmp_path / "rows.parquet")
    for name in ("rows.parquet", "rows.jsonl"):
        held, large = both(tmp_path / name, "label")
        assert isinstance(large.rows, pl.DataFrame)
        assert held.fingerprint == large.fingerprint


def test_what_was_written_goes_with_the_last_that_reads_it(rows, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("GOODFIT_CACHE", str(cache))
    stale = cache / f"rows-{disk.socket.gethostname()}-999999999-x"
    stale.mkdir(parents=True)
    path = written(tmp_path / "rows.csv", rows)
    with memory.at_most(1):
        large = load(path, "label", stream=True)
    (folder,) = cache.iterdir()  # that of a dead process is gone
    part = large.select(large.test)
    del large
    assert part[:2].height == 2
    del part
    assert not folder.exists()
    (tmp_path / "file").touch()
    monkeypatch.setenv("GOODFIT_CACHE", str(tmp_path / "file"))
    with memory.at_most(1), pytest.raises(DataError, match="GOODFIT_CACHE"):
        load(path, "label", stream=True)


@pytest.mark.parametrize("order", ["as they are", "shuffled", "some"])
def test_rows_are_found_wherever_they_stand(order):
    frame = pl.DataFrame({"a": [f"row {i}" for i in range(50)], "b": range(50)})
    rows = OnDisk.written(frame.lazy())
    at = np.arange(50)
    at = {"shuffled": np.random.default_rng(0).permutation(at), "some": at[at % 3 > 0]}.get(order, at)
    rows, frame = rows[at], frame[at]
    for start, stop in itertools.pairwise((0, 0, 1, 20, len(frame), len(frame) + 5)):
        assert rows[start:stop].equals(frame[start:stop])
    assert rows["a"].to_list() == frame["a"].to_list()
    assert rows.select(["b"])[:].equals(frame.select("b"))
    assert (len(rows), rows.width, rows.columns) == (len(frame), 2, ["a", "b"])
