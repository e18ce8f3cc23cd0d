"""Lanes that train at once, epoch by epoch: early stopping, best weights and NaN as masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from goodfit.models import initial, lane_form
from goodfit.train import plan
from goodfit.train.internals import Probe
from goodfit.train.kernels import SparseRows
from goodfit.train.lane import CURVES, TRAIN, VALIDATION, Lane, Trained
from goodfit.train.program import Program
from goodfit.train.single import Single

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Stream:
    """One stream of batches for all lanes of a structure.

    Attributes:
        rows: The rows of its batches, int32: those that any of them trains on.
        used: The rows that are evaluated, int32: those that any of them trains or validates on.
        batch: Rows of a batch, so many that a lane has about its batch size of its own among them.
        seed: Fixes the order of rows.
    """

    rows: Array
    used: Array
    batch: int
    seed: int

    @classmethod
    def of(cls, lanes: Sequence[Lane], seed: int, rows: Array | None = None) -> Stream:
        """The stream of all lanes of a structure, however they are chunked; `rows` are in it in any case."""
        size = len(lanes[0].member)
        trained, used, own, counts = np.zeros(size, bool), np.zeros(size, bool), {}, []
        if rows is not None:
            trained[rows] = True
        for lane in lanes:
            if id(lane.member) not in own:
                mine = lane.member == TRAIN
                trained |= mine
                used |= lane.member > 0
                own[id(lane.member)] = int(mine.sum())
            counts.append(own[id(lane.member)])
        share = float(np.mean(counts)) / max(int(trained.sum()), 1)
        batch = max(1, round(lanes[0].network.batch_size / max(share, 1e-9)))
        return cls(np.flatnonzero(trained).astype(np.int32), np.flatnonzero(used).astype(np.int32), batch, seed)

    def epoch(self, epoch: int) -> Array:
        """The batches of an epoch, counted from 1, int32 `(steps, batch)`, -1 where the last is not full."""
        return stream(self.rows, self.batch, self.seed, epoch)


class Chunk:
    """Lanes of one program, from their first epoch to their last.

    A program has a number of places. At first each lane has one; places over stay idle. When lanes are done the others
    may go on in a program with fewer places.

    Args:
        program: What they share.
        lanes: The lanes.
        size: How many places the program is compiled for.
        x: Encoded rows on the device.
        y: Class indices on the device, `(rows,)`.
        stream: The batches that they see.
        sample_weight: A weight of each row in training, `(rows,)`, if any.
        keep: For which lanes weights are wanted.
        look: Whether to look inside the lanes.
    """

    def __init__(
        self,
        program: Program | Single,
        lanes: Sequence[Lane],
        size: int,
        x: Any,
        y: jax.Array,
        stream: Stream,
        sample_weight: jax.Array | None = None,
        *,
        keep: Callable[[Lane], bool] = lambda lane: False,
        look: bool = False,
    ):
        self.program, self.lanes, self.x, self.y, self.stream = program, lanes, x, y, stream
        count = len(lanes)
        self.size, self.at = size, np.arange(count)
        full = [*lanes, *[lanes[-1]] * (size - count)]
        networks = {id(lane.network): lane.network for lane in full}
        penalties = {i: lane_form.penalties(n.model) for i, n in networks.items()}
        self.constants = program.constants(
            [lane.network for lane in full],
            [penalties[id(lane.network)] for lane in full],
            [lane.seed for lane in full],
            np.stack([lane.member for lane in full]),
            sample_weight,
        )
        self.state = program.start([initial.weights(lane.network, lane.seed) for lane in full], self.constants)
        self.blocks = padded(stream.used, plan.evaluation_rows(lanes[0].network, size, isinstance(x, SparseRows)))
        self.limits = np.asarray([lane.network.epochs for lane in lanes])
        self.patience = np.asarray([lane.network.patience or 0 for lane in lanes])
        self.stops = (self.patience > 0) & np.asarray([(lane.member == VALIDATION).any() for lane in lanes])
        self.active = np.ones(count, bool)
        self.best: Any = _copied(program.kept(self.state)) if self.stops.any() else None
        self.best_loss = np.full(count, np.inf)
        self.best_epoch = np.zeros(count, int)
        self.epoch = 0
        self.epochs = int(self.limits.max())
        probe = plan.probe_rows(lanes[0].network, stream.batch)
        self.probe = Probe(program.inside if look else None, x, y, stream.rows, size, probe)
        self.names = (*CURVES, *program.metrics.names, *self.probe.names)
        self.curves = np.full((len(self.names), self.epochs, count), np.nan)
        none = [np.zeros(0, np.float32)] * len(lanes[0].network.model.weights)
        self.weights = {i: none for i, lane in enumerate(lanes) if keep(lane)}  # of those that have left

    def step(self) -> dict[str, Array]:
        """Train and evaluate one epoch; returns each of `CURVES` after it, `(lanes,)`."""
        program, was = self.program, self.active
        self.epoch += 1
        order = self.stream.epoch(self.epoch)
        before = self.probe.before(self.state, self.epoch)
        moving = jnp.asarray(self._placed(was))
        self.state, running = program.epoch(self.state, self.constants, moving, self.x, self.y, order)
        jax.block_until_ready(running)  # else what is compiled next hides the time that it takes
        measured = program.evaluate(program.kept(self.state), self.constants, self.x, self.y, self.blocks)
        seen = self.probe.after(before, self.state)
        told = {k: measured[f"train_{k}"] for k in ("loss", "accuracy")} | running  # a model may tell no running ones
        values = {k: self._of_lanes(np.asarray(v, np.float64)) for k, v in {**told, **measured, **seen}.items()}
        self.curves[:, self.epoch - 1] = [np.where(was, values.get(k, np.nan), np.nan) for k in self.names]
        sound = np.isfinite(values["loss"]) & np.isfinite(values["train_loss"])
        better = was & sound & (values["val_loss"] < self.best_loss) & self.stops
        self.best_loss = np.where(better, values["val_loss"], self.best_loss)
        self.best_epoch = np.where(better, self.epoch, self.best_epoch)
        if better.any():
            self.best = program.keep(self.best, program.kept(self.state), jnp.asarray(self._placed(better)))
        self.active = was & sound & (self.epoch < self.limits) & (self.patience_left > 0)
        return dict(zip(self.names, self.curves[:, self.epoch - 1], strict=True))

    @property
    def patience_left(self) -> Array:
        """Epochs without a better one after which each lane stops, `(lanes,)`."""
        return np.where(self.stops, self.patience - (self.epoch - self.best_epoch), self.epochs)

    @property
    def certain(self) -> int:
        """Epochs that the longest lane trains at least."""
        return int(np.minimum(self.limits - self.epoch, self.patience_left)[self.active].max(initial=0))

    @property
    def done(self) -> bool:
        """Whether no lane goes on."""
        return not self.active.any()

    def leave(self, size: int) -> None:
        """Go on in a program of `size` places, with the active lanes only."""
        final: Any = self._final() if self.weights else None
        for place, lane in enumerate(self.at.tolist()):
            if lane in self.weights and not self.active[lane]:
                self.weights[lane] = self.program.weights(final, place)
        places = np.flatnonzero(self.active[self.at])
        self.at = self.at[places]
        chosen = np.pad(places, (0, size - len(places)), mode="edge")
        self.state, self.best = _picked((self.state, self.best), self.size, chosen)
        self.constants = _picked_constants(self.constants, self.size, chosen)
        self.size = self.probe.lanes = size

    def tree(self) -> dict[str, Any]:
        """All that changes, for a checkpoint."""
        names = ("state", "best", "best_loss", "best_epoch", "active", "epoch", "curves", "size", "at", "weights")
        return {k: getattr(self, k) for k in names}

    def restore(self, tree: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        whole = self.size
        for name, value in tree.items():
            setattr(self, name, value)
        self.epoch, self.size = int(self.epoch), int(self.size)
        self.probe.lanes = self.size
        self.state, self.best = jax.tree.map(jnp.asarray, (self.state, self.best))
        if self.size < whole:
            chosen = np.pad(self.at, (0, self.size - len(self.at)), mode="edge")
            self.constants = _picked_constants(self.constants, whole, chosen)

    def finish(self) -> list[Trained]:
        """The trained runs, with weights where they are wanted; lanes with patience come with their best."""
        final: Any = self._final() if self.weights else None
        places = {lane: place for place, lane in enumerate(self.at.tolist())}
        rate, out = CURVES.index("learning_rate"), []
        for i, lane in enumerate(self.lanes):
            ran = int(np.flatnonzero(~np.isnan(self.curves[rate, :, i])).max(initial=-1)) + 1
            curves = {k: self.curves[j, :ran, i] for j, k in enumerate(self.names)}
            weights = self.weights.get(i)
            if weights is not None and i in places:
                weights = self.program.weights(final, places[i])
            out.append(Trained(lane.variant, lane.seed, curves, int(self.best_epoch[i]) or ran, weights))
        return out

    def _final(self) -> Any:
        """What the lanes would end with now."""
        final = self.program.kept(self.state)
        if self.best is None:
            return final
        return self.program.keep(_copied(self.best), final, jnp.asarray(self._placed(~self.stops)))

    def _placed(self, mask: Array) -> Array:
        """A mask of lanes as one of places; idle places are False."""
        return np.pad(mask[self.at], (0, self.size - len(self.at)))

    def _of_lanes(self, values: Array) -> Array:
        """Values of places as those of lanes, NaN where one has left."""
        out = np.full(len(self.lanes), np.nan)
        out[self.at] = values[: len(self.at)]
        return out


def _copied(tree: Any) -> Any:
    """Arrays of their own, by NumPy: JAX would compile a program for each shape."""
    return jax.device_put(jax.tree.map(np.array, tree))


def _picked(tree: Any, size: int, places: Array) -> Any:
    """Some places of arrays whose first axis is places, each of them one element or several in a row; by NumPy, too."""

    def pick(a: jax.Array) -> Array | jax.Array:
        if a.ndim == 0:
            return a
        return np.asarray(a).reshape(size, -1, *a.shape[1:])[places].reshape(-1, *a.shape[1:])

    return jax.device_put(jax.tree.map(pick, tree))


def _picked_constants(constants: dict[str, Any], size: int, places: Array) -> dict[str, Any]:
    shared = {k: v for k, v in constants.items() if k == "sample_weight"}
    return {**_picked({k: v for k, v in constants.items() if k not in shared}, size, places), **shared}


def stream(rows: Array, batch: int, seed: int, epoch: int) -> Array:
    """The batches of an epoch: a shuffle of `rows` by seed and epoch, int32 `(steps, batch)`, -1 where not full."""
    return padded(np.random.default_rng([seed, epoch]).permutation(rows), batch)


def padded(rows: Array, width: int) -> Array:
    """Rows in lines of `width`, the last filled up with -1."""
    width = min(width, len(rows))
    lines = -(-len(rows) // width)
    return np.pad(rows, (0, lines * width - len(rows)), constant_values=-1).reshape(lines, width).astype(np.int32)
