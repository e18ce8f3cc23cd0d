"""Hugging Face `trainer_state.json`: `log_history`, whose last entry is a summary. Standard library only."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from goodfit.errors import LogError
from goodfit.logs.base import DAMAGED, Format, Log, Table, value


class HuggingFace(Format):
    """Training steps and evaluations as separate entries with fractional epochs."""

    name = "Hugging Face trainer_state.json"

    def matches(self, log: Log) -> bool:
        """The key `log_history`."""
        if log.json is None:
            return log.text.lstrip()[:1] == "{" and '"log_history"' in log.text
        return isinstance(log.json, dict) and isinstance(log.json.get("log_history"), list)

    def read(self, log: Log) -> list[Table]:
        """One run; of a file that is damaged, the entries that can be read."""
        damaged = log.json is None
        state: dict[str, Any] = {"log_history": _saved(log.text)} if damaged else log.json
        entries = [e for e in state["log_history"] if isinstance(e, dict) and "train_runtime" not in e]
        names = dict.fromkeys(k for e in entries for k in e)
        if not entries:
            raise LogError("log_history holds no entry that can be read", received=str(log.path))
        facts = {"batch_size": state.get("train_batch_size"), "epochs": state.get("num_train_epochs")}
        return [
            Table(
                {n: [value(e.get(n)) for e in entries] for n in names},
                facts={k: int(v) for k, v in facts.items() if isinstance(v, int | float) and math.isfinite(v)},
                notes=[DAMAGED] if damaged else [],
            )
        ]


def _saved(text: str) -> list[Any]:
    """The entries of damaged JSON that are whole: objects with nothing nested in them."""
    out = []
    for entry in re.findall(r"\{[^{}]*\}", text.split('"log_history"', 1)[1]):
        try:
            out.append(json.loads(entry))
        except ValueError:
            continue
    return out
