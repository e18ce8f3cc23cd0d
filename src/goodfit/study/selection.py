"""Which variant and how many epochs: the simplest that is as good as the best.

The one-standard-error rule of Breiman et al., "Classification and Regression Trees" (1984), section 3.4.3, with
the standard error of the paired differences to the best, as all variants share their seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodfit.diagnose.rules.too_few_epochs import expected_gain
from goodfit.errors import UsageError
from goodfit.models.recipe import Recipe
from goodfit.study.statistics import Array, aligned

WORTH_TELLING = 0.02
"""Share of the loss that as many epochs again (ten at least) should take off, so that a verdict might change. Chosen:
far less than makes a finding, for it takes little to turn a small difference."""


@dataclass(frozen=True)
class Choice:
    """What was chosen and why.

    Attributes:
        value: The variant's name, or the number of epochs.
        best: What has the best mean, whether chosen or not.
        within: All that lie within one standard error of the best, the chosen first.
        reason: One plain sentence.
    """

    value: Any
    best: Any
    within: tuple[Any, ...]
    reason: str


def complexity(recipe: Recipe, base: Recipe, inputs: int | Sequence[int], outputs: int) -> tuple[int, int]:
    """How complex a variant is: its number of weights, then how many fields differ from the base."""
    return recipe.weights(inputs, outputs), len(base.diff(recipe))


def choose(
    scores: Mapping[str, Sequence[float] | Array],
    complexities: Mapping[str, tuple[float, ...]],
    *,
    base: str = "base",
    resampled: tuple[int, int] | None = None,
    metric: str = "accuracy",
) -> Choice:
    """The simplest variant within one standard error of the best; the base may win: "no change".

    A variant is within one standard error where its mean paired difference to the best is no larger than the
    standard error of that difference, and no more of its runs diverged. One all of whose runs diverged is no choice.

    Args:
        scores: Scores of each variant over the same seeds, each `(n,)`, the higher the better; what is not finite is a
            diverged run.
        complexities: What `complexity` says of each variant; ties go to the better mean.
        base: Name of the untreated variant.
        resampled: As for `compare`.
        metric: Name of the score, for the reason.

    Raises:
        UsageError: The base is missing, or the scores do not belong together.
    """
    names = list(scores)
    if base not in scores:
        known = ", ".join(repr(name) for name in names)
        raise UsageError("the base is not among the variants", expected=repr(base), received=known)
    table, diverged = aligned(list(scores.values()))
    n = table.shape[1]
    if len(names) == 1:
        return Choice(base, base, (base,), f"'{base}' is the only variant, so it stays.")
    if n < 2:
        return Choice(base, base, (base,), f"One seed tells no two variants apart, so '{base}' stays.")
    if diverged.min() == n:
        return Choice(base, base, (base,), f"All runs of every variant diverged, so '{base}' stays.")
    order = sorted(range(len(names)), key=lambda i: (-np.mean(table[i]), complexities[names[i]]))
    first = order[0]
    within = [
        i for i in order if diverged[i] <= diverged[first] and _within_one_error(table[first] - table[i], resampled)
    ]
    chosen = min(within, key=lambda i: complexities[names[i]])  # ties: the better mean, as `within` is sorted by it
    kept = [names[chosen]] + [names[i] for i in within if i != chosen]
    mean = float(np.mean(table[first]))
    reason = f"'{names[first]}' has the best mean {metric} over {n} seeds ({mean:.4f})"
    if chosen == first:
        alone = "no other variant is" if len(within) == 1 else "no simpler variant is"
        reason += f", and {alone} within one standard error of it"
    else:
        reason += f"; '{names[chosen]}' is within one standard error of it and simpler"
    if names[chosen] == base:
        reason += ": no change"
    return Choice(names[chosen], names[first], tuple(kept), reason + ".")


def epochs(val_loss: Array, *, epochs_run: Array | None = None) -> Choice:
    """The number of epochs, from the mean validation curve over seeds and not from one run's luckiest epoch.

    Every run's curve is smoothed over three epochs with weights 1/4, 1/2, 1/4. Chosen is the earliest epoch whose
    mean paired difference to the minimum of the mean curve is no larger than the difference's standard error.

    Args:
        val_loss: Validation loss, shape `(runs, epochs)`. A run that stopped early (NaN to its end) goes on with
            its last value, so that the mean is never one over survivors only.
        epochs_run: Epochs each run trained, shape `(runs,)`: a run with NaN within them diverged, and is left out,
            unless all did. Without it every NaN is taken for an early stop.

    Raises:
        UsageError: No curves, or none with a finite loss.
    """
    loss = np.atleast_2d(np.asarray(val_loss, dtype=np.float64))
    if loss.ndim != 2 or not np.isfinite(loss).any():
        raise UsageError("no validation curve to choose epochs from", expected="finite losses of shape (runs, epochs)")
    whole, left_out = _completed(loss, epochs_run)
    curves = _smoothed(whole)
    mean = np.mean(curves, axis=0)
    lowest = int(np.argmin(mean))
    within = [e for e in range(lowest + 1) if _within_one_error(curves[:, e] - curves[:, lowest], None)]
    value, runs = within[0] + 1, len(curves)
    seeds = f"over {runs} seeds" if runs > 1 else "of one seed"
    reason = f"The mean validation loss {seeds} is lowest after epoch {lowest + 1} of {len(mean)}"
    reason += f" ({mean[lowest]:.4f})"
    if value <= lowest:
        reason += f", and within one standard error of that from epoch {value}"
    if lowest == len(mean) - 1 and len(mean) > 1:
        reason += "; it was still falling at the end"
    if left_out:
        reason += f"; {left_out} of {len(loss)} runs diverged and are left out"
    return Choice(value, lowest + 1, tuple(e + 1 for e in within), reason + ".")


def improving(val_loss: Array) -> bool:
    """Whether the mean validation curve, shape `(runs, epochs)`, ends in a fall that is worth going on for.

    Runs that ended early or diverged are left out.
    """
    whole = val_loss[np.isfinite(val_loss).all(axis=1)]
    if not len(whole) or whole.shape[1] < 3:
        return False
    mean = np.mean(_smoothed(whole), axis=0)
    return expected_gain(mean) >= WORTH_TELLING * abs(float(mean[-1]))


def _within_one_error(d: Array, resampled: tuple[int, int] | None) -> bool:
    """Whether the mean of paired differences, shape `(n,)`, is no larger than its standard error."""
    if len(d) < 2:
        return bool(np.mean(d) <= 0)
    ratio = resampled[1] / resampled[0] if resampled else 0.0
    return bool(np.mean(d) <= np.std(d, ddof=1) * math.sqrt(1 / len(d) + ratio))


def _completed(loss: Array, epochs_run: Array | None) -> tuple[Array, int]:
    """Curves without gaps, shape `(runs, epochs)`, and how many runs were left out: see `epochs`."""
    columns, top = np.arange(loss.shape[1]), np.max(loss[np.isfinite(loss)])
    ends = np.zeros(len(loss)) if epochs_run is None else np.asarray(epochs_run)
    diverged = np.any(np.isinf(loss) | (np.isnan(loss) & (columns < ends[:, None])), axis=1)
    diverged |= ~np.isfinite(loss).any(axis=1)
    if diverged.all():
        return np.where(np.isfinite(loss), loss, top), 0
    loss = loss[~diverged]
    last = np.maximum.accumulate(np.where(np.isfinite(loss), columns, 0), axis=1)
    held = np.take_along_axis(loss, last, axis=1)
    return np.where(np.isfinite(held), held, top), int(diverged.sum())  # a curve that starts late starts at the top


def _smoothed(curves: Array) -> Array:
    """Each epoch averaged with its neighbours, shape `(runs, epochs)`; at the ends it stands in for the missing."""
    padded = np.pad(curves, ((0, 0), (1, 1)), mode="edge")
    return 0.25 * padded[:, :-2] + 0.5 * curves + 0.25 * padded[:, 2:]
