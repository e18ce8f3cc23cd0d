"""Networks that cannot be lanes: Keras trains them itself, one run after the other.

A run sees its own rows in the order of the lanes' stream, a batch size at a time: two shapes to compile for, where the
batches of a lane, which are cut before its rows are picked, would make many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from goodfit.errors import ModelError, first_line
from goodfit.models import lane_form
from goodfit.models.network import Network
from goodfit.train import kernels
from goodfit.train.kernels import SparseRows
from goodfit.train.lane import TRAIN, VALIDATION
from goodfit.train.metrics import Metrics

Array = np.ndarray
State = dict[str, Any]


class Single:
    """A `Program` of one lane whose steps are `keras.Model.train_on_batch` on the lane's own rows.

    Args:
        network: A network of the structure; each network gets a model of its own, which all its seeds share.
    """

    def __init__(self, network: Network):
        self.objective = network.objective
        self.metrics = Metrics(network.metrics, network.objective)
        self.network = network
        self.inside = None
        self.model: keras.Model | None = None

    # -- state ---------------------------------------------------------------------------------------------------

    def constants(
        self,
        networks: Sequence[Network],
        penalties: Sequence[tuple[Array, Array]],
        seeds: Sequence[int],
        member: Array,
        sample_weight: jax.Array | None = None,
    ) -> State:
        """As in `Program`, of the only lane."""
        (network,) = networks
        if network is not self.network:
            self.network, self.model = network, None
        weight = np.ones(member.shape[1], np.float32) if sample_weight is None else np.asarray(sample_weight)
        weighted = sample_weight is not None or network.class_weight is not None
        return {"seed": seeds[0], "member": member[0], "sample_weight": weight if weighted else None}

    def start(self, weights: Sequence[Sequence[Array]], lanes: State) -> State:
        """As in `Program`."""
        network = self.network
        if self.model is None:
            model = self.model = lane_form.to_stock(network, list(weights[0]))
            kept = [_OwnLoss(self.objective, network.label_smoothing), _Right(self.objective)]
            model.compile(model.optimizer, model.loss, weighted_metrics=kept, run_eagerly=network.eager)
            model.optimizer.build(model.trainable_variables)
            self.fresh = [np.asarray(v.value) for v in model.optimizer.variables]
        model = self.model
        for variable, value in zip(model.weights, weights[0], strict=True):
            variable.assign(value)
        known = {id(v) for v in model.weights}
        generators = [v for v in model.non_trainable_variables if id(v) not in known]
        for salt, variable in enumerate(generators):
            variable.assign(np.asarray([lanes["seed"], salt]).astype(variable.dtype).reshape(variable.shape))
        for variable, value in zip(model.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)
        if type(model.optimizer).__name__ == "ScheduleFreeAdamW":
            for slot, variable in zip(model.optimizer._momentums, model.trainable_variables, strict=True):
                slot.assign(variable)
        return {**self._read(), "first": None, "slots": (), "step": 0}

    def _read(self) -> State:
        assert self.model is not None  # `start` has been called
        parts = {
            "trainable": self.model.trainable_variables,
            "non_trainable": self.model.non_trainable_variables,
            "optimizer": self.model.optimizer.variables,
        }
        return {k: [np.asarray(v.value)[None] for v in variables] for k, variables in parts.items()}

    def _write(self, state: State) -> keras.Model:
        assert self.model is not None
        parts = {
            "trainable": self.model.trainable_variables,
            "non_trainable": self.model.non_trainable_variables,
            "optimizer": self.model.optimizer.variables,
        }
        for name, variables in parts.items():
            for variable, value in zip(variables, state.get(name, ()), strict=False):
                variable.assign(np.asarray(value)[0])
        return self.model

    def weights(self, state: State, lane: int) -> list[Array]:
        """As in `Program`."""
        assert self.model is not None
        values = {id(v): a for v, a in zip(self.model.trainable_variables, state["trainable"], strict=True)}
        values |= {id(v): a for v, a in zip(self.model.non_trainable_variables, state["non_trainable"], strict=True)}
        return [np.asarray(values[id(v)][lane]) for v in self.model.weights]

    def kept(self, state: State) -> State:
        """As in `Program`."""
        kept = {k: state[k] for k in ("trainable", "non_trainable", "first")}
        assert self.model is not None
        if self.model.optimizer.use_ema:
            places = {id(v): i for i, v in enumerate(self.model.optimizer.variables)}
            averages = self.model.optimizer._model_variables_moving_average
            kept["trainable"] = [state["optimizer"][places[id(v)]] for v in averages]
        return kept

    def keep(self, best: State, state: State, better: Any) -> State:
        """As in `Program`."""
        return state if bool(np.asarray(better)[0]) else best

    # -- training ------------------------------------------------------------------------------------------------

    def epoch(self, state: State, lanes: State, active: Any, x: Any, y: Any, order: Array) -> Any:
        """As in `Program`; layers that keep state in Python keep it.

        What a `train_step` of one's own does not tell is left out.
        """
        model, labels, logs = self._write(state), np.asarray(y), dict[str, Any]()
        sums = np.zeros(3)
        own_rows = order[(order >= 0) & (lanes["member"][order] == TRAIN)]
        for own in np.split(own_rows, range(self.network.batch_size, len(own_rows), self.network.batch_size)):
            weight = lanes["sample_weight"]
            if weight is not None:
                scale = np.asarray(self.network.class_weight or (1.0,) * self.network.classes, np.float32)
                weight = weight[own] * scale[labels[own]]
            logs = self._trained(self._inputs(x, own), self._truth(labels[own]), weight)
            loss, right = (float(logs.get(k, np.nan)) for k in (_OwnLoss.NAME, _Right.NAME))
            loss = loss if np.isfinite(loss) else float(logs.get("loss", np.nan))
            sums += len(own) * np.asarray([loss, right, 1])
        loss, right, count = sums
        rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        values = {"loss": loss / count, "accuracy": right / count, "learning_rate": rate}
        state = {**self._read(), "first": None, "slots": (), "step": state["step"] + len(order)}
        return state, {k: np.asarray([v]) for k, v in values.items() if np.isfinite(v) or k in logs}

    def _trained(self, x: Any, y: Array, weight: Array | None) -> dict[str, Any]:
        """One step of Keras's; what it gives."""
        assert self.model is not None
        try:
            return self.model.train_on_batch(x, y, sample_weight=weight, return_dict=True)
        except Exception as error:
            what = f"Keras cannot train the model {self.model.name!r} on JAX"
            raise ModelError(what, received=first_line(error)) from error

    def evaluate(self, kept: State, lanes: State, x: Any, y: Any, blocks: Array) -> dict[str, Array]:
        """As in `Program`."""
        aim = self.objective
        now = self._read()
        model = self._write(kept)
        outs = [model.predict_on_batch(self._inputs(x, np.maximum(rows, 0))) for rows in blocks]
        self._write(now)
        rows = blocks.ravel()
        out = jnp.asarray(np.concatenate(outs))[rows >= 0]
        rows = rows[rows >= 0]
        labels = jnp.asarray(y)[rows]
        metrics = jax.tree.map(lambda v: v[0], self.metrics.start(1))
        masks = jnp.stack([lanes["member"][rows] == role for role in (TRAIN, VALIDATION)])
        right = aim.right(out, labels)
        whole = aim.rows(out, labels, 0.0) if aim.kind == "rows" else None
        values: dict[str, list[float]] = {"loss": [], "accuracy": []}
        for own in masks:
            some = bool(own.any())
            loss = (
                whole[own].mean()
                if whole is not None
                else aim.loss.call(aim.targets(labels[own], 0.0), out[own]).mean()
            )
            values["loss"].append(float(loss) if some else np.nan)
            values["accuracy"].append(float(right[own].mean()) if some else np.nan)
        found = self.metrics.results(jax.tree.map(lambda v: v[None], self.metrics.update(metrics, out, labels, masks)))
        values |= {k: [float(v) for v in np.asarray(a)[0]] for k, a in found.items()}
        names = ("train", "val")
        return {f"{role}_{k}": np.asarray([v[i]]) for i, role in enumerate(names) for k, v in values.items()}

    def _inputs(self, x: Any, rows: Array) -> Any:
        assert self.model is not None
        if isinstance(x, SparseRows):
            return np.asarray(kernels.dense(x, jnp.asarray(rows)))
        if isinstance(x, tuple):
            return keras.tree.pack_sequence_as(self.model.input, [np.asarray(a)[rows] for a in x])
        return np.asarray(x)[rows]

    def _truth(self, y: Array) -> Array:
        """Class indices as the stock model's loss wants them."""
        assert self.model is not None
        if isinstance(self.model.loss, keras.losses.SparseCategoricalCrossentropy) or self.objective.takes == "indices":
            return y
        return np.asarray(self.objective.targets(jnp.asarray(y), 0.0))


class _Mean(keras.metrics.Metric):
    """A mean over the rows of a batch."""

    NAME = ""

    def __init__(self, objective: Any):
        super().__init__(name=self.NAME)
        self.objective = objective
        self.total = self.add_variable((), "zeros", name="total")
        self.count = self.add_variable((), "zeros", name="count")

    def values(self, out: Any, y: Any, weight: Any) -> Any:
        """What is summed, `(batch,)`."""
        raise NotImplementedError

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        y = y_true if y_true.ndim == 1 else y_true[:, 0] if y_true.shape[1] == 1 else jnp.argmax(y_true, -1)
        weight = jnp.ones(y.shape, jnp.float32) if sample_weight is None else jnp.asarray(sample_weight)
        self.total.assign(self.total + self.values(y_pred, y.astype(jnp.int32), weight).sum())
        self.count.assign(self.count + y.shape[0])

    def result(self) -> Any:
        """The mean over rows."""
        return self.total / self.count


class _OwnLoss(_Mean):
    """The loss without penalties."""

    NAME = "own_loss"

    def __init__(self, objective: Any, smoothing: float = 0.0):
        super().__init__(objective)
        self.smoothing = smoothing

    def values(self, out: Any, y: Any, weight: Any) -> Any:
        """Weighted losses."""
        aim = self.objective
        if aim.kind == "rows":
            return aim.rows(out, y, self.smoothing) * weight
        return aim.loss.call(aim.targets(y, self.smoothing), out) * weight


class _Right(_Mean):
    """Accuracy."""

    NAME = "own_accuracy"

    def values(self, out: Any, y: Any, weight: Any) -> Any:
        """1 where the likeliest class is the right one."""
        return self.objective.right(out, y).astype(jnp.float32)
