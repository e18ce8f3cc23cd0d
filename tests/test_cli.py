"""The command line: bad input is one clear line and exit code 2, `--json` is one document, docs name every command."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from goodfit import cli
from goodfit.cli.app import COMMANDS
from goodfit.cli.fit import default_folder, seconds, size
from goodfit.errors import UsageError

ROWS = "text,label\n" + "".join(
    f"{w} film number {i},{'good' if w == 'fine' else 'bad'}\n" for i, w in enumerate(["fine", "dull"] * 20)
)


def goodfit(*args: str) -> int:
    """Run the command line in this process; its exit code."""
    before, sys.argv = sys.argv, ["goodfit", *map(str, args)]
    try:
        with pytest.raises(SystemExit) as done:
            cli.main()
    finally:
        sys.argv = before
    return done.value.code or 0


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


BAD = {
    "an empty file": ("", "empty"),
    "a header only": ("text,label\n", r"no rows|empty|header"),
    "a target that does not exist": (ROWS.replace("label", "lable"), r"no column 'label'.*[Dd]id you mean 'lable'"),
    "one class only": (ROWS.replace("bad", "good"), r"one class"),
    "a class with one row": (ROWS + "odd film,strange\n", r"strange"),
    "targets all missing": (re.sub(",(good|bad)\n", ",\n", ROWS), r"target"),
    "a text column empty everywhere": (re.sub(r"\n[^,]+,", "\n ,", ROWS), r"empty"),
    "a ragged row": (ROWS + "one,two,three,four\n", r"row|line"),
    "a wrong encoding": (ROWS.encode() + "caf\u00e9 \u2026,good\n".encode("utf-16-le"), r"UTF-8|encod|binary"),
    "a binary file": (bytes(range(256)) * 20, r"binary|no known kind|not text"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_exit_code_2(name, tmp_path, capsys):
    content, expected = BAD[name]
    path = write(tmp_path / "rows.csv", content)
    assert goodfit("fit", path, "--target", "label", "--out", tmp_path / "out") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("goodfit: ")
    assert err.count("\n") == 1
    assert re.search(expected, err), err
    assert not (tmp_path / "out").exists()


def bad_calls(tmp: Path) -> dict[str, tuple[list, str]]:
    rows = write(tmp / "rows.csv", ROWS)
    (tmp / "folder").mkdir()
    (tmp / "full").mkdir()
    write(tmp / "full" / "mine.txt", "mine")
    fit = ["fit", rows, "--target", "label", "--out", tmp / "out"]
    return {
        "no such file": (["fit", tmp / "nosuch.csv", "--target", "label"], "does not exist"),
        "no such set": (["fit", "digit"], "did you mean 'digits'|Did you mean 'digits'"),
        "a folder without classes": (["fit", tmp / "folder"], "without classes|empty folder"),
        "no target": (["fit", rows], "target"),
        "a folder that holds something else": ([*fit[:-1], tmp / "full"], "holds no study"),
        "no seeds": ([*fit, "--seeds", "0"], "seeds"),
        "seeds no number": ([*fit, "--seeds", "many"], "--seeds'.*'many'"),
        "rope no number at all": ([*fit, "--rope", "wide"], "--rope'.*'wide'"),
        "no epochs": ([*fit, "--epochs", "0"], "epochs"),
        "bad units": ([*fit, "--units", "16,x"], "bad --units"),
        "bad filters": ([*fit, "--filters", "x"], "bad --filters"),
        "bad optimizer": ([*fit, "--optimizer", "adamm"], "adam"),
        "bad learning rate": ([*fit, "--learning-rate", "-1"], "learning_rate"),
        "bad treatment": ([*fit, "--treatments", "dropuot"], "dropout"),
        "bad budget": ([*fit, "--budget", "soon"], "90s"),
        "bad memory": ([*fit, "--memory", "much"], "4GB"),
        "too little memory": ([*fit, "--memory", "1MB"], r"memory.*[\d,]+ bytes"),
        "rope no number": ([*fit, "--rope", "nan"], "rope"),
        "learning rate without end": ([*fit, "--learning-rate", "inf"], "learning_rate"),
        "budget of a dot": ([*fit, "--budget", "."], "90s"),
        "no words": ([*fit, "--words", "0"], "--words"),
        "long n-grams": ([*fit, "--ngrams", "4"], "--ngrams"),
        "too many seeds": ([*fit, "--seeds", "1000000"], "seeds"),
        "nothing": (["fit", ""], "empty"),
        "drop no column": ([*fit, "--drop", "text,txet"], "no column 'txet' to drop.*'text'"),
        "drop of pixels": (["fit", "digits", "--drop", "text", "--out", tmp / "out"], "arrays"),
        "bad share": ([*fit, "--validation", "1.5"], "validation"),
        "unknown option": ([*fit, "--sedes", "3"], "--sedes"),
        "patience": ([*fit, "--patience", "3"], r"--patience\. .*--treatments 'early_stopping 3'"),
        "unknown command": (["fti"], "fti"),
        "no study": (["compare", tmp / "folder"], "holds no study"),
        "a predictor that is a file": (["predict", rows, rows], "holds no predictor"),
        "a log of brackets": (
            ["diagnose", write(tmp / "deep.json", "[" * 100_000)],
            "no training log|no loss|no curves|JSON",
        ),
        "no report": (["report", tmp / "folder"], "no study lies here"),
        "no predictor": (["predict", tmp / "folder", rows], "holds no predictor"),
        "no log": (["diagnose", tmp / "nosuch.csv"], "nosuch.csv"),
        "no finding": (["explain", "overfit"], "overfitting"),
        "nothing like a finding": (["explain", "xyz"], r"', \.\.\. `goodfit explain` lists all\.$"),
        "bad out": (["predict", tmp / "folder", rows, "--out", tmp / "x.doc"], r"\.csv"),
    }


def test_every_bad_call_is_tried(tmp_path):
    assert set(bad_calls(tmp_path)) == set(CALLS)


CALLS = [
    "no such file", "no such set", "a folder without classes", "no target", "a folder that holds something else",
    "a predictor that is a file", "a log of brackets", "no seeds", "seeds no number", "no epochs", "bad units", "bad filters", "rope no number at all", "bad optimizer", "bad learning rate", "bad treatment",
    "bad budget", "bad memory", "bad share", "unknown option", "patience", "unknown command", "no study", "no report",
    "no predictor", "no log", "rope no number", "learning rate without end", "budget of a dot", "no words",
    "long n-grams", "too many seeds", "nothing", "no finding", "nothing like a finding", "bad out", "too little memory",
    "drop no column", "drop of pixels",
]  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_bad_call_is_one_line_and_exit_code_2(name, tmp_path, capsys):
    calls = bad_calls(tmp_path)
    args, expected = calls[name]
    assert goodfit(*args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("goodfit: ")
    assert err.count("\n") == 1
    assert re.search(expected, err), err


def test_from_rows_to_predictions(tmp_path, capsys):
    rows = write(tmp_path / "rows.csv", ROWS)
    out = tmp_path / "out"
    assert (
        goodfit(
            "fit",
            rows,
            "--target",
            "label",
            "--out",
            out,
            "--seeds",
            "2",
            "--epochs",
            "3",
            "--treatments",
            "l2",
            "--json",
        )
        == 0
    )
    document, err = capsys.readouterr()
    study = json.loads(document)
    assert err == ""
    assert study["chosen"]["variant"] in {"base", "l2 0.001"}
    assert (out / "report.html").stat().st_size < 6e6
    assert goodfit("predict", out / "predictor", rows, "--out", tmp_path / "scored.csv") == 0
    scored = pl.read_csv(tmp_path / "scored.csv")
    assert scored.columns == ["text", "label", "prediction", "probability", "p(bad)", "p(good)"]
    assert np.allclose(scored["p(bad)"] + scored["p(good)"], 1)
    capsys.readouterr()
    assert goodfit("compare", out, "base", "l2 0.001", "--json") == 0
    (comparison,) = json.loads(capsys.readouterr().out)
    held = json.loads((out / "study.json").read_text())["variants"][1]["comparison"]
    assert comparison["effect"] == pytest.approx(held["effect"])
    assert goodfit("compare", out) == 0
    assert "l2 0.001" in capsys.readouterr().out
    assert goodfit("compare", out, "base", "l3") == 2
    assert "l2 0.001" in capsys.readouterr().err
    assert goodfit("report", out, "--out", tmp_path / "again.html") == 0
    assert (tmp_path / "again.html").exists()


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_says_how_to_go_on(times, tmp_path, capsys, monkeypatch):
    def interrupted(self, *args):
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("goodfit.cli.live.LiveView.progress", interrupted)
    rows = write(tmp_path / "rows.csv", ROWS)
    assert goodfit("fit", rows, "--target", "label", "--out", tmp_path / "out", "--seeds", "2") == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert [line[:17] for line in err.split("\n") if line] == ["goodfit: stopping", "goodfit: stopped;"]
    assert "the same command goes on" in err


BUSY = """
import hashlib, threading
from goodfit.cli.fit import _Stop
with _Stop() as stop:
    threading.Timer(1, print, ["training"], {"flush": True}).start()  # then the line below has begun
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # minutes in C, as an epoch is in C++
"""


def test_ctrl_c_is_heard_in_the_middle_of_a_long_epoch():
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", BUSY], **pipes) as process:
        try:
            assert process.stdout.readline() == "training\n"
            process.send_signal(signal.SIGINT)
            assert process.stderr.readline() == "\n"
            assert "stopping after this epoch" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            assert "the same command goes on" in process.stderr.readline()
            assert process.wait(timeout=60) == 130
        finally:
            process.kill()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("RESOURCE_EXHAUSTED: no")])
def test_too_little_memory_is_one_line(error, monkeypatch, capsys):
    monkeypatch.setattr(cli, "_run", lambda: raised(error))
    assert goodfit("fit") == 2
    assert re.fullmatch(r"goodfit: there is not enough memory\..*--memory.*\n", capsys.readouterr().err)
    monkeypatch.setattr(cli, "_run", lambda: raised(RuntimeError("a mistake of our own")))
    with pytest.raises(RuntimeError):
        cli.main()


def raised(error: Exception) -> int:
    raise error


def test_every_command_stands_in_the_readme():
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    missing = [name for name in COMMANDS if not re.search(rf"goodfit {name}\b|`{name}`", readme)]
    assert not missing


def test_times_and_amounts():
    assert [seconds(t) for t in ("90", "90s", "2m", "1.5h")] == [90, 90, 120, 5400]
    assert [size(t) for t in ("800MB", "4GB", "4g", "1024")] == [800 << 20, 4 << 30, 4 << 30, 1024]


def test_the_default_folder_is_never_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews").mkdir()
    assert str(default_folder("reviews")) == "reviews-study"
    assert str(default_folder("some/where/reviews.csv")) == "reviews"
    assert str(default_folder("digits")) == "digits"
    monkeypatch.chdir("reviews")
    assert str(default_folder(".")) == str(default_folder("../reviews")) == "reviews"
    assert str(default_folder("..")) == tmp_path.name
    for nothing in ("", " "):
        with pytest.raises(UsageError, match="DATA is empty"):
            default_folder(nothing)


def test_version(capsys):
    assert goodfit("--version") == 0
    assert re.fullmatch(r"goodfit \d+\.\d+\.\d+\n", capsys.readouterr().out)
