"""One optimizer step of all weights of all lanes in one C++ call.

XLA makes several loops of each weight's step and copies what they share: for small networks in small batches that
takes a quarter of the time. Keras's own step stays the general road: this one is for the plain rules of `rules`, and
gives the same numbers to float32 rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import Array

from goodfit.models import copies
from goodfit.models.native import native
from goodfit.train import rules

SLOT_NAMES = {"sgd": (), "momentum": ("momentums",), "rmsprop": ("_velocities",), "adam": ("_momentums", "_velocities")}
SLOT_NAMES["adamw"] = SLOT_NAMES["adam"]
"""What Keras's optimizers call their slots, by rule."""


@dataclass(frozen=True)
class Fused:
    """Where a built Keras optimizer keeps what the step needs.

    Attributes:
        rule: One of `rules.SLOTS`.
        iterations: Place of the count of updates among the optimizer's variables.
        slots: Places of each weight's slots, kind by kind.
    """

    rule: str
    iterations: int
    slots: tuple[int, ...]

    def step(
        self, weights: list[Array], optimizer: list[Array], grads: list[Array], hyper: dict[str, Array], moving: Array
    ) -> tuple[list[Array], list[Array]]:
        """The weights and the optimizer's variables after a step.

        Args:
            weights: float32, `(lanes, ...)` each.
            optimizer: The optimizer's variables, lanes first.
            grads: The gradients of the weights, without penalties.
            hyper: `learning_rate` and `weight_decay`, `(lanes,)`; `l1` and `l2`, `(lanes, weights or more)`.
            moving: Bool `(lanes,)`; the others stay as they are.
        """
        done = optimizer[self.iterations]
        lanes, zero = moving.shape[0], jnp.zeros(moving.shape, jnp.float32)
        numbers = {k: hyper[k] for k in ("learning_rate", "weight_decay")}
        numbers |= {"l1": zero, "l2": zero, "active": moving.astype(jnp.float32)}
        c = rules.coefficients(self.rule, numbers, done.astype(jnp.int32))
        table = jnp.stack([jnp.broadcast_to(c[k], (lanes,)) for k in rules.COEFFICIENTS])
        penalties = jnp.stack([hyper["l1"][:, : len(weights)], hyper["l2"][:, : len(weights)]])
        old = [*weights, *(optimizer[at] for at in self.slots)]
        new = jax.ffi.ffi_call(
            "goodfit_optimizer_step",
            [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in old],
            input_output_aliases={2 + len(weights) + i: i for i in range(len(old))},
        )(table, penalties, *grads, *old, rule=np.int64(rules.NATIVE[self.rule]))
        out = list(optimizer)
        out[self.iterations] = done + moving.astype(done.dtype)
        for at, slot in zip(self.slots, new[len(weights) :], strict=True):
            out[at] = slot
        return list(new[: len(weights)]), out


def of(optimizer: keras.optimizers.Optimizer, variables: list[Any], rule: str | None) -> Fused | None:
    """How to take the fused step, or None where only Keras can.

    Args:
        optimizer: Built on these variables.
        variables: The trainable variables.
        rule: What the optimizer does, one of `rules.SLOTS`, or None.
    """
    plain = all(v.dtype == "float32" and v.constraint is None for v in variables)
    if rule not in SLOT_NAMES or not variables or not plain or not native("goodfit_optimizer_step"):
        return None
    place = {id(v): i for i, v in enumerate(optimizer.variables)}
    slots = tuple(place[id(v)] for kind in SLOT_NAMES[rule] for v in getattr(optimizer, kind))
    return Fused(rule, place[id(optimizer.iterations)], slots)


def rule_of(optimizer: keras.optimizers.Optimizer) -> str | None:
    """The fused rule (one of `rules.SLOTS`) that does what an optimizer does, or None."""
    config = {k: v for k, v in optimizer.get_config().items() if k not in {"name", "learning_rate", "weight_decay"}}
    name = type(optimizer).__name__.lower()
    if name == "sgd" and config.get("momentum") == 0.9:
        name = "momentum"
        config["momentum"] = 0.0
    if name not in rules.SLOTS or copies.excluded(optimizer):
        return None
    stock = type(optimizer)().get_config()
    return name if all(stock[k] == v for k, v in config.items()) else None
