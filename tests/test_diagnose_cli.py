"""`goodfit diagnose` and `goodfit explain`: what scripts rely on."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from goodfit import cli, diagnose
from goodfit.diagnose import CODES
from goodfit.diagnose.catalogue import CATALOGUE, SEEN_IN, markdown
from goodfit.diagnose.remedies import REMEDIES
from goodfit.errors import UsageError

HERE = Path(__file__).parent
REAL = json.loads((HERE / "data" / "curves.json").read_text())


@pytest.fixture
def goodfit(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["goodfit", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out = capsys.readouterr()
        return stopped.value.code, out.out, out.err

    return run


@pytest.fixture
def log(tmp_path):
    def write(name="imdb_20", file="history.json"):
        path = tmp_path / file
        path.write_text(json.dumps(REAL[name][0]))
        return path

    return write


def test_json_is_one_document_of_the_agreed_shape(goodfit, log):
    code, out, err = goodfit("diagnose", log(), "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert list(document) == ["runs"]
    (run,) = document["runs"]
    assert list(run) == ["source", "epochs", "best_epoch", "status", "findings"]
    assert (run["epochs"], run["best_epoch"], run["status"]) == (20, 5, "overfitting")
    finding = run["findings"][0]
    assert list(finding) == ["code", "severity", "epoch", "confidence", "evidence", "message", "remedies"]
    assert finding["code"] == "overfitting"
    assert 0 <= finding["confidence"] <= 1
    assert set(finding["remedies"]) <= set(REMEDIES)


def test_json_of_a_run_that_broke_is_valid_json(goodfit, tmp_path):
    path = tmp_path / "log.json"
    path.write_text('{"loss": [1, NaN, NaN], "val_loss": [Infinity, NaN, NaN]}')
    code, out, _ = goodfit("diagnose", path, "--json")
    assert code == 0
    assert json.loads(out, parse_constant=lambda c: pytest.fail(f"{c} is no JSON"))["runs"][0]["status"] == "diverged"


@pytest.mark.parametrize(
    ("name", "fail_on", "code"),
    [
        ("imdb_20", "", 0),
        ("imdb_20", "overfitting", 1),
        ("imdb_20", "underfitting,overfitting", 1),
        ("imdb_20", "underfitting", 0),
        ("imdb_20", "too_many_epochs", 0),  # it is info only
        ("imdb_20", "warning", 1),
        ("imdb_20", "error", 0),
        ("imdb_lr_1", "error", 1),
        ("imdb_lr_1", "warning", 1),
        ("imdb_4", "warning,error", 0),
    ],
)
def test_fail_on(goodfit, log, name, fail_on, code):
    assert goodfit("diagnose", log(name), "--fail-on", fail_on)[0] == code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.csv"], "there is no such log"),
        ([], "LOG"),
        (["LOG", "--what"], "--what"),
        (["LOG", "--fail-on", "overfiting"], "Did you mean 'overfitting'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(goodfit, log, arguments, said):
    code, out, err = goodfit("diagnose", *[log() if a == "LOG" else a for a in arguments])
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("goodfit: ")
    assert said in err


def test_one_unreadable_log_does_not_silence_the_others(goodfit, log, tmp_path):
    code, out, err = goodfit("diagnose", tmp_path / "missing.csv", log())
    assert code == 2
    assert "overfitting" in out
    assert err.count("\n") == 1


def test_seeds_given_as_files_are_judged_together(goodfit, tmp_path):
    paths = []
    for seed, run in enumerate(REAL["imdb_20"]):
        paths.append(tmp_path / f"seed_{seed}.json")
        paths[-1].write_text(json.dumps(run))
    _, out, _ = goodfit("diagnose", *paths, "--json")
    (run,) = json.loads(out)["runs"]
    assert run["findings"][0]["evidence"]["runs"] == 3


def test_text_says_what_is_wrong_and_plot_draws_it(goodfit, log):
    path = log()
    _, out, _ = goodfit("diagnose", path)
    assert out.startswith(f"{path}: overfitting (20 epochs, best epoch 5)")
    assert "try: early stopping, dropout" in out
    _, drawn, _ = goodfit("diagnose", path, "--plot")
    assert "o val_loss" in drawn
    assert max(map(len, drawn.splitlines())) <= max(100, len(str(path)) + 60)
    _, healthy, _ = goodfit("diagnose", log("imdb_4"))
    assert ": healthy (4 epochs" in healthy


def test_what_holds_no_curves_is_refused_in_one_line():
    with pytest.raises(UsageError, match="these are no curves"):
        diagnose("history.json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"loss": [0.7]}', "(1 epoch, best epoch 1)"),
        ('{"accuracy": [0.5, 0.7]}', "(2 epochs, best epoch 2)"),
        ('{"loss": [NaN, NaN]}', "(2 epochs)"),
    ],
)
def test_the_first_line_counts_epochs_and_leaves_out_a_best_that_there_is_not(goodfit, tmp_path, content, said):
    (tmp_path / "h.json").write_text(content)
    assert goodfit("diagnose", tmp_path / "h.json")[1].splitlines()[0].endswith(said)


def test_one_epoch_is_said_to_be_too_short(goodfit, tmp_path):
    path, short = tmp_path / "h.json", "  note: one epoch is too short to judge a training by."
    path.write_text('{"loss": [0.7], "val_loss": [0.6]}')
    assert short in goodfit("diagnose", path)[1].splitlines()
    assert json.loads(goodfit("diagnose", path, "--json")[1])["runs"][0]["status"] == "healthy"
    for judged in ('{"loss": [0.7, 0.6]}', '{"loss": [NaN]}'):
        path.write_text(judged)
        assert short not in goodfit("diagnose", path)[1]


@pytest.mark.parametrize(
    "content", ['{"loss": [1, 1, 1]}', '{"val_accuracy": [0.5, 0.6]}', '{"loss": [NaN, NaN]}', '{"loss": [0.5]}']
)
def test_plot_of_poor_curves(goodfit, tmp_path, content):
    (tmp_path / "h.json").write_text(content)
    assert goodfit("diagnose", tmp_path / "h.json", "--plot")[0] == 0


def test_reading_a_log_loads_no_framework(log):
    code = (
        "import sys; from goodfit.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = ('keras', 'jax', 'polars', 'scipy', 'sklearn', 'plotly', 'rich', 'typer', 'numpy.ma')\n"
        "print(*[m for m in heavy if m in sys.modules])"
    )
    path = [p for p in sys.path if p]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}", "diagnose", str(log()), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[1:] == [""]


def test_explain(goodfit):
    for name in CODES:
        code, out, _ = goodfit("explain", name)
        assert code == 0
        assert out.startswith(name)
        assert {"Evidence:", "What to do:", "Silent when:"} <= set(re.findall(r"^[A-Z][a-z ]+:", out, re.M))
    _, listed, _ = goodfit("explain")
    assert [line.split()[0] for line in listed.splitlines() if line[0] != " "] == CODES
    code, _, err = goodfit("explain", "overfiting")
    assert code == 2
    assert "Did you mean 'overfitting'" in err


def test_the_table_of_findings_is_complete_and_in_the_docs():
    assert list(CATALOGUE) == list(CODES)
    assert {e.seen_in for e in CATALOGUE.values()} == set(SEEN_IN)
    page = HERE.parent / "docs" / "findings.md"
    assert page.read_text() == markdown(), "run scripts/findings_docs.py"
    pictures = {p.stem: p for p in (page.parent / "findings").glob("*.svg")}
    assert set(pictures) == set(CODES), "run scripts/findings_pictures.py"
    assert all(p.stat().st_size < 8_000 and "<polyline" in p.read_text() for p in pictures.values())


def test_the_table_of_thresholds_is_up_to_date():
    script = HERE.parent / "scripts" / "thresholds_docs.py"
    assert subprocess.run([sys.executable, script, "--check"], check=False).returncode == 0, f"run {script}"
