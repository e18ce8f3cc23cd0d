"""A study's progress in the terminal's live table."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np


class LiveView:
    """Shows a study in a `report.terminal.LiveTable`; see `study.View`.

    Args:
        quiet: Show nothing at all.
    """

    def __init__(self, quiet: bool = False):
        from goodfit.report.terminal import LiveTable

        self.table: Any = None if quiet else LiveTable()
        self.latest: dict[tuple[str, str], dict[int, dict[str, float]]] = {}

    def __enter__(self) -> LiveView:
        if self.table:
            self.table.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.table:
            self.table.__exit__(kind, error, trace)

    def stage(self, text: str) -> None:
        """A new stage begins."""
        if self.table:
            self.table.begin()
            self.table.message(text)

    def progress(self, stage: str, progress: Any) -> None:
        """An epoch is done: a line for each variant in the chunk, over all of its seeds so far."""
        if not self.table:
            return
        for name in dict.fromkeys(lane.variant for lane in progress.lanes):
            mine = [i for i, lane in enumerate(progress.lanes) if lane.variant == name]
            runs = self.latest.setdefault((stage, name), {})
            for i in mine:
                if np.isfinite(progress.metrics["loss"][i]):
                    runs[progress.lanes[i].seed] = {k: float(v[i]) for k, v in progress.metrics.items()}
            keys = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
            spread = {k: _mean_sd([r[k] for r in runs.values()]) for k in keys} if runs else {}
            epochs = max(progress.lanes[i].network.epochs for i in mine)
            self.table.in_all(progress.seconds_in_all)
            shown = name if stage == "search" else f"{name} ({stage})"
            state = "training" if progress.active[mine].any() else "done"
            self.table.update(
                shown, len(runs), min(progress.epoch, epochs), epochs, spread, state=state, left=progress.seconds_left
            )


def _mean_sd(values: list[float]) -> tuple[float, float]:
    finite = [v for v in values if np.isfinite(v)]
    if not finite:
        return float("nan"), float("nan")
    return float(np.mean(finite)), float(np.std(finite, ddof=1)) if len(finite) > 1 else 0.0
