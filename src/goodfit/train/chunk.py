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

    Args:
        program: What they share.
        lanes: The lanes.
        size: How many the program is compiled for; missing ones are filled up and stay idle.
        x: Encoded rows on the device.
        y: Class indices on the device, `(rows,)`.
        stream: The batches that they see.
        sample_weight: A weight of each row in training, `(rows,)`, if any.
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
        look: bool = False,
    ):
        self.program, self.lanes, self.x, self.y, self.stream = program, lanes, x, y, stream
        full = [*lanes, *[lanes[-1]] * (size - len(lanes))]
        networks = {id(lane.network): lane.network for lane in full}
        penalties = {i: lane_form.penalties(n.model) for i, n in networks.items()}
        member = np.stack([lane.member for lane in full])
        self.constants = program.constants(
            [lane.network for lane in full],
            [penalties[id(lane.network)] for lane in full],
            [lane.seed for lane in full],
            member,
            sample_weight,
        )
        self.state = program.start([initial.weights(lane.network, lane.seed) for lane in full], self.constants)
        self.blocks = padded(stream.used, plan.evaluation_rows(lanes[0].network, size))
        self.limits = np.asarray([lane.network.epochs for lane in full])
        self.patience = np.asarray([lane.network.patience or 0 for lane in full])
        self.stops = (self.patience > 0) & (member == VALIDATION).any(1)
        self.active = np.arange(size) < len(lanes)
        self.best: Any = jax.tree.map(jnp.copy, program.kept(self.state)) if self.stops.any() else None
        self.best_loss = np.full(size, np.inf)
        self.best_epoch = np.zeros(size, int)
        self.epoch = 0
        self.epochs = int(self.limits[: len(lanes)].max())
        self.probe = Probe(program.inside if look else None, x, y, stream.rows, size)
        self.names = (*CURVES, *program.metrics.names, *self.probe.names)
        self.curves = np.full((len(self.names), self.epochs, size), np.nan)

    def step(self) -> dict[str, Array]:
        """Train and evaluate one epoch; returns each of `CURVES` after it, `(lanes,)`."""
        program, was = self.program, self.active
        self.epoch += 1
        order = self.stream.epoch(self.epoch)
        before = self.probe.before(self.state, self.epoch)
        self.state, running = program.epoch(self.state, self.constants, jnp.asarray(was), self.x, self.y, order)
        measured = program.evaluate(program.kept(self.state), self.constants, self.x, self.y, self.blocks)
        seen = self.probe.after(before, self.state)
        values = {k: np.asarray(v, np.float64) for k, v in {**running, **measured, **seen}.items()}
        self.curves[:, self.epoch - 1] = [np.where(was, values.get(k, np.nan), np.nan) for k in self.names]
        sound = np.isfinite(values["loss"]) & np.isfinite(values["train_loss"])
        better = was & sound & (values["val_loss"] < self.best_loss) & self.stops
        self.best_loss = np.where(better, values["val_loss"], self.best_loss)
        self.best_epoch = np.where(better, self.epoch, self.best_epoch)
        if better.any():
            self.best = program.keep(self.best, program.kept(self.state), jnp.asarray(better))
        out_of_patience = self.stops & (self.epoch - self.best_epoch >= self.patience)
        self.active = was & sound & (self.epoch < self.limits) & ~out_of_patience
        return {k: v[: len(self.lanes)] for k, v in zip(self.names, self.curves[:, self.epoch - 1], strict=True)}

    @property
    def done(self) -> bool:
        """Whether no lane goes on."""
        return not self.active.any()

    def tree(self) -> dict[str, Any]:
        """All that changes, for a checkpoint."""
        names = ("state", "best", "best_loss", "best_epoch", "active", "epoch", "curves")
        return {k: getattr(self, k) for k in names}

    def restore(self, tree: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        for name, value in tree.items():
            setattr(self, name, value)
        self.epoch = int(self.epoch)
        self.state, self.best = jax.tree.map(jnp.asarray, (self.state, self.best))

    def finish(self, keep: Callable[[Lane], bool]) -> list[Trained]:
        """The trained runs, with weights where `keep` says so; lanes with patience come with their best."""
        final = self.program.kept(self.state)
        if self.best is not None:
            final = self.program.keep(self.best, final, jnp.asarray(~self.stops))
        rate, out = CURVES.index("learning_rate"), []
        for i, lane in enumerate(self.lanes):
            ran = int(np.flatnonzero(~np.isnan(self.curves[rate, :, i])).max(initial=-1)) + 1
            curves = {k: self.curves[j, :ran, i] for j, k in enumerate(self.names)}
            weights = self.program.weights(final, i) if keep(lane) else None
            out.append(Trained(lane.variant, lane.seed, curves, int(self.best_epoch[i]) or ran, weights))
        return out


def stream(rows: Array, batch: int, seed: int, epoch: int) -> Array:
    """The batches of an epoch: a shuffle of `rows` by seed and epoch, int32 `(steps, batch)`, -1 where not full."""
    return padded(np.random.default_rng([seed, epoch]).permutation(rows), batch)


def padded(rows: Array, width: int) -> Array:
    """Rows in lines of `width`, the last filled up with -1."""
    width = min(width, len(rows))
    lines = -(-len(rows) // width)
    return np.pad(rows, (0, lines * width - len(rows)), constant_values=-1).reshape(lines, width).astype(np.int32)
