"""Train many runs as lanes: group them by structure, chunk them, go through the epochs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from goodfit.data import inputs
from goodfit.models import lane_form, obstacles
from goodfit.models.network import Network
from goodfit.train import fused, plan
from goodfit.train.cache import keep_programs
from goodfit.train.checkpoint import Checkpoint
from goodfit.train.chunk import Chunk, Stream
from goodfit.train.kernels import SparseRows
from goodfit.train.lane import Lane, Progress, Trained
from goodfit.train.pace import Pace, Part, fewer
from goodfit.train.program import Program
from goodfit.train.single import Single
from goodfit.train.soundness import require_right_sums

Array = np.ndarray


class Stopped(KeyboardInterrupt):
    """Training was asked to stop and did so between two epochs; everything is saved."""


class Engine:
    """Trains runs side by side on one set of rows, and keeps what it compiled.

    Args:
        x: Encoded rows: `scipy.sparse` array, float array `(rows, ...)`, or several as a tuple or a structured array.
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
        x = tuple(inputs.each(x)) if inputs.names(x) else x
        self.x = SparseRows.from_scipy(x) if hasattr(x, "tocsr") else jax.tree.map(jnp.asarray, x)
        self.y = jnp.asarray(y, jnp.int32)
        self.sample_weight = None if sample_weight is None else jnp.asarray(sample_weight, jnp.float32)
        self.rows, self.order_seed, self.checkpoint, self.stop = rows, order_seed, checkpoint, stop
        self.memory = plan.free() // 2 if memory is None else memory
        self.programs: dict[str, Program | Single] = {}
        self.notes: dict[str, str] = {}
        self.pace = Pace()

    def train(
        self,
        lanes: Sequence[Lane],
        *,
        keep: Callable[[Lane], bool] = lambda lane: False,
        known: Callable[[Sequence[Lane]], list[Trained] | None] = lambda lanes: None,
        on_epoch: Callable[[Progress], None] = lambda progress: None,
        on_chunk: Callable[[list[Trained]], None] = lambda runs: None,
        look: bool = False,
        later: Sequence[Sequence[Network]] = (),
    ) -> list[Trained]:
        """Train runs side by side.

        All runs see one stream of batches; a batch holds about `batch_size` rows of each run's own. Equal arguments
        give equal numbers; to rounding only where runs end early, for the others then may go on in a smaller program,
        and when that pays is a matter of measured time.

        Args:
            lanes: The runs.
            keep: For which lanes to return final weights.
            known: Gives the finished runs of a chunk of lanes where they are known already, else None.
            on_epoch: Called after each epoch of a chunk.
            on_chunk: Called with the finished runs of a chunk.
            look: Whether to look inside the lanes after epochs: their curves then hold what `internals` measures.
            later: What the calls after this one will probably train, the network of each run: for the time left.

        Returns:
            The trained runs, in the order of `lanes`.

        Raises:
            Stopped: `stop()` was true after an epoch.
        """
        groups: dict[str, list[Lane]] = {}
        for lane in lanes:
            groups.setdefault(lane.network.structure, []).append(lane)
        streams = {structure: Stream.of(mine, self.order_seed, self.rows) for structure, mine in groups.items()}
        batches = {structure: stream.batch for structure, stream in streams.items()}
        chunks = self._chunks([lane.network for lane in lanes], batches)
        for structure, mine in groups.items():
            if told := obstacles.told({lane.variant: lane.network for lane in mine}):
                self.notes[structure] = " ".join(told)
        after = self._parts(later)
        finished = [known([lanes[i] for i in indices]) for indices, _ in chunks]
        done: dict[int, Trained] = {}
        for number, (indices, _) in enumerate(chunks):
            chunk, runs = [lanes[i] for i in indices], finished[number]
            if runs is None:
                stream = streams[chunk[0].network.structure]
                left = [p for (_, p), there in zip(chunks[number:], finished[number:], strict=True) if there is None]
                runs = self._train_chunk(chunk, left, after, stream, keep, on_epoch, look)
                on_chunk(runs)
                if self.checkpoint:
                    self.checkpoint.clear()
                if self.stop():
                    raise Stopped
            done.update(zip(indices, runs, strict=True))
        return [done[i] for i in range(len(lanes))]

    def ahead(self, later: Sequence[Sequence[Network]]) -> float:
        """Seconds that such calls will take, the network of each run given, as far as epochs have been measured."""
        return self.pace.ahead(self._parts(later))

    def _parts(self, later: Sequence[Sequence[Network]]) -> list[Part]:
        """The chunks of calls to come."""
        return [part for networks in later for _, part in self._chunks(networks)]

    def _chunks(
        self, networks: Sequence[Network], batches: Mapping[str, int] = MappingProxyType({})
    ) -> list[tuple[list[int], Part]]:
        """Which runs train at once, by their networks: those of one structure, as many as there is memory for.

        `batches` are rows of the streams' batches, by structure, where these are known.
        """
        groups: dict[str, list[int]] = {}
        for i, network in enumerate(networks):
            groups.setdefault(network.structure, []).append(i)
        chunks = []
        for indices in groups.values():
            first = networks[indices[0]]
            batch = batches.get(first.structure)
            size = plan.lanes_at_once(first, len(indices), len(self.y), self.memory, batch)
            if obstacles.of(first) is not None:
                size = 1
            for at in range(0, len(indices), size):
                mine = indices[at : at + size]
                chunks.append((mine, Part.of([networks[i] for i in mine], size)))
        return chunks

    def _train_chunk(
        self,
        lanes: list[Lane],
        parts: list[Part],
        after: list[Part],
        stream: Stream,
        keep: Callable[[Lane], bool],
        on_epoch: Callable[[Progress], None],
        look: bool,
    ) -> list[Trained]:
        """Train lanes that fit at once, from a checkpoint if there is one of just these in a program of this size.

        `parts` are what is left of this call, `after` those of later ones.
        """
        part, *later = parts
        program = self._program(lanes[0].network)
        rows = self.x, self.y, stream, self.sample_weight
        chunk = Chunk(program, lanes, part.size, *rows, keep=keep, look=look)
        names = "|".join(f"{lane.variant}/{lane.seed}/{lane.network.epochs}" for lane in lanes)
        tag = hashlib.sha256(f"{names}|{part.size}|{lanes[0].network.structure}".encode()).hexdigest()
        if self.checkpoint and (saved := self.checkpoint.load(tag, chunk.tree())) is not None:
            chunk.restore(saved)
        wasted = 0.0
        while not chunk.done:
            began = time.perf_counter()
            metrics = chunk.step()
            self.pace.epoch_done(part, chunk.size, began)
            left = self.pace.left(part, chunk.size, chunk.epoch, later)
            in_all = left + self.pace.ahead(after)
            on_epoch(Progress(lanes, chunk.epoch, chunk.epochs, metrics, chunk.active, left, in_all))
            wasted = self._let_leave(chunk, part, wasted)
            stopping = self.stop()
            if self.checkpoint and not chunk.done:
                self.checkpoint.save(tag, chunk.tree(), force=stopping)
            if stopping and not chunk.done:
                raise Stopped
        return chunk.finish()

    def _let_leave(self, chunk: Chunk, part: Part, wasted: float) -> float:
        """Let lanes that are done leave once that pays: seconds wasted on them so far, after this epoch.

        It pays where the epochs that are certain to come save more than the compilation costs, or where as much has
        been wasted: whatever comes, no more than twice the time is spent that the best decision would have taken.
        """
        size = fewer(chunk.size, int(chunk.active.sum()))
        if chunk.done or size == chunk.size:
            return wasted
        gain = self.pace.gain(part, chunk.size, size)
        if wasted + gain * chunk.certain < self.pace.compilation(part, size):
            return wasted + gain
        chunk.leave(size)
        return 0.0

    def _program(self, network: Network) -> Program | Single:
        """The compiled program of a network's structure."""
        if network.structure in self.notes:
            return self.programs.setdefault(network.structure, Single(network))
        if network.structure not in self.programs:
            rule = fused.rule_of(network.optimizer)
            form = lane_form.of(network, sparse=isinstance(self.x, SparseRows), fused=rule is not None)
            self.programs[network.structure] = Program(form, rule=rule)
        return self.programs[network.structure]
