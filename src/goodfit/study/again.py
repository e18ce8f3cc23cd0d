"""Comparisons made again from a finished study's files, for any pair of its variants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from goodfit.errors import UsageError, near
from goodfit.study import statistics
from goodfit.study.comparison import Comparison


def compared(folder: str | Path, study: dict[str, Any], base: str | None, other: str | None) -> list[Comparison]:
    """One variant against another, or against all, on validation accuracy at each one's own chosen epoch.

    Args:
        folder: The study's folder.
        study: What its `study.json` holds.
        base: A variant's name; None for the base.
        other: Another's; None for all.

    Raises:
        UsageError: An unknown variant, or one against itself.
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
    curves = pl.read_parquet(Path(folder) / "history.parquet").filter(pl.col("stage") == "search")
    split = (study["splits"]["train"], study["splits"]["validation"])
    found = statistics.compare_all(
        _scores(curves, variants[base]),
        {name: _scores(curves, variants[name]) for name in others},
        base_name=base,
        metric="validation accuracy",
        resampled=split,
        rope=study.get("rope", 0.01),
    )
    return list(found.values())


def _scores(curves: pl.DataFrame, variant: dict[str, Any]) -> np.ndarray:
    """Validation accuracy of each seed at the variant's chosen epoch; NaN where the run diverged before its end."""
    mine = curves.filter(pl.col("variant") == variant["name"]).sort("seed", "epoch")
    scores = []
    for seed in variant["seeds"]:
        run = mine.filter(pl.col("seed") == seed)
        if variant["recipe"]["patience"] is not None:
            epoch = int(run["val_loss"].fill_null(float("inf")).arg_min() or 0)
        else:
            epoch = variant["best_epoch"] - 1
        sound = len(run) > epoch and run["val_loss"][-1] is not None
        value = run["val_accuracy"][epoch] if sound else None
        scores.append(float("nan") if value is None else value)
    return np.asarray(scores)
