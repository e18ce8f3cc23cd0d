"""The time that a study has and takes: what is left, and what a budget cuts."""

import json
import time
from types import SimpleNamespace

import pytest

from goodfit import data, job
from goodfit.study import sentences
from goodfit.study.options import Options
from goodfit.study.study import Study
from goodfit.study.view import Silent
from goodfit.train.loop import Stopped
from goodfit.train.pace import Pace
from test_study import FIT, RECIPE, table


def test_the_time_left_is_that_of_the_whole_study(tmp_path, monkeypatch):
    """Where a run's epoch takes a second: of base, two treatments, base and choice on fresh seeds, and the refit."""
    monkeypatch.setattr(Pace, "epoch", lambda self, part, size=None: float(size or part.size))
    monkeypatch.setattr(Pace, "compilation", lambda self, part, size=None: 0.0)
    left = []

    class Asking(Silent):
        def progress(self, stage, progress):
            left.append((stage, progress.epoch, progress.seconds_in_all))

    job.fit(table(), "species", out=tmp_path / "out", **FIT, view=Asking())
    assert left[0] == ("search", 1, 6 * 4 + 2 * 6 * 5 + 2 * 6 * 5 + 2 * 5)
    assert left[-1][::2] == ("refit", 0)
    seconds = [s for *_, s in left]
    assert seconds == sorted(seconds, reverse=True)
    del left[:]
    job.fit(table(), "species", out=tmp_path / "none", **{**FIT, "treatments": []}, view=Asking())
    assert left[0] == ("search", 1, 6 * 4 + 2 * 6 * 5 + 2 * 5)


def test_a_budget_tells_no_less_time_than_is_needed_in_any_case(tmp_path, monkeypatch):
    monkeypatch.setattr(Pace, "epoch", lambda self, part, size=None: float(size or part.size))
    monkeypatch.setattr(Pace, "compilation", lambda self, part, size=None: 0.0)
    left, told = [], []

    class Asking(Silent):
        def stage(self, text):
            told.append(text)

        def progress(self, stage, progress):
            left.append((stage, progress.seconds_in_all))

    fit = {**FIT, "seeds": 7, "view": Asking()}
    job.fit(table(), "species", out=tmp_path / "less", **fit, budget=9.0)
    assert left[0] == ("search", 6 * 4 + 6 * 5 + 2 * 6 * 5 + 2 * 5)
    assert left[-1] == ("refit", 0)
    assert "Training the base network with 6 seeds; the budget decides on more" in told
    assert [s for s in told if "enough" in s] == [
        "9 s is not enough: about 2 min are needed for 6 seeds and one treatment; fewer --epochs take less."
    ]
    del told[:]
    job.fit(table(), "species", out=tmp_path / "more", **fit, budget=3600.0)
    assert "Training the base network with 1 more seed" in told
    assert not [s for s in told if "enough" in s]
    del told[:]
    job.fit(table(), "species", out=tmp_path / "more", **fit, budget=3600.0)
    assert not [s for s in told if "decides" in s]


def test_a_budget_that_is_not_enough_says_what_takes_less():
    said = sentences.beyond(240, 1020, 6, treated=False, images=True)
    assert said.startswith("4 min is not enough: about 17 min are needed for 6 seeds; fewer --epochs, or a smaller")
    assert "about 2.5 h" in sentences.beyond(240, 9000, 1, treated=True, images=False)


def test_a_budget_cuts_seeds_and_treatments(tmp_path):
    study = job.fit(table(), "species", out=tmp_path / "out", seeds=29, recipe=RECIPE, budget=0.1)
    assert len(study["variants"][0]["seeds"]) == 6
    assert len(study["variants"]) == 2
    journal = [json.loads(line) for line in (tmp_path / "out" / "journal.jsonl").read_text().splitlines()]
    runs = [(e["stage"], e["run"]["variant"], e["run"]["seed"]) for e in journal if e["event"] == "run"]
    assert len(runs) == len(set(runs))  # nothing was trained twice


def seeds_of(out, monkeypatch, stop_at: int | None = None) -> int:
    """How many seeds a budget of 50 leaves where an epoch takes a second, five in all, stopped after so many."""
    now = [0.0]

    class Ticking(Silent):
        def progress(self, stage, progress):
            now[0] += 1

    clock = SimpleNamespace(perf_counter=lambda: now[0], strftime=time.strftime)
    monkeypatch.setattr("goodfit.study.study.time", clock)
    options = Options(seeds=29, recipe=RECIPE, treatments=(), budget=50.0)
    study = Study(data.load(table(), "species"), out, options, view=Ticking(), stop=lambda: now[0] == stop_at)
    try:
        study.search_base()
        return len(study.seeds)
    finally:
        study.folder.close()


def test_a_study_that_is_resumed_has_no_more_time(tmp_path, monkeypatch, killed):
    assert seeds_of(tmp_path / "whole", monkeypatch) == 12
    for after in (1, 4):
        with pytest.raises(Stopped):
            seeds_of(tmp_path / str(after), monkeypatch, stop_at=after)
        assert seeds_of(tmp_path / str(after), monkeypatch) == 12
    with killed(0):
        seeds_of(tmp_path / "known", monkeypatch)
    assert seeds_of(tmp_path / "known", monkeypatch) == 12


def test_a_journal_that_does_not_say_when_training_began_is_read(tmp_path, monkeypatch, killed):
    with killed(0):
        seeds_of(tmp_path, monkeypatch)
    journal = tmp_path / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if "began" not in line))
    assert seeds_of(tmp_path, monkeypatch) == 12
