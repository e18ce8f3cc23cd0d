"""The learning curves of one run or many. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from goodfit.errors import UsageError

Array = np.ndarray


def _numbers(key: str, values: Any) -> Array:
    """A curve as `(runs, epochs)`."""
    try:
        array = np.atleast_2d(np.asarray(values, dtype=np.float64))
    except (ValueError, TypeError):
        array = np.empty((0, 0, 0))
    if array.ndim > 2:
        expected = "a number for each epoch, or a row of them for each run"
        raise UsageError(f"the curve {key!r} holds no numbers", expected=expected, received=repr(values)[:60])
    return array


@dataclass(frozen=True)
class History:
    """Curves by Keras's keys, each of shape `(runs, epochs)`; row `r`, column `e` is run `r` after epoch `e + 1`.

    A run that ended early (early stopping, NaN) has NaN in the epochs it did not train; what is NaN *inside*
    its `epochs_run` was a NaN in training. Keys are `loss`, `val_loss`, `accuracy`, `val_accuracy`, ... and
    `learning_rate` where it was logged. `train_*` keys, where present, are measured in inference mode on the
    training rows; without them `loss` and `accuracy` are Keras's running values.

    Attributes:
        curves: Key to float array `(runs, epochs)`.
        seeds: The seed of each run, shape `(runs,)`; `range(runs)` where unknown.
        epochs_run: How many epochs each run trained, shape `(runs,)`.
        variant: The variant's or log's name.
        meta: Anything else a reader knows: `source`, `format`, `classes` (number of classes), `batch_size`.
    """

    curves: dict[str, Array]
    seeds: Array = field(default_factory=lambda: np.empty(0, np.int64))
    epochs_run: Array = field(default_factory=lambda: np.empty(0, np.int64))
    variant: str = ""
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Bring curves to shape `(runs, epochs)` and fill in seeds and epochs_run."""
        curves = {k: np.atleast_2d(np.asarray(v, dtype=np.float64)) for k, v in self.curves.items()}
        shapes = {c.shape for c in curves.values()}
        if len(shapes) > 1:
            raise ValueError(f"curves of one History need one shape (runs, epochs), received {sorted(shapes)}")
        runs, epochs = next(iter(shapes), (0, 0))
        seeds = np.asarray(self.seeds, dtype=np.int64)
        run = np.asarray(self.epochs_run, dtype=np.int64)
        object.__setattr__(self, "curves", curves)
        object.__setattr__(self, "seeds", seeds if seeds.size else np.arange(runs))
        object.__setattr__(self, "epochs_run", run if run.size else np.full(runs, epochs))
        if self.seeds.shape != (runs,) or self.epochs_run.shape != (runs,):
            raise ValueError(f"seeds and epochs_run need shape ({runs},)")

    @classmethod
    def of(cls, history: Any, **meta: Any) -> History:
        """From a Keras `History` object, its `.history` dict, another `History`, or a mapping of curves.

        Raises:
            UsageError: It is none of these, or curves hold something else than numbers or differ in their runs.
        """
        if isinstance(history, History):
            return history
        curves: Mapping[str, Any] = getattr(history, "history", history)
        if not isinstance(curves, Mapping):
            raise UsageError(
                "these are no curves",
                expected="what fit returns, or a mapping of curves",
                received=type(history).__name__,
                fix="A log is read with `goodfit diagnose LOG`, in Python with goodfit.logs.read(path), run by run.",
            )
        arrays = {key: _numbers(key, values) for key, values in curves.items()}
        if len({len(a) for a in arrays.values()}) > 1:
            raise UsageError(
                "the curves are of different numbers of runs", received=str({k: len(a) for k, a in arrays.items()})
            )
        length = max((a.shape[1] for a in arrays.values()), default=0)
        pad = {k: ((0, 0), (0, length - a.shape[1])) for k, a in arrays.items()}
        return cls({k: np.pad(a, pad[k], constant_values=np.nan) for k, a in arrays.items()}, meta=meta)

    @classmethod
    def stack(cls, histories: Sequence[History], variant: str = "") -> History:
        """Several histories as the runs of one; curves that some lack become NaN there."""
        keys = list(dict.fromkeys(k for h in histories for k in h.curves))
        epochs = max((h.epochs for h in histories), default=0)

        def padded(h: History, key: str) -> Array:
            c = h.curves.get(key, np.full((h.runs, h.epochs), np.nan))
            return np.pad(c, ((0, 0), (0, epochs - c.shape[1])), constant_values=np.nan)

        return cls(
            {k: np.concatenate([padded(h, k) for h in histories]) for k in keys},
            seeds=np.concatenate([h.seeds for h in histories]) if histories else np.empty(0, np.int64),
            epochs_run=np.concatenate([h.epochs_run for h in histories]) if histories else np.empty(0, np.int64),
            variant=variant,
            meta=dict(histories[0].meta) if histories else {},
        )

    @property
    def runs(self) -> int:
        """How many runs."""
        return len(self.seeds)

    @property
    def epochs(self) -> int:
        """How many epochs the longest run has room for."""
        return next(iter(self.curves.values())).shape[1] if self.curves else 0

    def __contains__(self, key: str) -> bool:
        return key in self.curves

    def __getitem__(self, key: str) -> Array:
        return self.curves[key]

    def get(self, *keys: str) -> Array | None:
        """The first of these curves that is there and not all NaN, or None."""
        for key in keys:
            if key in self.curves and not np.all(np.isnan(self.curves[key])):
                return self.curves[key]
        return None

    def select(self, rows: Any) -> History:
        """The runs at these positions (anything NumPy can index a first axis with)."""
        rows = np.atleast_1d(np.arange(self.runs)[rows])
        return History(
            {k: v[rows] for k, v in self.curves.items()},
            self.seeds[rows],
            self.epochs_run[rows],
            self.variant,
            dict(self.meta),
        )
