"""The time that a study has and takes: what is left, and what a budget cuts."""

import json

from goodfit import job
from goodfit.study import sentences
from goodfit.study.view import Silent
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
