"""`View`: the curves of one variant as the rules look at them. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from goodfit.diagnose.chance import chance_loss
from goodfit.diagnose.grain import rows_behind
from goodfit.diagnose.noise import Array, between, roughness, smoothed, window
from goodfit.diagnose.thresholds import FEW, FITS
from goodfit.history import History

_METRICS = (
    ("accuracy", True),
    ("acc", True),
    ("binary_accuracy", True),
    ("categorical_accuracy", True),
    ("sparse_categorical_accuracy", True),
    ("f1", True),
    ("macro_f1", True),
    ("f1_score", True),
    ("auc", True),
    ("r2_score", True),
    ("r2", True),
    ("mae", False),
    ("mean_absolute_error", False),
    ("mse", False),
    ("mean_squared_error", False),
    ("rmse", False),
    ("root_mean_squared_error", False),
    ("error", False),
)
"""Metrics by name, likeliest first, and whether higher is better."""


def direction(name: str) -> bool:
    """Whether a metric of this name is better when higher; names that tell nothing count as scores (higher)."""
    lower = name.lower().removeprefix("val_").removeprefix("train_")
    known = dict(_METRICS)
    return known.get(lower, not any(word in lower for word in ("loss", "error", "mae", "mse", "perplexity", "wer")))


@dataclass(frozen=True)
class Curve:
    """One curve of a variant: every run, their mean and its trend.

    Attributes:
        key: Its name in the log.
        runs: Values of each run, shape `(runs, epochs)`, gaps bridged, NaN where a run had ended.
        logged: The same as logged.
        higher: Whether higher is better.
    """

    key: str
    runs: Array
    logged: Array
    higher: bool = False

    @cached_property
    def mean(self) -> Array:
        """Mean over the runs, shape `(epochs,)`.

        Where runs have different lengths it goes on by the mean *step* of those still running, so that a run's
        end is no jump.
        """
        full = np.isfinite(self.runs)
        if full.all():
            return np.asarray(self.runs.mean(axis=0))
        means = np.full(self.runs.shape[1], np.nan)
        for e in range(self.runs.shape[1]):
            here = full[:, e]
            both = here & full[:, e - 1] if e else here
            if e and both.any() and np.isfinite(means[e - 1]):
                means[e] = means[e - 1] + np.mean(self.runs[both, e] - self.runs[both, e - 1])
            elif here.any():
                means[e] = np.mean(self.runs[here, e])
        return means

    @cached_property
    def smooth(self) -> Array:
        """The mean's moving average, shape `(epochs,)`."""
        return smoothed(self.mean)

    @cached_property
    def noise(self) -> float:
        """Standard deviation of one epoch of the mean about its trend, carefully taken where the epochs are `FEW`.

        0 where it cannot be told (under 3 epochs).
        """
        points = self.mean[np.isfinite(self.logged).any(axis=0)]
        rough = roughness(points)
        return rough * (1 + FEW / (len(points) - 2) ** 2) if np.isfinite(rough) else 0.0

    @property
    def is_accuracy(self) -> bool:
        """Whether it is a share of rows that were told rightly, by its name."""
        return "acc" in self.key

    @property
    def first(self) -> float:
        """The mean's first value."""
        return float(self.mean[np.isfinite(self.mean)][0])

    @cached_property
    def last(self) -> float:
        """The mean over the last epochs (as many as the moving average spans)."""
        x = self.mean[np.isfinite(self.mean)]
        return float(np.mean(x[-window(len(x) - 1) :]))

    @cached_property
    def best(self) -> int:
        """Position of the best epoch of the mean, near the best of its trend (the first of equals)."""
        trend = -self.smooth if self.higher else self.smooth
        at = int(np.nanargmin(trend))
        half = window(at) // 2
        low = max(0, at - half)
        near = self.mean[low : at + half + 1]
        return low + int(np.nanargmin(-near if self.higher else near))

    @property
    def at_best(self) -> float:
        """The trend's best value."""
        return float(np.nanmax(self.smooth) if self.higher else np.nanmin(self.smooth))

    def change(self, start: int, end: int) -> tuple[float, float]:
        """The mean's change between the trend at a position and its last values up to another, and its standard error.

        Noise between seeds over these epochs is the yardstick where there are three or more; the curve's own
        roughness otherwise.
        """
        wide = window(end)
        reached = self.mean[max(0, end - wide + 1) : end + 1]
        reached = reached[np.isfinite(reached)]
        size = (float(np.mean(reached)) if len(reached) else self.last) - float(self.smooth[start])
        return size, self._error(start, end, float(np.sqrt(2)), float(np.sqrt(1 / window(start) + 1 / wide)))

    def climb(self, start: int, end: int) -> float:
        """How many standard errors the slope after one position, up to another, lies above 0; 0 for under 5 epochs.

        Least squares; the position itself is left out, since the lowest of many epochs lies low by chance. It knows of
        slow rises that two ends alone do not show.
        """
        part = self.mean[start + 1 : end + 1]
        at = np.arange(len(part)) - (len(part) - 1) / 2
        if len(part) < 5 or not np.isfinite(part).all():
            return 0.0
        slope, spread = float(np.sum(at * part) / np.sum(at**2)), float(1 / np.sqrt(np.sum(at**2)))
        error = self._error(start, end, spread, spread)
        return slope / error if error > 0 else 0.0

    def _error(self, start: int, end: int, of_seeds: float, of_epochs: float) -> float:
        """Standard error from the noise between seeds or the curve's own wobble, each times its factor."""
        seeds = between(self.runs[:, start : end + 1]) / float(np.sqrt(len(self.runs))) * of_seeds
        epochs = self.noise * of_epochs
        # Two seeds leave one degree of freedom for each epoch: there the curve's own wobble may speak too.
        both = [e for e in (seeds, epochs) if np.isfinite(e) and e > 0]
        return 0.0 if not both else (min(both) if len(self.runs) < 3 else both[0])


@dataclass(frozen=True)
class View:
    """What rules see: the main curves of all runs of one variant over the epochs that at least half of them reached.

    Attributes:
        history: What was logged.
        epochs: How many epochs are looked at.
        broken: First epoch (from 1) with a NaN or infinite training loss in any run, None without.
        broken_runs: How many runs had one.
    """

    history: History
    epochs: int
    broken: int | None
    broken_runs: int

    @classmethod
    def of(cls, history: History) -> View:
        """Look at a history; where a run's training loss ends in NaN or infinity is noted and cut off."""
        ran = np.minimum(history.epochs_run, history.epochs)
        breaks = np.array([_breaks(history, r, int(ran[r])) for r in range(history.runs)], dtype=int)
        broken = breaks <= ran
        reach = np.sort(np.where(broken, breaks - 1, ran))[::-1]
        epochs = int(reach[(len(reach) - 1) // 2]) if len(reach) else 0
        # Where one of the two losses was logged to an earlier epoch than the other, only the common part is looked at.
        for keys in (("train_loss", "loss"), ("val_loss",)):
            at = [np.flatnonzero(np.isfinite(history[k][:, :epochs]).any(axis=0)) for k in keys if k in history]
            ends = [int(a[-1]) + 1 for a in at if len(a) > 1]
            epochs = min(epochs, max(ends, default=epochs))
        return cls(history, epochs, int(breaks[broken].min()) if broken.any() else None, int(broken.sum()))

    def curve(self, *keys: str) -> Curve | None:
        """The first of these curves with a value in the epochs looked at."""
        for key in keys:
            if key in self.history:
                logged = self.history[key][:, : self.epochs]
                if np.isfinite(logged).any():
                    return Curve(key, np.array([_bridged(run) for run in logged]), logged, direction(key))
        return None

    @cached_property
    def train(self) -> Curve | None:
        """Training loss: in inference mode where it was measured, else Keras's running value."""
        return self.curve("train_loss", "loss")

    @cached_property
    def running(self) -> Curve | None:
        """Keras's running training loss, else the one in inference mode."""
        return self.curve("loss", "train_loss")

    @cached_property
    def val(self) -> Curve | None:
        """Validation loss."""
        return self.curve("val_loss")

    @cached_property
    def metric(self) -> str | None:
        """Name of the main metric (`accuracy` before others), None where only losses were logged."""
        bare = {k.removeprefix("val_").removeprefix("train_") for k in self.history.curves}
        return next((name for name, _ in _METRICS if name in bare), None)

    @cached_property
    def train_metric(self) -> Curve | None:
        """The main metric on training rows."""
        return self.curve(f"train_{self.metric}", self.metric) if self.metric else None

    @cached_property
    def running_metric(self) -> Curve | None:
        """The main metric of the rows and passes of `running`: Keras's running value, else in inference mode."""
        return self.curve(self.metric, f"train_{self.metric}") if self.metric else None

    @cached_property
    def val_metric(self) -> Curve | None:
        """The main metric on validation rows."""
        return self.curve(f"val_{self.metric}") if self.metric else None

    @cached_property
    def held_rows(self) -> int | None:
        """How many validation rows there are, as the first run's accuracy gives away; None where it does not."""
        curve = self.val_metric
        return rows_behind(curve.logged[0]) if curve is not None and curve.is_accuracy else None

    @cached_property
    def same_answer(self) -> bool:
        """Whether accuracy stands still to the last digit from the second epoch on (four at least), far from 1.

        The network tells every row the same, or does not change at all. Its loss cannot be under the entropy of being
        right as often as it is, which a network that has learned passes.
        """
        curves = [c for c in (self.train_metric, self.val_metric) if c is not None and c.is_accuracy]
        if self.train is None or self.train_metric not in curves or self.epochs < 4:
            return False
        # A mean over batches may differ in its last digits.
        still = all(bool(np.all(np.ptp(c.runs[:, 1:], axis=1) < 1e-6)) and c.last < FITS for c in curves)
        return still and self.train.last >= 0.9 * chance_loss(curves[0].last, 2)

    @cached_property
    def rate(self) -> Curve | None:
        """Learning rate, where it was logged."""
        return self.curve("learning_rate", "lr")

    @cached_property
    def start(self) -> float:
        """Validation loss at the start, the height from which it had to come down; NaN without one.

        A first validation loss can be absurd (batch normalisation before its averages settle), so the first
        running training loss or the second validation loss, whichever is higher, caps it.
        """
        if self.val is None:
            return float("nan")
        first = self.val.first
        second = float(self.val.mean[1]) if len(self.val.mean) > 1 else first
        return min(first, max(self.running.first if self.running else first, second))

    @cached_property
    def best(self) -> int | None:
        """Position of the best epoch: lowest validation loss, else best metric; else those of training."""
        for curve in (self.val, self.val_metric, self.train, self.train_metric):
            if curve is not None:
                return curve.best
        return None


def _breaks(history: History, run: int, ran: int) -> int:
    """First epoch (from 1) from which a run's training loss stays NaN or is infinite; one past its end without."""
    keys = [k for k in ("loss", "train_loss") if k in history]
    keys = [k for k in keys if not np.all(np.isnan(history[k][run, :ran]))] or keys
    val = history.curves.get("val_loss", np.empty((history.runs, 0)))[run, :ran]
    alive = int(np.flatnonzero(np.isfinite(val))[-1]) + 1 if np.isfinite(val).any() else 0
    first = ran + 1
    for key in keys:
        values = history[key][run, :ran]
        infinite = np.flatnonzero(np.isinf(values))
        finite = np.flatnonzero(np.isfinite(values))
        after = finite[-1] + 1 if len(finite) else 0
        # A training loss that is missing while the validation loss goes on was not logged, rather than NaN.
        ends = ran + 1 if alive > after else after + 1
        first = min(first, ends, int(infinite[0]) + 1 if len(infinite) else ran + 1)
    return first


def _bridged(run: Array) -> Array:
    """A run's curve with the gaps between its values bridged by straight lines (a value logged every few epochs)."""
    at = np.flatnonzero(np.isfinite(run))
    if len(at) < 2:
        return np.where(np.isfinite(run), run, np.nan)
    out = np.full(len(run), np.nan)
    inside = np.arange(at[0], at[-1] + 1)
    out[inside] = np.interp(inside, at, run[at])
    return out
