"""Every source gives the same rows, whatever they are written in."""

import gzip
import json

import numpy as np
import polars as pl
import pytest

from goodfit import data
from goodfit.errors import DataError

TEXTS = [f"a review of film number {i}, with words and a 'quote'" for i in range(30)]
LABELS = ["good", "bad", "fair"] * 10


@pytest.fixture
def frame():
    return pl.DataFrame({"review": TEXTS, "verdict": LABELS})


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def same(dataset):
    assert dataset.rows["review"].to_list() == TEXTS
    assert [dataset.classes[i] for i in dataset.labels] == LABELS
    assert dataset.classes == ("bad", "fair", "good")
    assert (dataset.kind, dataset.task, dataset.text, dataset.target) == ("text", "multiclass", "review", "verdict")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", lambda f: f.write_csv()),
        ("a.csv.gz", lambda f: gzip.compress(f.write_csv().encode())),
        ("crlf.csv", lambda f: f.write_csv(line_terminator="\r\n")),
        ("bom.csv", lambda f: b"\xef\xbb\xbf" + f.write_csv().encode()),
        ("utf16.csv", lambda f: f.write_csv().encode("utf-16")),
        ("semicolon.csv", lambda f: f.write_csv(separator=";")),
        ("pipe.txt", lambda f: f.write_csv(separator="|")),
        ("tab.tsv", lambda f: f.write_csv(separator="\t")),
        ("tab.csv", lambda f: f.write_csv(separator="\t")),
        ("mac.csv", lambda f: f.write_csv(line_terminator="\r")),
        ("blank.csv", lambda f: f.write_csv().replace("\n", "\n\n", 3) + "\n\n"),
        ("padded.csv", lambda f: f.write_csv().replace("review,verdict", " review , verdict")),
        ("index.csv", lambda f: f.with_row_index("").write_csv()),
        ("a.jsonl", lambda f: f.write_ndjson()),
        ("a.json", lambda f: json.dumps(f.to_dicts())),
        ("unnamed", lambda f: f.write_ndjson()),
    ],
)
def test_every_format_gives_the_same_rows(frame, tmp_path, name, content):
    same(data.load(write(tmp_path / name, content(frame)), "verdict"))


def test_parquet_frames_and_pairs_give_the_same_rows(frame, tmp_path):
    frame.write_parquet(tmp_path / "a.parquet")
    loaded = data.load(tmp_path / "a.parquet", "verdict")
    same(loaded)
    same(data.load(frame, "verdict"))
    same(data.load(frame.lazy(), "verdict"))
    same(data.load(frame.to_dict(as_series=False), "verdict"))
    same(data.load((frame.select("review"), LABELS), "verdict"))
    same(data.load((frame.select("review"), np.array(LABELS)), "verdict"))
    assert data.load(frame, "verdict").fingerprint == loaded.fingerprint
    assert data.load(frame.reverse(), "verdict").fingerprint != loaded.fingerprint


def test_lists_of_texts_need_no_names():
    dataset = data.load((TEXTS, LABELS))
    assert (dataset.kind, dataset.text) == ("text", "text")
    assert dataset.shown(0) == TEXTS[0]


def test_keras_pairs_bring_their_test_set():
    x = np.arange(80, dtype=np.uint8).reshape(20, 4)
    y = np.eye(2)[np.arange(20) % 2]
    dataset = data.load(((x, y), (x[:5] + 100, y[:5])))
    assert (dataset.kind, dataset.task) == ("array", "binary")
    assert dataset.test.tolist() == [False] * 20 + [True] * 5
    np.testing.assert_array_equal(dataset.select(dataset.test), x[:5] + 100)
    assert data.load((x.reshape(20, 2, 2), y)).kind == "image"


def test_a_pandas_like_frame_needs_no_pandas(frame):
    class Column(list):
        def tolist(self):
            return list(self)

    class Frame:
        columns = ("review", "verdict", "stars")
        iloc = None

        def __getitem__(self, name):
            return Column([*frame[name]] if name in frame.columns else [float("nan"), *range(29)])

    dataset = data.load(Frame(), "verdict")
    same(dataset)
    assert data.load(Frame(), "verdict", text="").rows["stars"].null_count() == 1


def test_quoted_newlines_separators_and_quotes_stay(tmp_path):
    texts = [f'one\ntwo, "three" {i}\r\nfour; five' for i in range(20)]
    pl.DataFrame({"text": texts, "label": [0, 1] * 10}).write_csv(tmp_path / "a.csv")
    dataset = data.load(tmp_path / "a.csv", "label")
    assert dataset.rows["text"].to_list() == texts
    assert dataset.classes == ("0", "1")


def test_a_tab_file_may_hold_bare_quotes(tmp_path):
    lines = ["text\tlabel", *(f'"{i} is an opening quote only\t{i % 2}' for i in range(15))]
    dataset = data.load(write(tmp_path / "a.tsv", "\n".join(lines)), "label")
    assert dataset.rows["text"][3] == '"3 is an opening quote only'


def test_columns_get_their_plainest_type(tmp_path):
    header = "whole;part;comma;word;gap;flag;label"
    lines = [f"{i};{i / 4};{i},5;w{i % 3};{'' if i % 2 else i};{i % 2 == 0};{'xy'[i % 2]}" for i in range(20)]
    dataset = data.load(write(tmp_path / "a.csv", "\n".join([header, *lines])), "label")
    assert dict(dataset.rows.schema) == {
        "whole": pl.Int64,
        "part": pl.Float64,
        "comma": pl.Float64,
        "word": pl.String,
        "gap": pl.Int64,
        "flag": pl.String,
    }
    assert dataset.rows["comma"][2] == 2.5


def class_folders(root, classes, count, text="{label} text number {i}", start=0):
    for label in classes:
        (root / label).mkdir(parents=True)
        for i in range(start, start + count):
            (root / label / f"{i}.txt").write_text(text.format(label=label, i=i), encoding="utf-8")


def test_a_folder_per_class(tmp_path):
    class_folders(tmp_path, ("pos", "neg"), 10)
    (tmp_path / "README").write_text("no class")
    dataset = data.load(tmp_path)
    assert (dataset.kind, dataset.classes, len(dataset)) == ("text", ("neg", "pos"), 20)
    assert dataset.test.sum() == 4


@pytest.mark.parametrize("above", ["", "aclImdb"])
def test_the_acl_layout_brings_its_test_set(tmp_path, above):
    class_folders(tmp_path / above / "train", ("pos", "neg"), 10)
    class_folders(tmp_path / above / "train", ("unsup",), 10)
    class_folders(tmp_path / above / "test", ("pos", "neg"), 5, start=10)
    dataset = data.load(tmp_path)
    assert (len(dataset), int(dataset.test.sum()), dataset.classes) == (30, 10, ("neg", "pos"))
    assert any("unsup" in note for note in dataset.notes)
    assert all("1" in t for t in dataset.select(dataset.test)["text"])


def test_labelled_lines(tmp_path):
    trec = "\n".join(f"{'NUM' if i % 2 else 'LOC'}:sub{'ab'[i % 2]} What is number {i} ?" for i in range(20))
    dataset = data.load(write(tmp_path / "a.label", trec))
    assert (dataset.classes, dataset.rows["text"][1]) == (("LOC", "NUM"), "What is number 1 ?")
    assert data.load(tmp_path / "a.label", "sublabel").classes == ("LOC:suba", "NUM:subb")
    fast = "\n".join(f"__label__{'up' if i % 2 else 'down'} text number {i}" for i in range(20))
    assert data.load(write(tmp_path / "a.txt", fast)).classes == ("down", "up")


def test_the_digits_are_built_in():
    dataset = data.load("digits")
    assert (dataset.rows.shape, dataset.kind, len(dataset.classes)) == ((1797, 64), "array", 10)


def test_rows_to_predict_may_lack_labels(tmp_path, frame):
    frame.drop("verdict").write_csv(tmp_path / "a.csv")
    assert data.read_rows(tmp_path / "a.csv")["review"].to_list() == TEXTS
    assert data.read_rows(TEXTS)["text"].to_list() == TEXTS
    assert data.read_rows([{"a": 1, "b": None}, {"a": "x"}]).to_dicts() == [
        {"a": "1", "b": None},
        {"a": "x", "b": None},
    ]
    assert data.read_rows({"a": 1, "b": "two words"}).to_dicts() == [{"a": 1, "b": "two words"}]
    assert data.read_rows(np.zeros((3, 2))).shape == (3, 2)


def test_docstrings_come_from_the_installed_libraries(monkeypatch, tmp_path):
    from goodfit.data.sources import docstrings

    monkeypatch.setenv("GOODFIT_CACHE", str(tmp_path))
    monkeypatch.setattr(docstrings, "LIBRARIES", {"numpy": "numpy"})
    monkeypatch.setattr(docstrings.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path / "lib")})
    (tmp_path / "lib" / "tests").mkdir(parents=True)
    for i in range(12):
        code = f'def f():\n    """What Python does with number {i} here."""\n'
        (tmp_path / "lib" / f"m{i}.py").write_text(code)
        (tmp_path / "lib" / "tests" / f"m{i}.py").write_text(code.replace("here", "in a test"))
    (tmp_path / "lib" / "broken.py").write_text('"""A module that does not parse"""\ndef (')
    first = data.load("docstrings")
    stdlib = first.select(first.labels == first.classes.index("stdlib"))["docstring"].to_list()
    assert sorted(stdlib)[0] == "What LIBRARY does with number 0 here."
    assert len(stdlib) == 12
    assert not first.rows["docstring"].str.contains("(?i)numpy").any()
    assert len(list((tmp_path / "datasets").glob("*.parquet"))) == 1
    monkeypatch.setattr(docstrings, "_collected", lambda: pytest.fail("read twice"))
    assert data.load("docstrings").fingerprint == first.fingerprint


def test_cells_of_rows_to_predict_stay_as_written(tmp_path):
    write(tmp_path / "a.csv", "code,price\n007,1.50\n012,\n")
    assert data.read_rows(tmp_path / "a.csv").rows() == [("007", "1.50"), ("012", None)]


def test_rows_to_predict_may_be_a_built_in_set():
    assert data.read_rows("digits").shape[0] == len(data.load("digits"))
    with pytest.raises(DataError, match=r"no file, folder or built-in set 'digit'\. Did you mean 'digits'"):
        data.read_rows("digit")
