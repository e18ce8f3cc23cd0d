"""Keras metrics measured for every lane, on its training and on its validation rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from goodfit.errors import ModelError
from goodfit.models import measures
from goodfit.models.objective import Objective


class Metrics:
    """Some Keras metrics in their stateless form; each is given what its kind takes (class indices or targets).

    Args:
        metrics: Stock metrics; they stay as they are.
        objective: Tells how many units the output has.

    Raises:
        ModelError: One of them cannot be measured.
    """

    def __init__(self, metrics: Sequence[keras.metrics.Metric], objective: Objective):
        self.units = objective.units
        for metric in metrics:
            if (why := measures.trouble(metric, self.units)) is not None:
                raise ModelError(f"the metric {metric.name} cannot be measured", received=why)
        self.metrics = [measures.copied(m) for m in metrics]
        y = np.arange(4) % max(self.units, 2)
        out = np.full((4, self.units), 1 / self.units, np.float32)
        for metric in self.metrics:  # some make their variables when they are first used
            with measures.quietly():
                metric.update_state(measures.truth(metric, jnp.asarray(y), self.units), out)
            metric.reset_state()
        self.names = tuple(f"{role}_{m.name}" for role in ("train", "val") for m in self.metrics)

    def start(self, lanes: int) -> list[list[jax.Array]]:
        """Fresh variables of each metric, `(lanes, 2, ...)`: for training rows, for validation rows."""
        return [[jnp.broadcast_to(v.value, (lanes, 2, *v.shape)) for v in m.variables] for m in self.metrics]

    def update(self, state: Any, out: jax.Array, y: jax.Array, masks: jax.Array) -> Any:
        """One lane's variables after a block.

        Args:
            state: The lane's part of `start`.
            out: The model's output, `(batch, units)`.
            y: Class indices, `(batch,)`.
            masks: Bool `(2, batch)`: its training rows, its validation rows.
        """
        new = []
        for metric, variables in zip(self.metrics, state, strict=True):

            def one(variables: Any, mask: jax.Array, metric: keras.metrics.Metric = metric) -> Any:
                truth, weight = measures.truth(metric, y, self.units), measures.weight(metric, mask)
                with measures.quietly():
                    return metric.stateless_update_state(variables, truth, out, sample_weight=weight)

            new.append(jax.vmap(one)(variables, masks))
        return new

    def results(self, state: Any) -> dict[str, jax.Array]:
        """Each metric's result, `(lanes, 2)`; the mean where it gives several, as of classes or thresholds."""
        return {
            m.name: jax.vmap(jax.vmap(lambda v, m=m: jnp.mean(m.stateless_result(v))))(variables)
            for m, variables in zip(self.metrics, state, strict=True)
        }
