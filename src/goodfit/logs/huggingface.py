"""Hugging Face `trainer_state.json`: `log_history`, whose last entry is a summary. Standard library only."""

from __future__ import annotations

from typing import Any

from goodfit.errors import LogError
from goodfit.logs.base import Format, Log, Table, value


class HuggingFace(Format):
    """Training steps and evaluations as separate entries with fractional epochs."""

    name = "Hugging Face trainer_state.json"

    def matches(self, log: Log) -> bool:
        """The key `log_history`."""
        return isinstance(log.json, dict) and isinstance(log.json.get("log_history"), list)

    def read(self, log: Log) -> list[Table]:
        """One run."""
        state: dict[str, Any] = log.json
        entries = [e for e in state["log_history"] if isinstance(e, dict) and "train_runtime" not in e]
        names = dict.fromkeys(k for e in entries for k in e)
        if not entries:
            raise LogError("log_history holds no entry", received=str(log.path))
        facts = {"batch_size": state.get("train_batch_size"), "epochs": state.get("num_train_epochs")}
        return [
            Table(
                {n: [value(e.get(n)) for e in entries] for n in names},
                facts={k: int(v) for k, v in facts.items() if isinstance(v, int | float)},
            )
        ]
