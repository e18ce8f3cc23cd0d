"""Train many runs as lanes: group them by structure, chunk them, go through the epochs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from goodfit.memory import available
from goodfit.models import lane_form, obstacles
from goodfit.models.network import Network
from goodfit.train import plan
from goodfit.train.cache import keep_programs
from goodfit.train.checkpoint import Checkpoint
from goodfit.train.chunk import Chunk, Stream
from goodfit.train.kernels import SLOTS, SparseRows
from goodfit.train.lane import Lane, Progress, Trained
from goodfit.train.program import Program
from goodfit.train.single import Single
from goodfit.train.soundness import require_right_sums

Array = np.ndarray


class Stopped(KeyboardInterrupt):
    """Training was asked to stop and did so between two epochs; everything is saved."""


class Engine:
    """Trains runs side by side on one set of rows, and keeps what it compiled.

    Args:
        x: Encoded rows: `scipy.sparse` array, float array `(rows, ...)`, or a tuple of arrays.
        y: Class indices `(rows,)`.
        sample_weight: A weight of each row in training, `(rows,)`, if any.
        rows: Rows that the stream of batches holds in any case, beside those that some lane of a call trains on: lanes
            of several calls then see the same batches.
        order_seed: Fixes the stream's row order.
        memory: Bytes that lanes may take at once; by default a share of what is free.
        checkpoint: Where a half-trained chunk is kept, if anywhere.
        stop: Asked after every epoch; True ends training with `Stopped`.

    Attributes:
        programs: What was compiled, by structure.
        notes: A sentence for each structure that cannot train in lanes, by structure.
    """

    def __init__(
        self,
        x: Any,
        y: Array,
        *,
        sample_weight: Array | None = None,
        rows: Array | None = None,
        order_seed: int = 0,
        memory: int | None = None,
        checkpoint: Checkpoint | None = None,
        stop: Callable[[], bool] = lambda: False,
    ):
        keep_programs()
        require_right_sums()
        self.x = SparseRows.from_scipy(x) if hasattr(x, "tocsr") else jax.tree.map(jnp.asarray, x)
        self.y = jnp.asarray(y, jnp.int32)
        self.sample_weight = None if sample_weight is None else jnp.asarray(sample_weight, jnp.float32)
        self.rows, self.order_seed, self.checkpoint, self.stop = rows, order_seed, checkpoint, stop
        self.memory = available() // 2 if memory is None else memory
        self.programs: dict[str, Program | Single] = {}
        self.notes: dict[str, str] = {}

    def train(
        self,
        lanes: Sequence[Lane],
        *,
        keep: Callable[[Lane], bool] = lambda lane: False,
        known: Callable[[Sequence[Lane]], list[Trained] | None] = lambda lanes: None,
        on_epoch: Callable[[Progress], None] = lambda progress: None,
        on_chunk: Callable[[list[Trained]], None] = lambda runs: None,
        look: bool = False,
    ) -> list[Trained]:
        """Train runs side by side.

        All runs see one stream of batches; a batch holds about `batch_size` rows of each run's own. Equal arguments
        give equal numbers.

        Args:
            lanes: The runs.
            keep: For which lanes to return final weights.
            known: Gives the finished runs of a chunk of lanes where they are known already, else None.
            on_epoch: Called after each epoch of a chunk.
            on_chunk: Called with the finished runs of a chunk.
            look: Whether to look inside the lanes after epochs: their curves then hold what `internals` measures.

        Returns:
            The trained runs, in the order of `lanes`.

        Raises:
            Stopped: `stop()` was true after an epoch.
        """
        groups: dict[str, list[int]] = {}
        for i, lane in enumerate(lanes):
            groups.setdefault(lane.network.structure, []).append(i)
        sparse = isinstance(self.x, SparseRows)
        chunks = []
        streams = {s: Stream.of([lanes[i] for i in at], self.order_seed, self.rows) for s, at in groups.items()}
        for structure, indices in groups.items():
            network = lanes[indices[0]].network
            size = plan.lanes_at_once(network, len(indices), len(self.y), sparse, self.memory)
            if (reason := obstacles.of(network)) is not None:
                size = 1
                self.notes[structure] = f"{lanes[indices[0]].variant} trains one run after the other: {reason}."
            chunks += [(indices[at : at + size], size) for at in range(0, len(indices), size)]
        clock = _Clock([_work([lanes[i] for i in indices]) for indices, _ in chunks])
        done: dict[int, Trained] = {}
        for number, (indices, size) in enumerate(chunks):
            chunk = [lanes[i] for i in indices]
            runs = known(chunk)
            if runs is None:
                clock.enter(number)
                stream = streams[chunk[0].network.structure]
                runs = self._train_chunk(chunk, size, stream, keep, on_epoch, clock, look)
                on_chunk(runs)
                if self.checkpoint:
                    self.checkpoint.clear()
            done.update(zip(indices, runs, strict=True))
        return [done[i] for i in range(len(lanes))]

    def _train_chunk(
        self,
        lanes: list[Lane],
        size: int,
        stream: Stream,
        keep: Callable[[Lane], bool],
        on_epoch: Callable[[Progress], None],
        clock: _Clock,
        look: bool,
    ) -> list[Trained]:
        """Train lanes that fit at once, from a checkpoint if there is one of just these."""
        program = self._program(lanes[0].network)
        chunk = Chunk(program, lanes, size, self.x, self.y, stream, self.sample_weight, look=look)
        names = "|".join(f"{lane.variant}/{lane.seed}/{lane.network.epochs}" for lane in lanes)
        tag = hashlib.sha256(f"{names}|{lanes[0].network.structure}".encode()).hexdigest()
        if self.checkpoint and (saved := self.checkpoint.load(tag, chunk.tree())) is not None:
            chunk.restore(saved)
        while not chunk.done:
            metrics = chunk.step()
            left = clock.left(chunk.epoch, chunk.epochs)
            on_epoch(Progress(lanes, chunk.epoch, chunk.epochs, metrics, chunk.active[: len(lanes)], left))
            stopping = self.stop()
            if self.checkpoint and not chunk.done:
                self.checkpoint.save(tag, chunk.tree(), force=stopping)
            if stopping and not chunk.done:
                raise Stopped
        return chunk.finish(keep)

    def _program(self, network: Network) -> Program | Single:
        """The compiled program of a network's structure."""
        if network.structure in self.notes:
            return self.programs.setdefault(network.structure, Single(network))
        if network.structure not in self.programs:
            rule = fused_rule(network)
            sparse = isinstance(self.x, SparseRows) and rule is not None
            self.programs[network.structure] = Program(lane_form.of(network, sparse=sparse), rule=rule)
        return self.programs[network.structure]


def fused_rule(network: Network) -> str | None:
    """The fused rule (one of `kernels.SLOTS`) that does what the network's optimizer does, or None."""
    optimizer = network.optimizer
    config = {k: v for k, v in optimizer.get_config().items() if k not in {"name", "learning_rate", "weight_decay"}}
    name = type(optimizer).__name__.lower()
    if name == "sgd" and config.get("momentum") == 0.9:
        name = "momentum"
        config["momentum"] = 0.0
    if name not in SLOTS:
        return None
    stock = type(optimizer)().get_config()
    return name if all(stock[k] == v for k, v in config.items()) else None


def _work(lanes: Sequence[Lane]) -> float:
    """Relative time of a chunk: a fixed part for each run-epoch and one that grows with the weights."""
    weights = sum(float(np.prod(v.shape)) for v in lanes[0].network.model.weights)
    return (2e5 + weights) * len(lanes) * max(lane.network.epochs for lane in lanes)


class _Clock:
    """Time left over all chunks, from what epochs have taken; one that compiles counts only until there is another."""

    def __init__(self, work: list[float]):
        self.work = work
        self.rate: float | None = None
        self.chunk = 0
        self.first = 0
        self.last = time.perf_counter()

    def enter(self, chunk: int) -> None:
        """A chunk begins."""
        self.chunk, self.first, self.last = chunk, 0, time.perf_counter()

    def left(self, epoch: int, epochs: int) -> float:
        """Seconds left after `epoch` of `epochs` of this chunk."""
        now = time.perf_counter()
        took, self.last = now - self.last, now
        self.first = self.first or epoch
        per_epoch = self.work[self.chunk] / epochs
        if epoch > self.first or self.rate is None:
            self.rate = took / per_epoch
        return (per_epoch * (epochs - epoch) + sum(self.work[self.chunk + 1 :])) * self.rate
