"""Paths to histories: folders, seeds of a variant, real logs, and everything that is no log."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from goodfit import logs
from goodfit.errors import LogError

HISTORY = json.dumps({"loss": [0.9, 0.5, 0.4], "val_loss": [0.8, 0.6, 0.5]})


def test_a_folder_is_searched_and_other_files_passed_over(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "h.json").write_text(HISTORY)
    (tmp_path / "notes.md").write_text("# loss: what it is\n")
    (tmp_path / "data.csv").write_text("age,income\n1,2\n")
    (tmp_path / "model.bin").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "empty.csv").write_text("")
    assert [Path(h.meta["source"]).name for h in logs.read(tmp_path)] == ["h.json"]


def test_seeds_by_path_are_one_variant(tmp_path):
    for variant in ("base", "wide"):
        for seed in (0, 1, 2):
            (tmp_path / variant / f"seed_{seed}").mkdir(parents=True)
            (tmp_path / variant / f"seed_{seed}" / "history.json").write_text(HISTORY)
    found = logs.read(tmp_path)
    assert [h.runs for h in found] == [3, 3]
    assert found[0].meta["source"].endswith(os.path.join("base", "seed*", "history.json"))
    apart = logs.read(*(tmp_path / "base" / f"seed_{s}" / "history.json" for s in (0, 1)))
    assert [h.runs for h in apart] == [2]


def test_runs_that_nothing_joins_are_kept_apart(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(HISTORY)
    assert [h.runs for h in logs.read(tmp_path)] == [1, 1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("blank.csv", b"\n\n  \n"),
        ("text.txt", b"nothing to see here\n"),
        ("other.csv", b"a,b\n1,2\n"),
        ("header.csv", b"epoch,loss,val_loss\n"),
        ("words.csv", b"epoch,loss,val_loss\n0,high,higher\n"),
        ("other.json", b'{"a": 1}'),
        ("nothing.json", b'{"loss": []}'),
        ("half.json", b'{"loss": ['),
        ("state.json", b'{"log_history": []}'),
        ("binary.bin", bytes(range(256))),
        ("pickle.pkl", b"\x80\x04\x95\x0c\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x04loss\x94."),
        ("not.db", b"SQLite format 3\0" + b"\0" * 100),
        ("events", b"\x18\0\0\0\0\0\0\0crc1\x09\0\0\0\0\0\0\0\0" + b"\0" * 40),
        ("output.txt", b"Epoch 1/3\n 1/9 [>...] - ETA: 1s - loss: 2.0\n"),
    ],
)
def test_what_is_no_log_is_one_clear_line(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(LogError) as error:
        logs.read(path)
    assert "\n" not in str(error.value)
    assert name in str(error.value)


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(LogError, match="no such log"):
        logs.read(tmp_path / "missing")
    with pytest.raises(LogError, match="holds no training log"):
        logs.read(tmp_path)
    (tmp_path / "log.csv").write_text("epoch,loss\n")
    with pytest.raises(LogError, match=r"no such log.*Did you mean 'log\.csv'"):
        logs.read(tmp_path / "lag.csv")


def test_a_folder_with_only_a_broken_log_says_what_is_wrong_with_it(tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss,val_loss\n")
    with pytest.raises(LogError, match="no rows"):
        logs.read(tmp_path)


def curves_folder() -> Path:
    folder = os.environ.get("GOODFIT_CURVES")
    if not folder or not (Path(folder) / "training-histories").is_dir():
        pytest.skip("GOODFIT_CURVES names no folder with training-histories")
    return Path(folder) / "training-histories"


@pytest.mark.real
def test_logs_as_people_commit_them():
    folder = curves_folder()
    listed = list(csv.DictReader((folder / "index.csv").read_text().splitlines()))
    assert len(listed) == 28
    for row in listed:
        found = logs.read(folder / row["file"])
        assert len(found) == 1, row["file"]
        assert found[0].epochs >= 3, row["file"]
        # Point by point against a plain reading of the CSV files that have one row an epoch.
        if row["file"].startswith(("keras-csvlogger", "yolo-results-csv")):
            lines = list(csv.reader((folder / row["file"]).read_text().splitlines()))
            names = [c.strip() for c in lines[0]]
            at = names.index("val/loss" if "val/loss" in names else "val_loss")
            np.testing.assert_allclose(found[0]["val_loss"][0], [float(r[at]) for r in lines[1:] if r])
