"""Finished runs in a journal, and what one scores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from goodfit.errors import StudyError, first_line
from goodfit.train.lane import CURVES, Trained

Key = tuple[str, str, int]
"""Stage, variant, seed."""


def runs_of(events: Iterable[dict[str, Any]]) -> dict[Key, dict[str, Any]]:
    """The journal's events of finished runs; where one was trained again (a kill tore its chunk) the last counts.

    Raises:
        StudyError: A run does not say which it is, or its curves are not whole.
    """
    found = {}
    for line, event in enumerate(events, start=1):
        if event["event"] == "run":
            try:
                run = Trained.from_dict(event["run"])
                found[event["stage"], run.variant, run.seed] = event
                wrong = _wrong(run)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                wrong = f"a run without {error}" if isinstance(error, KeyError) else first_line(error)
            if wrong:
                raise StudyError(
                    f"the study's journal is damaged in line {line}",
                    expected=f"a finished run, with its curves {', '.join(CURVES)}",
                    received=wrong,
                    fix="Take such lines out of journal.jsonl: the same command trains their runs again.",
                )
    return found


def _wrong(run: Trained) -> str:
    """What is wrong with a run that was read back; empty for nothing."""
    lengths = {len(np.atleast_1d(curve)) for curve in run.curves.values()}
    if lacking := [key for key in CURVES if key not in run.curves]:
        return f"no curve {lacking[0]!r}"
    if len(lengths) > 1 or not 1 <= run.best_epoch <= min(lengths):
        return f"curves of {' and '.join(map(str, sorted(lengths)))} epochs, the best {run.best_epoch}"
    return ""


def score(run: Trained, epoch: int, key: str = "val_accuracy") -> float:
    """A run's metric after an epoch (from 1); NaN if it did not get there, or diverged before its end."""
    if epoch > run.epochs_run or not np.isfinite(run.curves["val_loss"][-1]):
        return float("nan")
    return float(run.curves[key][epoch - 1])
