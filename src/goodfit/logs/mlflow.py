"""MLflow runs: a `mlruns/` folder (a file for each metric) or its database `mlflow.db`. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from goodfit.errors import LogError
from goodfit.logs.base import Format, Log, Table, value
from goodfit.logs.names import STEP

Point = tuple[str, int, float]
_HUGE = 1.7e308
"""MLflow's stand-in for infinity."""


class MLflowDatabase(Format):
    """Tables `runs`, `metrics`, `params` of a SQLite file."""

    name = "MLflow database"

    def matches(self, log: Log) -> bool:
        """A SQLite file; whether it is MLflow's shows when it is read."""
        return log.head.startswith(b"SQLite format 3\0")

    def read(self, log: Log) -> list[Table]:
        """One table a run that is not deleted."""
        import sqlite3  # only here: it costs start-up time

        try:
            with closing(sqlite3.connect(f"{log.path.resolve().as_uri()}?mode=ro", uri=True)) as db:
                runs = db.execute(
                    "select run_uuid, coalesce(name, ''), experiment_id from runs where lifecycle_stage != 'deleted' "
                    "order by start_time"
                ).fetchall()
                out = []
                for run, name, experiment in runs:
                    points = db.execute(
                        "select key, step, case when is_nan then null else value end from metrics where run_uuid = ? "
                        "order by step, timestamp",
                        (run,),
                    )
                    params = dict(db.execute("select key, value from params where run_uuid = ?", (run,)).fetchall())
                    out += table(points, name or str(run), params, str(experiment))
        except sqlite3.Error as error:
            raise LogError("the database is no readable MLflow store", received=f"{log.path} ({error})") from None
        if not out:
            raise LogError("the MLflow store holds no run with metrics", received=str(log.path))
        return out


def is_run(folder: Path) -> bool:
    """Whether a folder is one run of an `mlruns/` store."""
    return (folder / "meta.yaml").is_file() and (folder / "metrics").is_dir()


def read_run(folder: Path) -> list[Table]:
    """The run in a folder of an `mlruns/` store (a list of one, empty where nothing was logged)."""
    meta = (folder / "meta.yaml").read_text(encoding="utf-8", errors="replace")
    if re.search(r"^lifecycle_stage: deleted", meta, re.M):
        return []
    name = re.search(r"^run_name: *['\"]?(.+?)['\"]? *$", meta, re.M)
    points: list[Point] = []
    for file in sorted(p for p in (folder / "metrics").rglob("*") if p.is_file()):
        key = file.relative_to(folder / "metrics").as_posix()
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            cells = line.split()
            number = value(cells[1]) if len(cells) >= 2 else None
            if number is not None:
                points.append((key, int(value(cells[2]) or 0) if len(cells) > 2 else len(points), number))
    params = {}
    if (folder / "params").is_dir():
        files = [p for p in (folder / "params").iterdir() if p.is_file()]
        params = {p.name: p.read_text(encoding="utf-8", errors="replace").strip() for p in files}
    return table(points, name[1] if name else folder.name, params, folder.parent.name)


def table(
    points: Iterable[tuple[str, int, float | None]], name: str, params: dict[str, Any], experiment: str
) -> list[Table]:
    """One run's points as a table with a row for each step; a null from the database is a NaN that was logged."""
    rows: dict[int, dict[str, float]] = {}
    for key, step, number in points:
        logged = float("nan") if number is None else float(number)
        rows.setdefault(int(step), {})[key] = float("inf") * logged if abs(logged) > _HUGE else logged
    if not rows:
        return []
    steps = sorted(rows)
    names = dict.fromkeys(k for s in steps for k in rows[s])
    columns: dict[str, list[float | None]] = {n: [rows[s].get(n) for s in steps] for n in names}
    seed = next((p for k, p in params.items() if k.lower() in ("seed", "random_state", "random_seed")), None)
    others = sorted((k, v) for k, v in params.items() if k.lower() not in ("seed", "random_state", "random_seed"))
    facts: dict[str, Any] = {}
    for key in ("batch_size", "learning_rate", "epochs"):
        number = value(params.get(key, params.get(f"opt_{key}")))
        if number is not None:
            facts[key] = number if key == "learning_rate" else int(number)
    if seed is not None and str(seed).isdigit():
        # Runs of one experiment with equal parameters but the seed are seeds of one variant.
        told = " ".join([f"experiment {experiment}", *(f"{k}={v}" for k, v in others)])
        facts |= {"seed": int(seed), "variant": told}
    return [Table({STEP: [float(s) for s in steps], **columns}, name, facts)]
