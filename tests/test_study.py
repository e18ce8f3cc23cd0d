"""The study as a whole: what it leaves, that it looks at the test set once, and that it survives being killed."""

import json
import os
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from goodfit import data, job
from goodfit.errors import StudyError, UsageError
from goodfit.models.recipe import Recipe
from goodfit.predictor import Predictor
from goodfit.report import languages, page, terminal
from goodfit.report.source import Source
from goodfit.study import sentences, testing
from goodfit.study.again import compared
from goodfit.study.folder import Folder, read_study
from goodfit.study.options import Options
from goodfit.study.runs import score
from goodfit.study.study import Study
from goodfit.study.view import Silent
from goodfit.train.lane import Trained
from goodfit.train.loop import Stopped

RECIPE = Recipe(units=(8,), batch_size=32, epochs=5, learning_rate=0.02)
FIT = {"seeds": 6, "recipe": RECIPE, "treatments": ["dropout 0.5", "l2 0.01"]}
FILES = {"journal.jsonl", "study.json", "history.parquet", "report.html", "predictor", "weights"}


def table(rows: int = 300) -> pl.DataFrame:
    """Three classes told apart by two numbers and a category, with some noise and missing cells."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, rows)
    flip = np.where(rng.random(rows) < 0.1, rng.integers(0, 3, rows), y)
    number = flip + rng.normal(0, 0.6, rows)
    return pl.DataFrame(
        {
            "number": [None if rng.random() < 0.05 else float(v) for v in number],
            "noise": rng.normal(0, 100, rows),
            "kind": [["a", "b", "c"][(v + (rng.random() < 0.3)) % 3] for v in flip],
            "species": [["ash", "beech", "<cedar>"][v] for v in y],
        }
    )


def numbers(study: dict) -> dict:
    """What two runs of one study must have in common."""
    return {k: v for k, v in study.items() if k not in {"seconds", "created", "command"}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "out"
    return job.fit(table(), "species", out=out, **FIT), out


def test_it_leaves_what_the_contract_says(finished):
    study, out = finished
    assert {p.name for p in out.iterdir()} == FILES
    held = json.loads((out / "study.json").read_text())
    assert set(held) >= {"task", "classes", "rows", "baseline", "variants", "chosen", "test", "seconds"}
    assert held["classes"] == ["<cedar>", "ash", "beech"]
    assert [v["name"] for v in held["variants"]] == ["base", "dropout 0.5", "l2 0.01"]
    for variant in held["variants"]:
        assert {"name", "recipe", "seeds", "metrics", "delta", "verdict", "findings"} <= set(variant)
        assert variant["seeds"] == list(range(6))
        assert set(variant["metrics"]["val_accuracy"]) == {"mean", "low", "high"}
        assert Recipe.from_dict(variant["recipe"]).epochs == 5
    assert held["variants"][0]["delta"] is None
    assert set(held["variants"][1]["delta"]) == {"mean", "low", "high", "p"}
    assert held["test"]["looks"] == 1
    assert held["test"]["low"] < held["test"]["accuracy"] < held["test"]["high"]
    assert sum(map(sum, held["test"]["confusion"])) == held["splits"]["test"] == held["test"]["rows"]
    assert 0.6 < held["test"]["accuracy"] < 1
    curves = pl.read_parquet(out / "history.parquet")
    assert curves.filter(pl.col("stage") == "search").height == 3 * 6 * 5
    assert study["sentences"][0] == held["sentences"][0]


def test_the_curves_are_paired(finished):
    """Runs of one seed share split and initial weights: before dropout or L2 bite they are alike."""
    _, out = finished
    first = pl.read_parquet(out / "history.parquet").filter((pl.col("stage") == "search") & (pl.col("epoch") == 1))
    wide = first.pivot("variant", index="seed", values="val_loss")
    across = wide["base"].std()
    assert (wide["base"] - wide["l2 0.01"]).std() < 0.5 * across


def test_the_predictor_takes_raw_rows_and_gives_probabilities(finished):
    _, out = finished
    predictor = Predictor.load(out / "predictor")
    rows = table().drop("species").head(20)
    p = predictor.probabilities(rows)
    assert p.shape == (20, 3)
    assert np.allclose(p.sum(1), 1, atol=1e-12)
    assert (np.asarray(predictor.predict(rows)) == table()["species"].head(20).to_numpy()).mean() > 0.5
    strange = pl.DataFrame({"number": [None, 1e9], "noise": [0.0, None], "kind": ["never seen", None]})
    assert np.isfinite(predictor.probabilities(strange)).all()
    assert predictor.table(strange).columns[-5:] == ["prediction", "probability", "p(<cedar>)", "p(ash)", "p(beech)"]
    assert Predictor.load(out).classes == predictor.classes  # the study's folder does too


def test_the_model_inside_needs_no_goodfit(finished):
    _, out = finished
    code = (
        "import sys, keras, numpy as np\n"
        "m = keras.saving.load_model(sys.argv[1])\n"
        "assert m.predict_on_batch(np.zeros((2, *m.input_shape[1:]), 'float32')).shape == (2, 3)\n"
        "assert m.optimizer is not None and m.loss is not None\n"
        "assert not any(name.startswith('goodfit') for name in sys.modules)\n"
    )
    model = str(out / "predictor" / "model.keras")
    done = subprocess.run([sys.executable, "-c", code, model], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_test_set_is_read_once_and_every_look_is_written_down(tmp_path, monkeypatch):
    dataset = data.load(table(), "species")
    asked = []
    real = type(dataset).select

    def select(self, which):
        rows = np.flatnonzero(which) if np.asarray(which).dtype == bool else np.asarray(which)
        asked.append(int(self.test[rows].sum()))
        return real(self, which)

    monkeypatch.setattr(type(dataset), "select", select)
    looks = []
    look = testing.look
    monkeypatch.setattr(testing, "look", lambda *args: looks.append(1) or look(*args))
    options = Options(seeds=2, recipe=RECIPE.but(epochs=2), treatments=("l2",))
    for _ in range(2):  # the second time all is done already
        study = Study(dataset, tmp_path / "out", options)
        result = study.run()
        assert result["test"]["looks"] == 1
    assert sorted(asked)[-1] == dataset.test.sum()
    assert sum(n > 0 for n in asked) == 1
    assert len(looks) == 1
    journal = [json.loads(line) for line in (tmp_path / "out" / "journal.jsonl").read_text().splitlines()]
    assert [e["event"] for e in journal if e["event"] in {"look", "test"}] == ["look", "test"]


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


@pytest.mark.parametrize("event", ["decided", "run", "run in the middle", "look", "test"])
def test_a_study_killed_at_any_moment_resumes_to_the_same_numbers(event, finished, tmp_path, monkeypatch):
    whole, _ = finished
    append = Folder.append
    seen = []

    def append_and_die(self, *events):
        append(self, *events)
        seen.extend(e["event"] for e in events)
        if event.split()[0] in seen and (event != "run in the middle" or seen.count("run") > 20):
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "append", append_and_die)
        with pytest.raises(Killed):
            job.fit(table(), "species", out=tmp_path / "out", **FIT)
    with (tmp_path / "out" / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"event": "run", "torn')  # what a kill in the middle of a write leaves
    again = job.fit(table(), "species", out=tmp_path / "out", **FIT)
    if event == "look":  # killed while it looked: it had to look again, and says so
        assert again["test"].pop("looks") == 2
        assert "looked at 2 times" in again["sentences"].pop()
        whole = {**whole, "test": {**whole["test"]}, "sentences": whole["sentences"][:-1]}
        del whole["test"]["looks"]
    assert numbers(again) == numbers(whole)


def test_ctrl_c_keeps_the_finished_epochs(finished, tmp_path):
    whole, _ = finished
    epochs = []

    class Counting:
        def stage(self, text):
            pass

        def progress(self, stage, progress):
            epochs.append((stage, progress.epoch))

    with pytest.raises(Stopped):
        job.fit(table(), "species", out=tmp_path / "out", **FIT, view=Counting(), stop=lambda: len(epochs) == 3)
    assert epochs[-1] == ("search", 3)
    again = job.fit(table(), "species", out=tmp_path / "out", **FIT, view=Counting())
    assert epochs[3] == ("search", 4)
    assert numbers(again) == numbers(whole)


def test_a_column_that_is_the_target_is_told_first_and_can_be_left_out(tmp_path):
    rows = table().with_columns(pl.col("species").alias("label again"))
    told = []

    class Listening(Silent):
        def stage(self, text):
            told.append(text)

    study = job.fit(rows, "species", out=tmp_path / "out", **FIT, view=Listening())
    assert told[0] == study["sentences"][0]
    assert [text.split()[0] for text in told[1:4]] == ["Encoding", "Training", "Trying"]
    assert "'label again'" in told[0]
    assert "--drop 'label again'" in told[0]
    assert "no result means anything" in told[0]
    without = job.fit(rows, "species", out=tmp_path / "without", drop=["label again"], **FIT)
    assert without["leaks"] == []
    assert without["features"] < study["features"]
    assert without["sentences"][0].startswith("The base network")


def test_a_kill_from_outside(finished, tmp_path):
    """`kill -9` in another process, as soon as there is something to lose."""
    whole, _ = finished
    source = tmp_path / "rows.parquet"
    table().write_parquet(source)
    code = (
        "import os, sys\n"
        "from goodfit import job\n"
        "from goodfit.models.recipe import Recipe\n"
        f"recipe = Recipe(**{RECIPE.to_dict()!r})\n"
        "class Die:\n"
        "    def stage(self, text): pass\n"
        "    def progress(self, stage, p):\n"
        "        if stage == 'search' and p.lanes[0].variant != 'base': os.kill(os.getpid(), 9)\n"
        f"job.fit({str(source)!r}, 'species', out={str(tmp_path / 'out')!r}, seeds=6, recipe=recipe,\n"
        f"        treatments={FIT['treatments']!r}, view=Die())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ}, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    again = job.fit(str(source), "species", out=tmp_path / "out", **FIT)
    for key in ("variants", "chosen", "fresh", "test"):
        assert again[key] == whole[key]


PHRASES = [f"{'good' if i % 2 else 'bad'} film number {i}" for i in range(40)]
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 6, 6), dtype=np.uint8)


@pytest.mark.parametrize(
    ("x", "first", "then"),
    [
        (IMAGES, {"image_size": (4, 4)}, {"image_size": (4, 4)}),
        (IMAGES, {"image_size": (4, 4)}, {"image_size": [4, 4]}),
        (PHRASES, {"encoder": {"ngram_range": (1, 2)}}, {"encoder": {"ngram_range": (1, 2)}}),
        (PHRASES, {"encoder": {"ngram_range": [1, 2]}}, {"encoder": {"ngram_range": (1, 2)}}),
    ],
    ids=["size", "size as a list", "n-grams", "n-grams as a list"],
)
def test_options_of_several_numbers_resume(x, first, then, tmp_path, killed):
    fit = {"seeds": 2, "epochs": 1, "treatments": ["l2"], "base": {"units": (4,)}, "out": tmp_path / "out"}
    y = [0, 1] * (len(x) // 2)
    with killed(1):
        job.fit((x, y), **fit, **first)
    assert job.fit((x, y), **fit, **then)["chosen"]


def test_a_folder_that_holds_something_else_is_refused(finished, tmp_path):
    _, out = finished
    with pytest.raises(StudyError, match=r"holds another study.*seeds 6 there, 7 here"):
        job.fit(table(), "species", out=out, **{**FIT, "seeds": 7})
    with pytest.raises(StudyError, match=r"holds another study.*other data"):
        job.fit(table(200), "species", out=out, **FIT)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StudyError, match=r"not empty and holds no study.*notes\.txt"):
        job.fit(table(), "species", out=tmp_path, **FIT)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    with pytest.raises(StudyError, match="is a file"):
        job.fit(table(), "species", out=tmp_path / "notes.txt", **FIT)


def test_two_processes_do_not_share_a_folder(tmp_path):
    first = Folder(tmp_path / "out", {"a": 1})
    with pytest.raises(StudyError, match="in use"):
        Folder(tmp_path / "out", {"a": 1})
    first.close()
    Folder(tmp_path / "out", {"a": 1}).close()


def test_a_study_lets_go_of_its_folder_when_it_ends(tmp_path):
    dataset, options = data.load(table(), "species"), Options(seeds=2, recipe=RECIPE.but(epochs=1), treatments=())
    stopped = Study(dataset, tmp_path / "out", options, stop=lambda: True)
    with pytest.raises(Stopped):
        stopped.run()
    first = Study(dataset, tmp_path / "out", options)
    whole = first.run()
    stopped.stop = lambda: False  # the same object takes the folder again, with what another did in it
    assert numbers(stopped.run()) == numbers(first.run()) == numbers(whole)
    Study(dataset, tmp_path / "out", options).folder.close()


def test_a_full_disk_is_told_in_one_line_and_loses_nothing(tmp_path):
    """On /dev/full every write fails as on a full disk."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    folder = Folder(tmp_path / "out", {"a": 1})
    folder.append({"event": "run", "n": 1})
    folder._file.close()
    folder._file = open("/dev/full", "ab", buffering=0)  # noqa: SIM115
    with pytest.raises(StudyError, match=r"the disk is full.*goes on where it was"):
        folder.append({"event": "run", "n": 2})
    folder.close()
    again = Folder(tmp_path / "out", {"a": 1})
    assert [e["event"] for e in again.events] == ["study", "run"]
    again.close()


def test_a_treatment_that_changes_nothing_is_an_error(tmp_path):
    with pytest.raises(UsageError, match=r"would change nothing.*Leave it out, or try 'dropout 0.7'"):
        job.fit(table(), "species", out=tmp_path / "out", **{**FIT, "recipe": RECIPE.but(dropout=0.5)})
    linear = {**FIT, "recipe": RECIPE.but(units=())}
    with pytest.raises(UsageError, match=r"would change nothing.*Leave it out\.$"):
        job.fit(table(), "species", out=tmp_path / "linear", **linear)
    with pytest.raises(UsageError, match="dropout"):
        job.fit(table(), "species", out=tmp_path / "two", **{**FIT, "treatments": ["dropuot"]})


def test_a_mistake_does_not_spoil_the_folder(tmp_path):
    """What only began, with an option that was wrong, gives way to the corrected command."""
    Folder(tmp_path / "out", {"words": 5}).close()
    folder = Folder(tmp_path / "out", {"words": 6})
    folder.append({"event": "run"})
    folder.close()
    with pytest.raises(StudyError, match="holds another study"):
        Folder(tmp_path / "out", {"words": 5})


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("better", "points better"),
        ("equivalent", "as well"),
        ("worse", "keep the base"),
        ("undecided", "not established"),
    ],
)
def test_the_headline_says_what_fresh_seeds_say(verdict, said, finished):
    study, _ = finished
    chosen = {**study["chosen"], "variant": "l2 0.01"}
    comparison = {"verdict": verdict, "effect": 0.01}
    assert (
        said
        in sentences.verdict({**study, "chosen": chosen, "fresh": {"comparison": {**comparison, "message": ""}}})[0]
    )


def headline(study: dict, findings: list[tuple], epochs: int, asked: int = 15, others: bool = True) -> str:
    """Of a study that chose the base with so many epochs; findings as code, severity, epoch."""
    base, *rest = study["variants"]
    found = [{"code": c, "severity": s, "epoch": e, "message": "", "evidence": {}} for c, s, e in findings]
    base = {**base, "recipe": {**base["recipe"], "epochs": asked}, "findings": found}
    chosen = {**study["chosen"], "variant": "base", "epochs": epochs}
    return sentences.verdict({**study, "variants": [base, *rest] if others else [base], "chosen": chosen})[0]


@pytest.mark.parametrize(
    ("findings", "epochs", "said"),
    [
        ([], 14, "shows nothing wrong; nothing * beat* it, but it should train 14 epochs, not 15."),
        ([("underfitting", "error", 1)], 1, "underfits from epoch 1; nothing * beat* it."),
        ([("diverged", "error", 1)], 1, "diverges from epoch 1; nothing * beat* it."),
        (
            [("too_few_epochs", "info", 15)], 14,
            "shows nothing wrong, but its validation loss was still falling after 15 epochs; nothing * beat* it.",
        ),
        ([("too_few_epochs", "warning", 15)], 14, "is trained too short; nothing * beat* it."),
        ([("overfitting", "warning", 5)], 5, "overfits from epoch 5; nothing * it should train 5 epochs, not 15."),
    ],
)  # fmt: skip
def test_the_headline_does_not_contradict_the_findings(findings, epochs, said, finished):
    assert fnmatch(headline(finished[0], findings, epochs), f"The base network {said}")


def test_a_study_without_treatments_says_so_once(finished):
    study = finished[0]
    assert headline(study, [], 15, others=False).endswith("; no treatment was tried, so it stays as it is.")
    assert headline(study, [], 4, others=False).endswith(
        "; no treatment was tried, but it should train 4 epochs, not 15."
    )
    assert not [s for s in sentences.verdict({**study, "variants": study["variants"][:1]}) if "No treatment" in s]


@pytest.mark.parametrize(("epochs", "patience", "same"), [(15, None, True), (14, None, False), (7, 3, True)])
def test_the_base_is_not_compared_with_itself(epochs, patience, same, finished):
    base, *others = finished[0]["variants"]
    recipe = {**base["recipe"], "epochs": 15, "patience": patience}
    chosen = {**finished[0]["chosen"], "variant": "base", "epochs": epochs}
    chosen["recipe"] = {**recipe, "epochs": epochs, "patience": None}
    study = {**finished[0], "variants": [{**base, "recipe": recipe}, *others], "chosen": chosen}
    told = next(s for s in sentences.verdict(study) if s.startswith("Test accuracy"))
    assert ("the untreated base" not in told) is same
    assert told.endswith(").")
    assert ("McNemar" not in page.render(Source({**study, "sentences": []}), languages.get("en"))) is same


def test_a_study_of_few_seeds_says_that_they_establish_nothing(finished):
    study, _ = finished
    base, *others = study["variants"]
    for seeds, few in ((2, True), (6, False)):
        told = sentences.verdict({**study, "variants": [{**base, "seeds": list(range(seeds))}, *others]})
        assert any(s.startswith(f"{seeds} paired seeds establish nothing") for s in told) is few


def test_a_run_that_diverged_scores_nothing():
    curves = {"val_accuracy": np.asarray([0.9, 0.8]), "val_loss": np.asarray([0.5, np.nan]), "loss": np.zeros(2)}
    assert np.isnan(score(Trained("v", 0, curves, 1), 1))
    curves["val_loss"] = np.asarray([0.5, 0.6])
    assert score(Trained("v", 0, curves, 1), 1) == 0.9
    assert np.isnan(score(Trained("v", 0, curves, 1), 3))


def test_a_run_trained_twice_counts_once(finished, tmp_path):
    """A kill may tear a chunk's lines apart: its runs are then trained, and written, again."""
    study, out = finished
    copy = tmp_path / "copy"
    copy.mkdir()
    lines = (out / "journal.jsonl").read_bytes().splitlines(keepends=True)
    runs = [line for line in lines if b'"event": "run"' in line]
    (copy / "journal.jsonl").write_bytes(b"".join([lines[0], *runs[:3], *lines[1:]]))
    again = compared(copy, study, "base", None)
    held = [v["comparison"] for v in study["variants"][1:]]
    assert [c.effect for c in again] == [pytest.approx(c["effect"]) for c in held]
    assert [c.verdict for c in again] == [c["verdict"] for c in held]
    one = compared(copy, study, "base", "l2 0.01")  # corrected for all that were tried, as in the study
    assert one[0].p_holm == pytest.approx(held[1]["p_holm"])


@pytest.mark.parametrize("way", ["kfold:3", "fixed:0.3"])
def test_a_study_validates_as_it_is_asked_to(way, tmp_path):
    """Folds part the rows and carry the correction for overlap; one split for all seeds carries none, and says so."""
    out = tmp_path / "out"
    study = job.fit(table(120), "species", out=out, **{**FIT, "treatments": ["l2 0.01"]}, validation=way)
    found = study["variants"][1]["comparison"]
    rows = [study["splits"]["train"], study["splits"]["validation"]]
    assert study["validation"] == way
    fold = way.startswith("kfold")
    assert rows[1] == pytest.approx(sum(rows) / 3 if fold else 0.3 * sum(rows), abs=2)
    assert (found["split"], found["resampled"]) == (("resampled", rows) if fold else ("fixed", None))
    assert ("each with its own split" if fold else "all on one split") in found["message"]
    said = "each seed validates on one of 3 folds" if fold else "all seeds validate on the same 30 %"
    assert said in " ".join(study["sentences"])
    again = compared(out, study, "base", None)[0]
    assert (again.split, again.p) == (found["split"], pytest.approx(found["p"]))
    assert study["fresh"] is None or study["fresh"]["comparison"]["split"] == found["split"]
    page = (out / "report.html").read_text()
    assert ("3 folds" if fold else "share one split") in page


def test_a_way_to_validate_that_means_nothing_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"holdout, kfold:5, fixed"):
        job.fit(table(), "species", out=tmp_path / "out", **FIT, validation="loo")


@pytest.mark.parametrize("content", [None, b"", b"half"])
def test_weights_that_are_lost_are_trained_again(content, finished, tmp_path):
    study, out = finished
    again = shutil.copytree(out, tmp_path / "again")
    held = again / "weights" / "chosen.npz"
    whole = np.load(out / "weights" / "chosen.npz")
    if content is None:
        held.unlink()
    else:
        held.write_bytes(held.read_bytes()[:-40] if content else content)
    assert numbers(job.fit(table(), "species", out=again, **FIT)) == numbers(study)
    new = np.load(held)
    for name in whole.files:
        np.testing.assert_allclose(new[name], whole[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("journal", "says"),
    [
        (lambda lines: lines[:1], "lacks runs that its study.json tells of"),
        (lambda lines: [*lines, b'{"event": "run"}'], r"damaged in line \d+.*a run without 'run'"),
    ],
)
def test_a_journal_that_is_not_the_studys_is_told(journal, says, finished, tmp_path):
    study, out = finished
    other = shutil.copytree(out, tmp_path / "other")
    lines = (out / "journal.jsonl").read_bytes().splitlines()
    (other / "journal.jsonl").write_bytes(b"\n".join(journal(lines)) + b"\n")
    with pytest.raises(StudyError, match=says):
        compared(other, study, None, None)


@pytest.mark.parametrize("content", ["[]", '{"variants": 3}', '{"variants": [3]}', "[" * 100_000, "{"])
def test_a_study_json_that_is_none_is_told(content, tmp_path):
    (tmp_path / "study.json").write_text(content)
    with pytest.raises(StudyError, match="damaged"):
        read_study(tmp_path)
    if content != '{"variants": [3]}':  # the report leaves out what is no variant
        with pytest.raises(StudyError, match=r"study\.json"):
            Source.read(tmp_path)


def test_a_base_that_diverges_is_studied_to_the_end(tmp_path):
    options = {"seeds": 2, "recipe": RECIPE.but(learning_rate=1e38, epochs=1), "treatments": ["l2"]}
    study = job.fit(table(100), "species", out=tmp_path / "out", **options)
    assert study["test"]["loss"] is None
    assert "diverged" in {f["code"] for f in study["variants"][0]["findings"]}
    assert study["variants"][1]["verdict"] == "diverged"
    assert study["chosen"]["variant"] == "base"
    assert "All runs of every variant diverged, so 'base' stays." in study["sentences"]


@pytest.mark.parametrize("seeds", [2, 6])
def test_a_treatment_that_diverges_is_told_and_rejected(seeds, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "goodfit.treat.higher_learning_rate.HigherLearningRate.apply", lambda self, r: r.but(learning_rate=1e38)
    )
    options = {"seeds": seeds, "recipe": RECIPE.but(epochs=2), "treatments": ["higher_learning_rate", "l2"]}
    study = job.fit(table(100), "species", out=tmp_path / "out", **options)
    name = study["variants"][1]["name"]
    assert study["variants"][1]["verdict"] == "diverged"
    assert study["variants"][1]["comparison"]["diverged"] == [0, seeds]
    assert study["chosen"]["variant"] != name
    assert f"Diverged, and rejected: '{name}' ({seeds} of {seeds} runs)." in study["sentences"]
    terminal.summary(study)
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith(name[:12]) and "runs" in x)
    assert f"{seeds} of {seeds} runs" in line
    assert line.rstrip().endswith("diverged")
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"{seeds} of {seeds} runs diverged" in page


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b'"val_loss"', b'"validation_loss"', "no curve 'val_loss'"),
        (b'"curves"', b'"lines"', "a run without 'curves'"),
        (b'"best_epoch": ', b'"best_epoch": 9', r"curves of 5 epochs, the best 9\d"),
        (b'"val_loss": [', b'"val_loss": [0.5, ', "curves of 5 and 6 epochs"),
        (b'"val_loss": [', b'"val_loss": ["x", ', "could not convert string to float"),
    ],
)
def test_a_run_without_its_curves_is_told_and_can_be_trained_again(old, new, says, finished, tmp_path):
    study, out = finished
    other = shutil.copytree(out, tmp_path / "other")
    lines = (out / "journal.jsonl").read_bytes().splitlines()
    number = next(i for i, line in enumerate(lines) if b'"event": "run"' in line)
    damaged = [line.replace(old, new) if i == number else line for i, line in enumerate(lines)]
    (other / "journal.jsonl").write_bytes(b"\n".join(damaged) + b"\n")
    with pytest.raises(StudyError, match=rf"damaged in line {number + 1};.*{says}.*trains their runs again"):
        job.fit(table(), "species", out=other, **FIT)
    (other / "journal.jsonl").write_bytes(b"\n".join(lines[:number] + lines[number + 1 :]) + b"\n")
    assert numbers(job.fit(table(), "species", out=other, **FIT)) == numbers(study)


def test_what_still_improved_at_its_end_is_said_to(tmp_path):
    """Half of all units left out: it learns more slowly, and is judged at as many epochs as the base."""
    short = {**FIT, "recipe": RECIPE.but(learning_rate=0.005, epochs=6), "treatments": ["dropout 0.5"]}
    study = job.fit(table(), "species", out=tmp_path / "out", **short)
    assert [v["still_improving"] for v in study["variants"]] == [True, True]
    said = "still improving when their 6 epochs ended; more epochs could change this (--epochs 16, say)."
    assert f"'base' and 'dropout 0.5' were {said}" in study["sentences"]
    assert ">more epochs could change this</small>" in (tmp_path / "out" / "report.html").read_text()
    base, other = study["variants"]
    longer = {**other, "name": "more_epochs 20", "recipe": {**other["recipe"], "epochs": 20}, "still_improving": False}
    for variants, who in (
        ([base], "'base' was still improving when its 6"),
        ([base, other, longer], "'dropout 0.5' was still improving when its 6"),
        ([base, other, {**other, "name": "l2"}], "'base', 'dropout 0.5' and 'l2' were still improving when their 6"),
    ):
        told = sentences.verdict({**study, "variants": variants})
        assert [s.startswith(who) for s in told if "improving" in s] == [True]
    once = {**base, "recipe": {**base["recipe"], "epochs": 1}}
    assert any("when its 1 epoch ended" in s for s in sentences.verdict({**study, "variants": [once]}))


def test_one_epoch_is_one(tmp_path):
    options = Options(seeds=2, recipe=RECIPE.but(epochs=1), treatments=("l2",))
    study = Study(data.load(table(), "species"), tmp_path / "out", options)
    found = study.fresh("l2 0.001", study.base.but(l2=0.001))
    study.folder.close()
    assert (found["base"], found["other"]) == ("base, 1 epoch", "l2 0.001, 1 epoch")
