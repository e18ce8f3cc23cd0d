"""goodfit's own journal of a study: a line an event, the finished runs among them. Standard library only."""

from __future__ import annotations

import json
from typing import Any

from goodfit.errors import LogError
from goodfit.logs.base import Format, Log, Table


class Journal(Format):
    """`journal.jsonl` of a study's folder; what `study.json` beside it says of the variants is used too."""

    name = "goodfit journal"

    def matches(self, log: Log) -> bool:
        """A first line that opens a study."""
        return log.head.startswith(b'{"event": "study"')

    def read(self, log: Log) -> list[Table]:
        """A table for each run; runs of one variant and stage are seeds of it."""
        events, bad = [], 0
        for line in log.lines:
            try:
                events.append(json.loads(line))
            except (ValueError, RecursionError):
                bad += 1
        decided = {e.get("what"): e.get("value") for e in events if e.get("event") == "decided"}
        baseline = decided.get("baseline") or {}
        known = {"majority": baseline.get("accuracy"), "linear": baseline.get("linear"), "regularised": False}
        recipes = _recipes(log)
        tables = []
        for event in events:
            if event.get("event") != "run":
                continue
            run = event["run"]
            recipe = recipes.get(run["variant"], {})
            facts = {k: recipe[k] for k in ("batch_size", "learning_rate", "epochs", "patience") if recipe.get(k)}
            stage = event.get("stage", "search")
            variant = run["variant"] if stage == "search" else f"{run['variant']}, {stage}"
            # A number that was not finite is written as null.
            curves = {k: [float("nan") if v is None else v for v in c] for k, c in run["curves"].items()}
            curves = {k: c for k, c in curves.items() if any(v == v for v in c) or "loss" in k}
            tables.append(Table(curves, variant, {**known, **facts, "seed": run["seed"], "variant": variant}))
        if not tables:
            raise LogError("the study has no finished run yet", received=str(log.path))
        if bad:
            tables[0].notes.append(f"{bad} of {bad + len(events)} lines could not be read and were left out")
        return tables


def _recipes(log: Log) -> dict[str, dict[str, Any]]:
    """Each variant's recipe, where the study is finished."""
    try:
        study = json.loads(log.path.with_name("study.json").read_text(encoding="utf-8"))
        return {v["name"]: v["recipe"] for v in study["variants"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
