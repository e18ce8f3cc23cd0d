"""A look inside lanes after an epoch: gradients, steps and units of every layer, on one probe batch for all lanes.

What is measured is what `Doctor` measures of one model: the network in inference mode, nothing trained, nothing drawn.
Two things are cheaper here. Of a kernel with many rows the steps of some evenly spread ones stand for all. And the
gradient of the kernel that is taken out for sparse rows is never built: with the probe's rows `X` and the gradient `G`
of their product with the kernel it is `X'G`, whose norm is the root of `sum((X X') * (G G'))`.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from goodfit.diagnose.internals import layers
from goodfit.diagnose.internals.record import LARGEST, SATURATED
from goodfit.diagnose.preflight.network import Part
from goodfit.models.lowering import by_kernels
from goodfit.models.network import OWN
from goodfit.models.walk import flat_layers
from goodfit.train import kernels
from goodfit.train.kernels import SparseRows
from goodfit.train.soundness import compiler_options

if TYPE_CHECKING:
    from goodfit.train.program import Program

Array = np.ndarray
State = dict[str, Any]

SAMPLE = 256
"""Rows of a kernel whose steps stand for all."""

EVERY = 60
"""How many times as many rows are trained on between two looks, so that looking takes under 3 % of the time: a look
costs about what a step on its rows costs. See benchmarks/overhead.py."""


class Inside:
    """What can be measured inside the lanes of one program.

    Args:
        program: What they share.

    Attributes:
        names: The measures, `<measure>/<layer>`, as `diagnose.internals.Internals` reads them.
    """

    def __init__(self, program: Program):
        self.program, form = program, program.form
        stock = form.network.model
        place = {id(v): i for i, v in enumerate(stock.weights)}
        at = {position: i for i, position in enumerate(form.trainable)}
        found = layers.kernels(stock)
        # Position among the lane form's trainable variables; None for the kernel that is taken out.
        self.places = [at.get(place[id(v)]) for v in found.values()]
        by_product = (None, form.head[1] if form.head and form.head[0] == "trainable" else None)
        self.inner = [p for p in self.places if p not in by_product]  # those that the model multiplies by itself
        self.hidden, self.look = _hidden(form.model)
        called = _names(stock)
        units = ["dead_units" if p.activation in layers.RELU else "saturated_units" for p in self.hidden]
        self.names = tuple(
            [f"{measure}/{called.get(name, name)}" for measure in ("gradient_norm", "weight_change") for name in found]
            + [f"{measure}/{called.get(p.name, p.name)}" for measure, p in zip(units, self.hidden, strict=True)]
        )
        options = compiler_options()
        self.sample = jax.jit(self._sample, static_argnames="lanes", compiler_options=options)
        self.measure = jax.jit(self._measure, static_argnames="lanes", compiler_options=options)

    def _sample(self, state: State, *, lanes: int) -> list[jax.Array]:
        """Some rows of every kernel, lanes first."""
        out = []
        for place in self.places:
            if place is not None:
                out.append(_some_rows(state["trainable"][place]))
            else:
                out.append(kernels.unpack(_some_rows(state["first"]), lanes))
        return out

    def _measure(
        self, before: list[jax.Array], state: State, x: Any, y: jax.Array, rows: Array, gram: Any, *, lanes: int
    ) -> jax.Array:
        """All measures, `(measures, lanes)`.

        Args:
            before: What `sample` gave before the epoch.
            state: The state after it.
            x: All rows.
            y: Class indices of all rows.
            rows: The probe's rows, int32.
            gram: `X X'` of the probe's rows where they are sparse, else None.
            lanes: How many lanes there are.
        """
        inputs, axis = self.program._inputs(self.program._first(state), x, rows, lanes)
        lane = partial(self._lane, y=y[rows], gram=gram, product=axis is not None)
        norms, shares = jax.vmap(lane, in_axes=(0, 0, axis))(state["trainable"], state["non_trainable"], inputs)
        # NaN stands for "not measured" in what is recorded, and a journal in JSON knows no infinity.
        norms = [jnp.where(jnp.isfinite(n), n, LARGEST) for n in norms]
        moved = [_change(a, b) for a, b in zip(before, self._sample(state, lanes=lanes), strict=True)]
        return jnp.stack([*norms, *moved, *shares])

    def _lane(self, trainable: Any, non_trainable: Any, inputs: Any, *, y: Any, gram: Any, product: bool) -> Any:
        """Norms of one lane's gradients, and shares of its units that are dead or outputs that are saturated."""
        model, aim = self.program.form.model, self.program.objective
        fixed = list(zip(model.non_trainable_variables, non_trainable, strict=True))

        def loss(some: list[Any], inputs: Any) -> Any:
            full = list(trainable)
            for place, value in zip(self.inner, some, strict=True):
                full[place] = value
            held = [*zip(model.trainable_variables, full, strict=True), *fixed]
            with keras.StatelessScope(state_mapping=held):
                # one output comes without a list around it
                look = by_kernels(partial(self.look, training=False), self.look)
                *hidden, out = keras.tree.flatten(look(self.program._packed(inputs)))
            return aim.total(out, y, 0.0, jnp.ones(y.shape, bool), None)[0], hidden

        wanted = [trainable[p] for p in self.inner]
        grads, hidden = jax.grad(loss, argnums=(0, 1) if product else 0, has_aux=True)(wanted, inputs)
        of_kernels, of_product = grads if product else (grads, jnp.zeros((1, 1)))
        left = iter(of_kernels)
        norms = []
        for place in self.places:
            if place not in self.inner:
                squared = jnp.sum(gram * (of_product @ of_product.T))
            else:
                squared = jnp.sum(jnp.square(next(left).astype(jnp.float32)))
            norms.append(jnp.sqrt(jnp.maximum(squared, 0)))
        return norms, [_share(p, out) for p, out in zip(self.hidden, hidden, strict=True)]


class Probe:
    """Looks inside the lanes of a chunk on a few of their rows, evenly spread, after some epochs.

    Args:
        inside: What can be measured; None where nothing can.
        x: All rows.
        y: Class indices of all rows.
        rows: The rows that are trained on.
        lanes: How many lanes there are.
        most: Rows of the probe at the most.

    Attributes:
        names: The measures.
    """

    def __init__(self, inside: Inside | None, x: Any, y: jax.Array, rows: Array, lanes: int, most: int):
        self.inside, self.x, self.y, self.lanes = inside, x, y, lanes
        self.names = () if inside is None else inside.names
        self.rows = np.asarray(rows, np.int32)[_spread(len(rows), most)]
        self.every = -(-EVERY * len(self.rows) // len(rows))
        self.gram = None
        if inside is not None and isinstance(x, SparseRows):
            dense = kernels.dense(x, jnp.asarray(self.rows))
            self.gram = dense @ dense.T

    def before(self, state: State, epoch: int) -> list[jax.Array] | None:
        """What `after` needs of the state before an epoch; None where this epoch, from 1, is passed over."""
        if self.inside is None or (epoch > 2 and epoch % self.every):  # rules need two looks
            return None
        return self.inside.sample(state, lanes=self.lanes)

    def after(self, before: list[jax.Array] | None, state: State) -> dict[str, Array]:
        """All measures after an epoch, `(lanes,)` each; none where it is passed over."""
        if self.inside is None or before is None:
            return {}
        rows = self.inside.measure(before, state, self.x, self.y, self.rows, self.gram, lanes=self.lanes)
        return dict(zip(self.names, np.asarray(rows, np.float64), strict=True))


def _names(model: keras.Model) -> dict[str, str]:
    """What layers are called where Keras named them first in this model: its own count goes on from model to model."""
    seen: dict[str, int] = {}
    out: dict[str, str] = {}
    if model.name == OWN:
        return out
    for layer in flat_layers(model):
        base = re.sub(r"_\d+$", "", layer.name)
        if base.replace("_", "") == type(layer).__name__.lower():
            out[layer.name] = f"{base}_{seen[base]}" if base in seen else base
            seen[base] = seen.get(base, 0) + 1
    return out


def _hidden(model: keras.Model) -> tuple[list[Part], Any]:
    """Hidden layers worth looking at, and a model that gives their outputs and the network's, sharing all weights."""
    seen = layers.hidden(model)
    try:
        outputs = [p.layer.output for p in seen]
    except (AttributeError, ValueError):  # a layer that is used twice
        seen, outputs = [], []
    given = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    return seen, keras.Model(given, [*outputs, model.outputs[0]], name="goodfit_probe")


def _share(part: Part, out: jax.Array) -> jax.Array:
    """Share of units that are 0 on every row and place, or of outputs at the flat ends of sigmoid or tanh."""
    if part.activation in layers.RELU:
        units = jnp.moveaxis(out, layers.units_axis(part), -1)
        return jnp.mean(units.reshape(-1, units.shape[-1]).max(axis=0) <= 0)
    low, high = SATURATED[str(part.activation)]
    return jnp.mean((out < low) | (out > high))


def _change(before: jax.Array, after: jax.Array) -> jax.Array:
    """Norm of what each lane's weights moved, over their norm before; `LARGEST` where that was 0 and they moved."""
    axes = tuple(range(1, before.ndim))
    moved = jnp.sqrt(jnp.sum(jnp.square(after - before), axes))
    size = jnp.sqrt(jnp.sum(jnp.square(before), axes))
    return jnp.where(size > 0, moved / jnp.where(size > 0, size, 1), jnp.where(moved > 0, LARGEST, 0.0))


def _some_rows(kernel: jax.Array) -> jax.Array:
    """Up to `SAMPLE` rows of every lane's kernel, `(lanes, rows, ...)`, as arrays of their own."""
    if kernel.ndim < 3 or kernel.shape[1] <= SAMPLE:
        return jnp.copy(kernel)
    return kernel[:, _spread(kernel.shape[1], SAMPLE)]


def _spread(count: int, most: int) -> Array:
    """Up to so many positions, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(int))
