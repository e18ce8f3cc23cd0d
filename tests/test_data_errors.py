"""Bad input: one clear line that names what is wrong, never a traceback."""

import contextlib
import gzip
import io
import os
import struct

import numpy as np
import polars as pl
import pytest

from goodfit import checkup, data
from goodfit.data.sources.quiet import quiet
from goodfit.errors import DataError, GoodfitError, MissingDataError, UsageError

GOOD = "text,label\n" + "".join(f"some words here {i},{'ab'[i % 2]}\n" for i in range(20))


def edit(line, new):
    lines = GOOD.split("\n")
    lines[line] = new
    return "\n".join(lines)


FILES = {
    "empty": ("a.csv", "", "label", "is empty"),
    "blank": ("a.csv", "\n \n\n", "label", "is empty"),
    "header only": ("a.csv", "text,label\n", "label", "header and no rows"),
    "no such column": ("a.csv", GOOD, "labels", "no column 'labels'. Did you mean 'label'?"),
    "no target": ("a.csv", GOOD, None, "--target 'label'"),
    "target alone": ("a.csv", "label\na\nb\n", "label", "only column"),
    "one class": ("a.csv", GOOD.replace(",b", ",a"), "label", "one class only"),
    "lonely class": ("a.csv", edit(5, "some words,c"), "label", "1 class has one row only ('c')"),
    "no labels": ("a.csv", GOOD.replace(",b", ",NaN").replace(",a", ","), "label", "missing in most rows"),
    "mostly no labels": ("a.csv", GOOD.replace(",b", ",NaN") + "x,\n", "label", "missing in most rows"),
    "few rows": ("a.csv", "text,label\n" + "a b,x\na c,y\n" * 2, "label", "too few rows"),
    "same rows": ("a.csv", "text,label\n" + "a b,x\na b,y\n" * 9, "label", "too few different rows"),
    "continuous": ("a.csv", "x,y\n" + "".join(f"{i},{i / 7}\n" for i in range(50)), "y", "looks continuous"),
    "label each": ("a.csv", "x,y\n" + "".join(f"{i},name{i}\n" for i in range(50)), "y", "class of its own"),
    "long row": ("a.csv", edit(7, "a,b,c"), "label", "ragged: 1 of 20 rows"),
    "short row": ("a.csv", edit(7, "a"), "label", "received 1 in row 7"),
    "open quote": ("a.csv", edit(7, '"a,b'), "label", "in line 8"),
    "latin-1": ("a.csv", edit(7, "café,b").encode("latin-1"), "label", "byte 0xe9 in line 8"),
    "image": ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(100), "label", "a PNG image"),
    "zip": ("a.csv", b"PK\x03\x04" + bytes(100), "label", "ZIP archive or an Excel"),
    "bytes": ("a.csv", bytes(range(256)) * 9, "label", "binary file"),
    "cut gzip": ("a.csv.gz", b"\x1f\x8b\x08\x00\x00", "label", "damaged gzip"),
    "no JSON": ("a.jsonl", '{"a": 1}\n{"a": \n', "a", "line 2"),
    "no object": ("a.jsonl", '{"a": 1}\n[1, 2]\n', "a", "list as item 2"),
    "no Parquet": ("a.parquet", "text", "a", "as Parquet"),
    "unknown kind": ("a.xyz", "hello there\nno columns\n", "a", "of no known kind"),
    "workbook": ("a.xlsx", b"PK\x03\x04" + bytes(100), "a", "Save it as CSV"),
}


@pytest.mark.parametrize(("name", "content", "target", "says"), FILES.values(), ids=FILES.keys())
def test_a_bad_file_is_told_in_one_line(tmp_path, name, content, target, says):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(GoodfitError) as caught:
        data.load(path, target)
    line = str(caught.value)
    assert says in line
    assert "\n" not in line


def packed(write, *args, **kwargs):
    """What a writer of files writes."""
    file = io.BytesIO()
    write(file, *args, **kwargs)
    return file.getvalue()


ROWS = pl.read_csv(GOOD.encode())
IMAGES, LABELS = np.arange(600, dtype=np.uint8).reshape(20, 6, 5), np.arange(20) % 2
IDX = struct.pack(">4B3I", 0, 0, 8, 3, 20, 6, 5) + IMAGES.tobytes()
WHOLE = {
    "a.npz": packed(np.savez, x=IMAGES, y=LABELS),
    "b.npz": packed(np.savez_compressed, x=IMAGES, y=LABELS),
    "train-images-idx3-ubyte": IDX,
    "train-images-idx3-ubyte.gz": gzip.compress(IDX),
    "a.csv": ROWS.write_csv().encode(),
    "a.csv.gz": gzip.compress(ROWS.write_csv().encode()),
    "a.jsonl": ROWS.write_ndjson().encode(),
    "a.parquet": packed(ROWS.write_parquet),
}


@pytest.mark.parametrize("name", WHOLE)
def test_whatever_bytes_are_damaged_it_is_told_or_read(name, tmp_path):
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(struct.pack(">4BI20B", 0, 0, 8, 1, 20, *LABELS))
    rng, path = np.random.default_rng(3), tmp_path / name
    target = None if "npz" in name or "idx" in name else "label"
    path.write_bytes(WHOLE[name])
    assert len(data.load(path, target)) == 20
    for _ in range(150):
        content = np.frombuffer(WHOLE[name], np.uint8).copy()
        end = 60 if rng.random() < 0.5 else len(content)
        content[rng.integers(end, size=rng.choice([1, 2, 20]))] = rng.integers(256)
        cut = rng.integers(len(content)) if rng.random() < 0.3 else len(content)
        path.write_bytes(content[:cut].tobytes())
        with contextlib.suppress(GoodfitError):
            data.load(path, target)


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (struct.pack(">4B", 0, 0, 8, 0), "number of dimensions from 1 to 4; received 00 00 08 00"),
        (struct.pack(">4B65I", 0, 0, 8, 65, *[1] * 65), "number of dimensions from 1 to 4"),
        (struct.pack(">4B3I", 0, 0, 8, 3, *[2**31] * 3), "cut short or damaged"),
        (struct.pack(">4BI", 0, 0, 8, 3, 20), "cut short or damaged"),
    ],
)
def test_an_idx_file_whose_head_is_wrong(head, says, tmp_path):
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(struct.pack(">4BI20B", 0, 0, 8, 1, 20, *LABELS))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(head + b"\1")
    with pytest.raises(DataError, match=says):
        data.load(tmp_path)


def test_the_good_file_is_good(tmp_path):
    (tmp_path / "a.csv").write_text(GOOD)
    assert len(data.load(tmp_path / "a.csv", "label")) == 20


def test_a_named_encoding_is_used(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(edit(7, "un café,b").encode("cp1252"))
    assert data.load(path, "label", encoding="cp1252").rows["text"][6] == "un café"
    with pytest.raises(UsageError, match="unknown encoding"):
        data.load(path, "label", encoding="klingon")
    with pytest.raises(DataError, match="is not ascii"):
        data.load(path, "label", encoding="ascii")


@pytest.mark.parametrize("encoding", ["utf-16", "UTF-16-LE", "utf_32"])
def test_an_encoding_of_wide_characters_that_cannot_be_is_told(encoding, tmp_path):
    """Two bytes of UTF-8 are some Chinese character or other, and no line ends any more."""
    path = tmp_path / "a.csv"
    path.write_text(GOOD + "1" * (len(GOOD) % 2))
    with pytest.raises(DataError, match=f"does not read as {encoding}.*UTF-8 needs none"):
        data.load(path, "label", encoding=encoding)
    path.write_bytes(GOOD.encode(encoding))
    assert len(data.load(path, "label", encoding=encoding)) == 20


def test_what_is_not_there_is_told_with_near_names(tmp_path, monkeypatch):
    (tmp_path / "reviews.csv").write_text(GOOD)
    with pytest.raises(DataError, match=r"Did you mean 'reviews\.csv'"):
        data.load(tmp_path / "review.csv", "label")
    with pytest.raises(DataError, match=r"does not exist.*There is no folder .*nowhere either"):
        data.load(tmp_path / "nowhere" / "a.csv", "label")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="Did you mean 'digits'"):
        data.load("digit", "label")


def test_a_folder_without_classes(tmp_path):
    with pytest.raises(DataError, match="an empty folder"):
        data.load(tmp_path)
    (tmp_path / "a.bin").write_bytes(b"x")
    with pytest.raises(DataError, match=r"folder without classes.*a\.bin"):
        data.load(tmp_path)
    (tmp_path / "b.csv").write_text(GOOD)
    with pytest.raises(DataError, match=r"Name the file itself: .*b\.csv"):
        data.load(tmp_path)
    (tmp_path / "only").mkdir()
    for i in range(12):
        (tmp_path / "only" / f"{i}.txt").write_text(f"text {i}")
    with pytest.raises(DataError, match="one class only"):
        data.load(tmp_path)
    (tmp_path / "only" / "3.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match=r"3\.txt is not UTF-8"):
        data.load(tmp_path)


def test_texts_that_are_empty_everywhere():
    frame = pl.DataFrame({"t": ["", None] * 10, "n": range(20), "y": ["a", "b"] * 10})
    with pytest.raises(DataError, match="empty everywhere"):
        data.load(frame, "y", text="t")
    with pytest.raises(DataError, match="every cell beside the target is empty"):
        data.load(frame.drop("n"), "y")
    with pytest.raises(DataError, match="no text column 'tt'"):
        data.load(frame, "y", text="tt")
    with pytest.raises(UsageError, match="target and the text at once"):
        data.load(frame, "y", text="y")
    with pytest.raises(UsageError, match="target and the weight at once"):
        data.load(frame, "y", weight="y")
    with pytest.raises(UsageError, match="target and left out at once"):
        data.load(frame, "y", drop=["y"])


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (np.zeros((10, 2)), np.zeros(9), "differ in length"),
        (np.zeros((10, 2)), np.zeros((10, 3)), "not one label a row"),
        ([[1, 2], [3]] * 6, [0, 1] * 6, "ragged"),
        (["a", 3] * 6, [0, 1] * 6, "mixes texts"),
        (np.zeros((10, 0)), [0, 1] * 5, "empty"),
        (np.zeros((10, 2), complex), [0, 1] * 5, "no array of numbers"),
        (np.zeros((10, 2)), [0, 1] * 5, "too few different rows"),
        (np.eye(10), [None] * 10, "missing in most rows"),
        ({"a": [1, 2], "b": [1]}, [0, 1], "different lengths"),
    ],
)
def test_bad_arrays(x, y, says):
    with pytest.raises(DataError, match=says):
        data.load((x, y))


FINITE = np.random.default_rng(0).random((20, 4, 4))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_images_and_inputs_of_no_finite_numbers_are_told(value, tmp_path):
    bad, y = FINITE.copy(), np.arange(20) % 2
    bad[[4, 7], 1, 2] = value
    for arrays, says in (
        ({"x": bad}, "the images hold"),
        ({"x": FINITE, "more": bad[:, 1]}, "the array 'more' holds"),
        ({"x": FINITE, "more": bad[:, 1, 2]}, "the array 'more' holds"),
    ):
        np.savez(tmp_path / "a.npz", **arrays, y=y)
        with pytest.raises(DataError, match=rf"{says}.*in 2 of 20 rows, the first is row 5\..*nan_to_num"):
            data.load(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"2 of 19 rows, the first is row 5\."):
        data.load((bad, [None, *y[1:].tolist()]))
    assert data.load((bad[:, 1], y)).kind == "array"  # columns of a table are filled
    assert data.load((bad, [None if i in {4, 7} else v for i, v in enumerate(y)])).kind == "image"


def test_labels_that_come_with_the_data_have_one_name(tmp_path):
    x, y = FINITE, np.arange(20) % 2
    np.savez(tmp_path / "a.npz", images=x, labels=y)
    np.savez(tmp_path / "b.npz", x_train=x[:15], y_train=y[:15], x_test=x[15:], y_test=y[15:])
    for source, name in ((tmp_path / "a.npz", "labels"), (tmp_path / "b.npz", "y"), ("digits", "digit")):
        assert data.load(source, name).target == data.load(source).target == name
        for read in (data.load, checkup.check):
            with pytest.raises(DataError, match=f"no column 'lable'.*come with the data; expected '{name}'. Leave --t"):
                read(source, "lable")
            with pytest.raises(DataError, match="no text column 'baz'; expected a table; received arrays"):
                read(source, text="baz")
        assert data.load(source, text="").text is None
    assert data.load((x, y), "species").target == "species"


@pytest.mark.parametrize("source", [None, 3, (), [1, 2, 3], np.zeros((4, 4)), object()])
def test_what_is_no_data_at_all(source):
    with pytest.raises(UsageError, match="cannot be understood"):
        data.load(source)


def test_bad_test_sets(tmp_path):
    train = pl.DataFrame({"x": range(40), "y": ["a", "b"] * 20})
    other = train.with_columns(pl.col("x") + 100)
    for test, says in (
        (other.drop("y"), "no target column 'y'"),
        (other.drop("x"), "lacks the column 'x'"),
        (other.with_columns(y=pl.lit("c")), "labels of the test set"),
        (train, "stand in the test set too"),
        ((np.zeros((3, 2)), [0, 1, 0]), "does not look like"),
    ):
        with pytest.raises(DataError, match=says):
            data.load(train, "y", test=test)
    with pytest.raises(UsageError, match="test fraction"):
        data.load(train, "y", test_fraction=1.5)


def test_keras_files_that_cannot_be_had(tmp_path, monkeypatch):
    from goodfit.data.sources import keras_sets

    def offline(*args, **kwargs):
        raise OSError("network is unreachable")

    monkeypatch.setattr(keras_sets.urllib.request, "urlopen", offline)
    for name in ("KERAS_HOME", "GOODFIT_CACHE", "GOODFIT_DATA"):
        monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(MissingDataError, match=r"imdb\.npz is not here.*unreachable.*GOODFIT_DATA"):
        data.load("imdb")
    (tmp_path / "reuters").mkdir()
    np.savez(tmp_path / "reuters" / "reuters.npz", x=np.array([Exploding()], dtype=object))
    with pytest.raises(MissingDataError, match="SHA-256 differs"):
        data.load("reuters")


class Exploding:
    """Fails the test when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("an unknown pickle was run",)


def test_damaged_parquet_prints_nothing_of_its_own(tmp_path, capfd):
    """Polars panics on some damaged bytes, and its Rust would print a trace of that."""
    whole, rng = packed(lambda file: ROWS.write_parquet(file)), np.random.default_rng(0)
    for _ in range(60):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[rng.integers(4, len(damaged) - 4, 20)] = rng.integers(0, 256, 20)
        (tmp_path / "a.parquet").write_bytes(damaged.tobytes())
        with contextlib.suppress(GoodfitError):
            data.load(tmp_path / "a.parquet", "label")
    assert capfd.readouterr().err == ""


def test_what_is_printed_while_all_goes_well_is_shown(capfd):
    with quiet():
        os.write(2, b"half done")
    with contextlib.suppress(ValueError), quiet():
        os.write(2, b"thread panicked")
        raise ValueError
    assert capfd.readouterr().err == "half done"
