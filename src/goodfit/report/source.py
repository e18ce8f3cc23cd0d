"""A study folder as the report reads it: `study.json` and the curves of `history.parquet`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.errors import StudyError, first_line
from goodfit.history import History
from goodfit.report.languages import Texts

METRICS = ("loss", "accuracy", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate")
"""Columns of `history.parquet` that are curves."""


def clean(x: Any) -> Any:
    """JSON without numbers that are none: NaN and infinities become None."""
    if isinstance(x, dict):
        return {k: clean(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return [clean(v) for v in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x


@dataclass(frozen=True)
class Source:
    """What a report is made from. Anything but a study's name may be missing: a study may be unfinished.

    Attributes:
        study: The content of `study.json`, cleaned.
        histories: Stage (`search`, `fresh`, `refit`) to variant to curves of its runs.
    """

    study: dict[str, Any]
    histories: dict[str, dict[str, History]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: str | Path) -> Source:
        """The study of a folder.

        Raises:
            StudyError: No study lies there, or it cannot be read.
        """
        folder = Path(folder)
        file = folder / "study.json"
        if not file.is_file():
            begun = (folder / "journal.jsonl").is_file()
            raise StudyError(
                "this study has no result yet" if begun else "no study lies here",
                expected="a folder that holds study.json",
                received=str(folder),
                fix="Run the command that began it again; it goes on where it was."
                if begun
                else "Name the folder given to `goodfit fit ... --out`.",
            )
        try:
            study = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as e:
            raise StudyError("study.json cannot be read", received=f"{file}: {first_line(e)}") from e
        if not isinstance(study, dict) or not isinstance(study.get("variants") or [], list):
            expected = "a JSON object, whose variants are a list"
            raise StudyError("study.json is no study", expected=expected, received=str(file))
        curves = folder / "history.parquet"
        return cls(clean(study), read_histories(curves) if curves.is_file() else {})

    @property
    def name(self) -> str:
        """The study's name."""
        return str(self.study.get("name") or "study")

    @property
    def variants(self) -> list[dict[str, Any]]:
        """The variants, in the order they were tried."""
        return [v for v in self.study.get("variants") or [] if isinstance(v, dict) and v.get("name")]

    @property
    def base(self) -> str:
        """The untreated variant's name, empty if there is none."""
        names = [v["name"] for v in self.variants]
        untreated = [v["name"] for v in self.variants if not v.get("treatment")]
        return "base" if "base" in names else (untreated or names or [""])[0]

    @property
    def chosen(self) -> str:
        """The chosen variant's name, empty while none is chosen."""
        return str((self.study.get("chosen") or {}).get("variant") or "")

    @property
    def rival(self) -> str:
        """The variant to set beside base: the chosen one, or where base was chosen the best of the others."""
        if self.chosen and self.chosen != self.base:
            return self.chosen
        others = [(c.get("effect"), v["name"]) for v in self.variants if (c := contrast(v))]
        return max(((e, n) for e, n in others if e is not None), default=(None, ""))[1]

    @property
    def comparisons(self) -> dict[str, dict[str, Any]]:
        """The comparisons with base, by variant; that on fresh seeds, if any, by an empty name."""
        fresh = (self.study.get("fresh") or {}).get("comparison")
        found = {v["name"]: c for v in self.variants if (c := contrast(v))}
        return {**found, "": fresh} if fresh else found

    def variant(self, name: str) -> dict[str, Any]:
        """The variant of this name, empty if there is none."""
        return next((v for v in self.variants if v["name"] == name), {})


def contrast(variant: dict[str, Any]) -> dict[str, Any]:
    """A variant's comparison with base by the keys of `Comparison`; empty for base itself."""
    delta = variant.get("delta") or {}
    told = {**delta, "effect": delta.get("mean")} if delta else {}
    return {**told, **{k: v for k, v in (variant.get("comparison") or {}).items() if v is not None}}


def held_back(comparisons: Mapping[str, dict[str, Any]], texts: Texts) -> str:
    """Why some are undecided though their intervals leave out zero, by name ("" is the choice); empty for none."""
    from goodfit.study.comparison import held_back as is_held

    found = {name: c for name, c in comparisons.items() if is_held(c)}
    if not found:
        return ""
    names = ", ".join(f"'{name}'" if name else texts("comparison.choice") for name in found)
    return texts("comparison.held_back", names=names, most=f"{next(iter(found.values()))['alpha']:g}")


def read_histories(file: Path) -> dict[str, dict[str, History]]:
    """Stage to variant to the curves of its runs, from a table with a row per run and epoch.

    Raises:
        StudyError: The file cannot be read or lacks a column.
    """
    import polars as pl

    from goodfit.data.sources.parquet import UNREADABLE
    from goodfit.data.sources.quiet import quiet

    try:
        with quiet():
            frame = pl.read_parquet(file)
        keys = frame.select("stage", "variant", pl.col("seed", "epoch").cast(pl.Int64))
    except (*UNREADABLE, OSError) as e:
        raise StudyError("history.parquet cannot be read", received=f"{file}: {first_line(e)}") from e
    stages: dict[str, dict[str, History]] = {}
    columns = {m: frame[m].cast(pl.Float64).fill_null(np.nan).to_numpy() for m in METRICS if m in frame.columns}
    names = np.array(["\0".join(map(str, pair)) for pair in keys.select("stage", "variant").iter_rows()], dtype=object)
    for name in dict.fromkeys(names):
        stage, variant = name.split("\0")
        rows = np.flatnonzero(names == name)
        seeds, run = np.unique(keys["seed"].to_numpy()[rows], return_inverse=True)
        epoch = keys["epoch"].to_numpy()[rows] - 1
        shape = (len(seeds), int(epoch.max()) + 1)
        curves = {}
        for metric, column in columns.items():
            curves[metric] = np.full(shape, np.nan)
            curves[metric][run, epoch] = column[rows]
        ran = np.zeros(len(seeds), np.int64)
        np.maximum.at(ran, run, epoch + 1)
        stages.setdefault(stage, {})[variant] = History(curves, seeds, ran, variant)
    return stages
