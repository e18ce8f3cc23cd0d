"""The terminal: a live table on stderr while a study trains, plain sentences on stdout at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from goodfit.report import numbers
from goodfit.words import count

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table
    from rich.text import Text

METRICS = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
"""What the table shows, by the keys of `History`."""

STATES = ("waiting", "training", "done", "stopped")
"""What a variant can be doing; `stopped` is early, by patience or a race."""

WIDE = 104
"""Columns a terminal needs for every spread; a narrower one shows those of the validation metrics only."""

NARROW = 76
"""Columns it needs for seeds and training metrics; a narrower one shows neither."""


def summary(study: dict[str, Any], folder: str | Path | None = None) -> None:
    """Print the end of a study; `folder` is where report and predictor lie."""
    from goodfit.report import summary

    _print(summary.summary(study, folder))


def comparison(study: dict[str, Any], comparisons: Iterable[Any]) -> None:
    """Print variants of a study against one of them; `comparisons` are `Comparison` objects or their dicts."""
    from goodfit.report import summary

    _print(summary.comparison(study, comparisons))


def _print(what: RenderableType) -> None:
    from rich.console import Console

    Console(highlight=False).print(what)


@dataclass
class Row:
    """One variant's line.

    Attributes:
        variant: Its name.
        seeds: How many seeds train side by side.
        epoch: Epochs done.
        epochs: Epochs to do.
        metrics: Metric to (mean, standard deviation over seeds).
        state: One of `STATES`.
        left: Seconds left at `told`, None while unknown.
        told: When `left` was told, by the table's clock.
        began: When its first epoch ended, by the table's clock, and which epoch that was.
    """

    variant: str
    seeds: int = 0
    epoch: int = 0
    epochs: int = 0
    metrics: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    state: str = "waiting"
    left: float | None = None
    told: float = 0.0
    began: tuple[float, int] | None = None


class LiveTable:
    """A table of variants that is redrawn in place while they train; quiet where stderr is no terminal.

    ```
    with LiveTable() as table:
        table.update("base", 29, 3, 20, {"val_loss": (0.31, 0.01)})
        table.message("overfitting from epoch 5")
    ```

    Args:
        console: Where to; Rich's console on stderr if not given, which respects `NO_COLOR`.
        plain: Where stderr is no terminal, print a few plain lines instead of nothing.
        clock: Seconds that only go forward; for tests.
    """

    def __init__(
        self, console: Console | None = None, *, plain: bool = False, clock: Callable[[], float] = time.monotonic
    ):
        from rich.console import Console
        from rich.live import Live

        self.console = console or Console(stderr=True)
        self.plain = plain
        self.rows: dict[str, Row] = {}
        self._clock = clock
        self._began: float | None = None
        self._ends: float | None = None
        self._shows = self.console.is_terminal and not self.console.is_dumb_terminal
        self._live = (
            Live(self, console=self.console, refresh_per_second=4, redirect_stdout=False, vertical_overflow="crop")
            if self._shows
            else None
        )

    def __enter__(self) -> LiveTable:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Draw the table a last time and leave it standing."""
        self._began = self._ends = None
        if self._live:
            self._live.stop()

    def update(
        self,
        variant: str,
        seeds: int,
        epoch: int,
        epochs: int,
        metrics: Mapping[str, tuple[float, float]] | None = None,
        *,
        state: str = "",
        left: float | None = None,
    ) -> None:
        """Tell how far a variant is.

        Args:
            variant: Its name; a new one gets a new line.
            seeds: How many of its seeds train.
            epoch: Epochs done, from 1; 0 while it waits.
            epochs: Epochs to do.
            metrics: Metric to (mean, standard deviation) over seeds, those of `METRICS`.
            state: One of `STATES`; read from the epochs if not given.
            left: Seconds left for this variant; measured from its epochs if not given.
        """
        row = self.rows.setdefault(variant, Row(variant))
        before, now = row.state, self._clock()
        row.seeds, row.epoch, row.epochs = seeds, epoch, epochs
        row.metrics = metrics or row.metrics
        row.state = state or ("done" if epoch >= epochs else "training" if epoch else "waiting")
        if epoch and row.began is None:
            row.began = (now, epoch)
        if left is None and row.began and epoch > row.began[1]:
            left = (now - row.began[0]) / (epoch - row.began[1]) * (epochs - epoch)
        row.left, row.told = left, now
        if self.plain and not self._shows and row.state != before and row.state != "waiting":
            self._line(row)

    def begin(self) -> None:
        """Tell that something begins: while there is no line to show, the seconds that it takes are."""
        self._began = self._clock()

    def in_all(self, left: float) -> None:
        """Tell how many seconds are left for everything, what is not in the table yet included."""
        self._ends = self._clock() + left

    def message(self, text: str) -> None:
        """A line above the table."""
        if self._shows or self.plain:
            self.console.print(text, markup=False, highlight=False)

    def _line(self, row: Row) -> None:
        """A variant's start or end, as a plain line."""
        if row.state == "training":
            self.message(f"{row.variant}: training, {count(row.seeds, 'seed')}, {count(row.epochs, 'epoch')}")
            return
        told = [f"{m} {_value(row.metrics, m)}" for m in ("val_loss", "val_accuracy") if m in row.metrics]
        self.message(f"{row.variant}: {row.state} after epoch {row.epoch}" + (f", {', '.join(told)}" if told else ""))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        if self.rows or self._began is None:
            yield self.table(options.max_width, console.height)
        else:
            took = numbers.clock(self._clock() - self._began)
            yield Text(f"preparing, compiling and training the first epoch: {took}", style="dim")

    def table(self, width: int, height: int) -> Table:
        """The table as it stands, for a terminal of this many columns and lines."""
        from rich.table import Table
        from rich.text import Text

        wide, narrow = width >= WIDE, width < NARROW
        table = Table(box=None, padding=(0, 2 if wide else 1, 0, 0), pad_edge=False, header_style="dim")
        table.add_column("variant", min_width=8, max_width=28 if wide else 17, no_wrap=True, overflow="ellipsis")
        names = ["seeds", "epoch", "loss", "val_loss", *(("accuracy", "val_accuracy") if wide else ("acc", "val_acc"))]
        for name in names[1::2] if narrow else names:
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("state", no_wrap=True)
        if wide:
            table.add_column("left", justify="right", no_wrap=True)
        if self._ends is not None:
            left = numbers.clock(max(0.0, self._ends - self._clock()))
            table.caption, table.caption_justify = Text(f"about {left} left in all", style="dim"), "left"
        rows, hidden = self._that_fit(max(3, height - 4 - (self._ends is not None)))
        for row in rows:
            spread = (wide, True, wide, True)
            cells = [_value(row.metrics, m, s) for m, s in zip(METRICS, spread, strict=True)]
            left = self._left(row)
            state = [_state(row.state), left] if wide else [f"{left} left" if left else _state(row.state)]
            done = f"{row.epoch}/{row.epochs}" if row.epochs else ""
            cells = [str(row.seeds or ""), done, *cells]
            table.add_row(Text(row.variant), *(cells[1::2] if narrow else cells), *state)
        if hidden:
            table.add_row(Text(f"and {hidden} more", style="dim"))
        return table

    def _that_fit(self, most: int) -> tuple[list[Row], int]:
        """The lines there is room for, in their order; what trains or waits comes before what has ended."""
        rows = list(self.rows.values())
        if len(rows) <= most:
            return rows, 0
        urgent = sorted(rows, key=lambda r: ("training", "waiting", "done", "stopped").index(r.state))
        kept = {r.variant for r in urgent[: most - 1]}
        return [r for r in rows if r.variant in kept], len(rows) - len(kept)

    def _left(self, row: Row) -> str:
        if row.state != "training" or row.left is None:
            return ""
        return numbers.clock(max(0.0, row.left - (self._clock() - row.told)))


def _state(state: str) -> Text:
    from rich.text import Text

    return Text(state, style={"done": "green", "stopped": "yellow", "waiting": "dim"}.get(state, ""))


def _value(metrics: Mapping[str, Any], key: str, spread: bool = True) -> str:
    """`0.287 ±.012`, the spread only where there is one."""
    mean, sd = metrics.get(key, (None, None))
    form = numbers.loss if "loss" in key else numbers.accuracy
    if not numbers.known(mean):
        return numbers.MISSING if key in metrics else ""
    shown = f" ±{form(sd).removeprefix('0')}" if spread and numbers.known(sd) and sd > 0 else ""
    return f"{form(mean)}{shown}"
