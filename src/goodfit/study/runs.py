"""Finished runs in a journal, and what one scores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from goodfit.errors import StudyError
from goodfit.train.lane import Trained

Key = tuple[str, str, int]
"""Stage, variant, seed."""


def runs_of(events: Iterable[dict[str, Any]]) -> dict[Key, dict[str, Any]]:
    """The journal's events of finished runs; where one was trained again (a kill tore its chunk) the last counts.

    Raises:
        StudyError: A run does not say which it is.
    """
    try:
        return {(e["stage"], e["run"]["variant"], e["run"]["seed"]): e for e in events if e["event"] == "run"}
    except (KeyError, TypeError):
        what = "the study's journal is damaged: a run has no stage, variant or seed"
        raise StudyError(what, fix="Start the study anew in another folder.") from None


def score(run: Trained, epoch: int, key: str = "val_accuracy") -> float:
    """A run's metric after an epoch (from 1); NaN if it did not get there, or diverged before its end."""
    if epoch > run.epochs_run or not np.isfinite(run.curves["val_loss"][-1]):
        return float("nan")
    return float(run.curves[key][epoch - 1])
