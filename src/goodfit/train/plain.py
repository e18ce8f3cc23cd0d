"""Plain networks whole: an epoch of training, or a pass of evaluation, in one call of the C++ extension.

A plain network is a stack of dense layers, batch normalisation, ReLU and dropout, ends in sigmoid or softmax with its
cross-entropy, and is trained by SGD, RMSprop or Adam: what a `Recipe` makes. Its lanes are small and their steps many,
so that most of the time would go into starting XLA's operations and carrying weights between memory and processor.
Here a thread trains one lane for a whole epoch, with all that it needs in its own cache. The numbers are those of the
general way (`Program`), to float32 rounding; whatever is not plain, and every accelerator, goes the general way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np

from goodfit.models import lane_layers, noise
from goodfit.models.lane_form import LaneForm
from goodfit.train import kernels, rules
from goodfit.train.fused import SLOT_NAMES
from goodfit.train.kernels import SparseRows

State = dict[str, Any]

_DENSE, _NORMALIZATION, _RELU, _DROPOUT, _SIGMOID, _SOFTMAX = range(6)  # as in native/plain.h
WIDEST = 128
"""Units of a layer at most: wider ones are matrix products, which XLA is good at."""
_TILES = (4, 8, 16, 32)
_ROWS = 1 << 16
"""Rows of a batch at most."""


@dataclass(frozen=True, eq=False)
class Plain:
    """How the extension is told a network.

    Attributes:
        form: The lane form.
        layers: Operation, inputs, units and what else there is of each layer, int32 `(4 * layers,)`.
        numbers: Two numbers of each layer, float32 `(2 * layers,)`.
        rule: The optimizer's rule, one of `kernels.SLOTS`.
        inputs: Words or columns of the rows.
        weights: Which trainable variable of the lane form each weight is; -1 is the taken-out kernel.
        slots: Place among the optimizer's variables of each weight's slots, kind by kind; -1 for the taken-out kernel.
        statistics: Which non-trainable variable each moving statistic is.
        salts: The salt of each dropout layer's noise, and the key of its rate.
        iterations: Place among the optimizer's variables of the number of its steps.
    """

    form: LaneForm
    layers: np.ndarray
    numbers: np.ndarray
    rule: str
    inputs: int
    weights: tuple[int, ...]
    slots: tuple[tuple[int, ...], ...]
    statistics: tuple[int, ...]
    salts: tuple[tuple[int, str], ...]
    iterations: int

    def fits(self, x: Any, lanes: State, batch: int) -> bool:
        """Whether the extension is there, and these rows and lanes are what it knows."""
        if self.form.first is not None:
            rows = isinstance(x, SparseRows) and x.features == self.inputs
        else:
            rows = getattr(x, "shape", ())[1:] == (self.inputs,) and x.dtype == jnp.float32
        return (
            rows
            and batch <= _ROWS
            and not {"class_weight", "sample_weight"} & lanes.keys()
            and kernels.native("goodfit_plain_train")
        )

    def epoch(self, state: State, lanes: State, active: jax.Array, x: Any, y: jax.Array, order: jax.Array) -> Any:
        """As `Program` trains an epoch: the state, and sums of loss, right answers and rows, `(lanes,)` each."""
        steps, count = order.shape[0], active.shape[0]
        iterations = state["optimizer"][self.iterations].astype(jnp.int32)
        keys = jax.vmap(
            lambda seed: jax.vmap(
                lambda step: (
                    jnp.stack([noise.key(noise.key(seed, step), salt) for salt, _ in self.salts])
                    if self.salts
                    else jnp.zeros(0, jnp.uint32)
                )
            )(state["step"] + jnp.arange(steps))
        )(lanes["seed"])
        at = [len(self.form.trainable) if w < 0 else w for w in self.weights]  # the taken-out kernel's stand last
        rates = [lanes["rates"][name] for _, name in self.salts]
        arrays = self._arrays(state, state["optimizer"], state["slots"])
        shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arrays]
        results = [jax.ShapeDtypeStruct((count, 3), jnp.float32), jax.ShapeDtypeStruct((count,), jnp.int32), *shapes]
        given = (
            *_rows(x), y, order, lanes["member"], active.astype(jnp.uint8), keys,
            self._coefficients(lanes, iterations, steps),
            jnp.stack([lanes["l1"][:, at], lanes["l2"][:, at]]),
            jnp.stack(rates, 1) if rates else jnp.zeros((count, 0)),
            lanes["smoothing"],
        )  # fmt: skip
        aliases = {len(given) + i: 2 + i for i in range(len(arrays))}
        call = jax.ffi.ffi_call("goodfit_plain_train", results, input_output_aliases=aliases)
        sums, moved, *new = call(*given, *arrays, **self._told(), rule=np.int64(rules.NATIVE[self.rule]))
        out = self._put(state, new)
        out["optimizer"][self.iterations] = state["optimizer"][self.iterations] + moved
        out["step"] = state["step"] + steps
        return out, (sums[:, 0], sums[:, 1], sums[:, 2])

    def evaluate(self, kept: State, lanes: State, x: Any, y: jax.Array, blocks: jax.Array) -> Any:
        """Sums of loss, right answers and rows, `(lanes, 2)` each: over training and over validation rows."""
        shape = jax.ShapeDtypeStruct((*lanes["member"].shape[:1], 2, 3), jnp.float32)
        arrays = self._arrays(kept, [], ())
        sums = jax.ffi.ffi_call("goodfit_plain_evaluate", shape)(
            *_rows(x), y, blocks, lanes["member"], *arrays, **self._told()
        )
        return sums[..., 0], sums[..., 1], sums[..., 2]

    def _told(self) -> dict[str, Any]:
        return {"layers": self.layers, "numbers": self.numbers, "features": np.int64(self.inputs)}

    def _arrays(self, state: State, optimizer: list[jax.Array], slots: Sequence[jax.Array]) -> list[jax.Array]:
        """Weights, their slots kind by kind, moving statistics."""
        out = [state["first"] if w < 0 else state["trainable"][w] for w in self.weights]
        for kind, places in enumerate(self.slots if optimizer else ()):
            out += [slots[kind] if p < 0 else optimizer[p] for p in places]
        return out + [state["non_trainable"][i] for i in self.statistics]

    def _put(self, state: State, arrays: list[jax.Array]) -> State:
        """A state with these arrays in their places."""
        out = {**state, **{k: list(state[k]) for k in ("trainable", "non_trainable", "optimizer", "slots")}}
        new = iter(arrays)
        for w in self.weights:
            if w < 0:
                out["first"] = next(new)
            else:
                out["trainable"][w] = next(new)
        for kind, places in enumerate(self.slots):
            for p in places:
                if p < 0:
                    out["slots"][kind] = next(new)
                else:
                    out["optimizer"][p] = next(new)
        for i in self.statistics:
            out["non_trainable"][i] = next(new)
        return {**out, "slots": tuple(out["slots"])}

    def _coefficients(self, lanes: State, iterations: jax.Array, steps: int) -> jax.Array:
        """What each step of each lane multiplies by, float32 `(lanes, steps, 2)`: `rate` and `decay` of `rules`."""
        zero = jnp.zeros_like(lanes["learning_rate"])
        hyper = dict.fromkeys(kernels.HYPER, zero) | {k: lanes[k] for k in ("learning_rate", "weight_decay")}

        def of(step: jax.Array) -> jax.Array:
            c = rules.coefficients(self.rule, hyper, iterations + step)
            return jnp.stack([c["rate"], c["decay"]], -1)

        return jnp.moveaxis(jax.vmap(of)(jnp.arange(steps)), 0, 1)


def of(form: LaneForm, optimizer: keras.optimizers.Optimizer, rule: str | None) -> Plain | None:
    """A plain network's description, or None for any other.

    Args:
        form: The lane form.
        optimizer: The optimizer, built on the form's trainable variables, with a learning rate that is a number.
        rule: What the optimizer does, one of `kernels.SLOTS`, or None.
    """
    network, model = form.network, form.model
    loss, units = network.loss, network.objective.units
    ends = {
        keras.losses.BinaryCrossentropy: (_SIGMOID, keras.activations.sigmoid),
        keras.losses.CategoricalCrossentropy: (_SOFTMAX, keras.activations.softmax),
    }
    end = ends.get(type(loss))
    if rule not in SLOT_NAMES or end is None or (units == 1) != (end[0] == _SIGMOID):
        return None
    if (
        loss.reduction != "sum_over_batch_size"
        or loss.get_config().get("from_logits")
        or network.objective.threshold != 0.5
    ):
        return None
    if type(model) is not keras.Sequential or len(model.inputs[0].shape) != 2:
        return None
    if any(layer.compute_dtype != "float32" for layer in model.layers):
        return None
    if any(v.dtype != "float32" or v.regularizer or v.constraint for v in model.trainable_variables):
        return None
    parts = _parts(model, *end)
    inputs = network.model.inputs[0].shape[-1]
    if not parts or parts[0].operation != _DENSE or inputs is None:
        return None
    place = {id(v): i for i, v in enumerate(model.trainable_variables)}
    still = {id(v): i for i, v in enumerate(model.non_trainable_variables)}
    if any(id(v) not in place for part in parts for v in part.own if v is not None):
        return None  # frozen
    weights = [-1 if v is None else place[id(v)] for part in parts for v in part.own]
    salts = [part.noise for part in parts if part.noise is not None]
    layers: list[int] = []
    now = inputs
    for part in parts:
        extra = part.extra if part.noise is None else salts.index(part.noise)
        layers += [part.operation, now, part.units or now, extra]
        now = part.units or now
    tiled = form.first is None or layers[2] <= max(_TILES) or kernels.tile_width(layers[2]) in _TILES
    if now != units or max(layers[2::4]) > WIDEST or not tiled:
        return None
    kinds = [getattr(optimizer, name) for name in SLOT_NAMES[rule]]
    known = {id(v): i for i, v in enumerate(optimizer.variables)}
    slots = tuple(tuple(-1 if w < 0 else known[id(kind[w])] for w in weights) for kind in kinds)
    return Plain(
        form=form,
        layers=np.asarray(layers, np.int32),
        numbers=np.asarray([n for part in parts for n in part.numbers], np.float32),
        rule=rule,
        inputs=int(inputs),
        weights=tuple(weights),
        slots=slots,
        statistics=tuple(still[id(v)] for part in parts for v in part.moving),
        salts=tuple(salts),
        iterations=known[id(optimizer.iterations)],
    )


class _Part(NamedTuple):
    """An operation of a plain network.

    Attributes:
        operation: One of those above.
        units: Of its output; 0 leaves them as they are.
        extra: Which weights there are, as native/plain.cpp has it.
        numbers: Momentum and epsilon of a normalisation.
        own: Its trainable variables; None is the taken-out kernel.
        moving: Its moving statistics.
        noise: The salt of a dropout layer's noise, and the key of its rate.
    """

    operation: int
    units: int = 0
    extra: int = 0
    numbers: tuple[float, float] = (0.0, 0.0)
    own: tuple[Any, ...] = ()
    moving: tuple[Any, ...] = ()
    noise: tuple[int, str] | None = None


def _parts(model: keras.Sequential, last: int, end: Any) -> list[_Part] | None:
    """What a network does, operation by operation; None if it is not plain.

    Args:
        model: A lane form.
        last: The operation that it must end with.
        end: The activation that is this operation.
    """
    out: list[_Part] = []
    for i, layer in enumerate(model.layers):
        kind = type(layer)
        if layer.activity_regularizer is not None:
            return None
        if kind is lane_layers.LaneHead and i == 0 and not hasattr(layer, "kernel"):
            out.append(_Part(_DENSE, layer.units, int(layer.dense_bias), own=(None, *layer.variables)))
        elif kind is lane_layers.LaneDense:
            out.append(_Part(_DENSE, layer.units, int(layer.use_bias), own=tuple(layer.variables)))
        elif kind is lane_layers.LaneBatchNormalization and layer.trainable and not layer.renorm:
            own = tuple(v for v in (layer.gamma, layer.beta) if v is not None)
            there = int(layer.gamma is not None) + 2 * int(layer.beta is not None)
            moving = layer.moving_mean, layer.moving_variance
            out.append(_Part(_NORMALIZATION, 0, there, (layer.momentum, layer.epsilon), own, moving))
        elif kind is lane_layers.LaneDropout and not layer.shared:
            out.append(_Part(_DROPOUT, noise=(layer.salt, layer.rate_name)))
        elif kind is not keras.layers.Activation:
            return None
        activation = getattr(layer, "activation", keras.activations.linear)
        if i == len(model.layers) - 1:
            return [*out, _Part(last)] if activation is end else None
        if activation is keras.activations.relu:
            out.append(_Part(_RELU))
        elif activation is not keras.activations.linear:
            return None
    return None


def _rows(x: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Rows as the extension takes them: three arrays of sparse ones, or none, none and the dense ones."""
    empty = jnp.zeros(0, jnp.int32)
    return x.arrays if isinstance(x, SparseRows) else (empty, empty, x)
