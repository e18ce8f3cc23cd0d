"""Comparisons made again from a finished study's files, for any pair of its variants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from goodfit.errors import StudyError, UsageError, near
from goodfit.study import statistics
from goodfit.study.comparison import Comparison
from goodfit.study.folder import JOURNAL, parse
from goodfit.study.runs import runs_of, score
from goodfit.train.lane import Trained
from goodfit.train.membership import Validation


def compared(folder: str | Path, study: dict[str, Any], base: str | None, other: str | None) -> list[Comparison]:
    """One variant against another, or against all, on validation accuracy at each one's own chosen epoch.

    Verdicts are after Holm's correction over all of the study's variants, whichever are asked for.

    Args:
        folder: The study's folder.
        study: What its `study.json` holds.
        base: A variant's name; None for the base.
        other: Another's; None for all.

    Raises:
        UsageError: An unknown variant, or one against itself.
        StudyError: The journal is missing, or is not the study's.
    """
    variants = {v["name"]: v for v in study["variants"]}
    base = base or "base"
    for name in (base, other):
        if name is not None and name not in variants:
            raise UsageError(f"there is no variant {name!r}", fix=near(name, variants))
    if base == other:
        raise UsageError("a variant cannot be compared with itself", received=repr(base))
    others = [other] if other else [name for name in variants if name != base]
    if not others:
        raise UsageError("the study has one variant only", expected="two", received=repr(base))
    journal = Path(folder) / JOURNAL
    if not journal.is_file():
        raise StudyError(f"{journal} is missing", expected="the study's journal")
    runs = runs_of(parse(journal.read_bytes().splitlines(), journal))
    try:
        scores = {
            name: np.asarray([_score(runs["search", name, s], v) for s in v["seeds"]]) for name, v in variants.items()
        }
    except KeyError:
        fix = "Start the study anew in another folder."
        raise StudyError(f"{journal} lacks runs that its study.json tells of", fix=fix) from None
    split = study["splits"]["train"], study["splits"]["validation"]
    found = statistics.compare_all(
        scores.pop(base),
        scores,
        base_name=base,
        metric="validation accuracy",
        resampled=Validation.parse(study["validation"]).resampled(split),
        rope=study["rope"],
    )
    return [found[name] for name in others]


def _score(event: dict[str, Any], variant: dict[str, Any]) -> float:
    run = Trained.from_dict(event["run"])
    return score(run, run.best_epoch if variant["recipe"]["patience"] is not None else variant["best_epoch"])
