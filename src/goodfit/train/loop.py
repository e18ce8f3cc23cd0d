"""Train many runs as lanes: group them by structure, chunk them, go through the epochs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from goodfit.history import History
from goodfit.models import initial, lane_form
from goodfit.models.network import Network
from goodfit.train import plan
from goodfit.train.kernels import SLOTS, SparseRows
from goodfit.train.program import TRAIN, VALIDATION, Program, State

Array = np.ndarray
CURVES = ("loss", "accuracy", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate")


@dataclass(frozen=True, eq=False)
class Lane:
    """One run to be trained.

    Attributes:
        variant: The variant's name.
        seed: Fixes initial weights and noise.
        network: What to train.
        member: The role of each row, uint8 `(rows,)`: `TRAIN`, `VALIDATION` or 0.
    """

    variant: str
    seed: int
    network: Network
    member: Array


@dataclass(frozen=True, eq=False)
class Trained:
    """One trained run.

    Attributes:
        lane: What was trained.
        curves: Each of `CURVES` by epoch, `(epochs_run,)`.
        best_epoch: The epoch (from 1) that the weights are from.
        weights: The weights in the stock model's order, or None where they were not asked for.
    """

    lane: Lane
    curves: dict[str, Array]
    best_epoch: int
    weights: list[Array] | None

    @property
    def epochs_run(self) -> int:
        """Epochs trained."""
        return len(self.curves["loss"])


@dataclass(frozen=True)
class Progress:
    """Where training stands after an epoch of a chunk.

    Attributes:
        lanes: The chunk's lanes.
        epoch: The epoch just done, from 1.
        epochs: The most epochs any of them may train.
        metrics: Each of `CURVES` after this epoch, `(lanes,)`, NaN for a lane that has stopped.
        active: Bool `(lanes,)`: which go on.
        seconds_left: Estimated time until all chunks are done.
    """

    lanes: Sequence[Lane]
    epoch: int
    epochs: int
    metrics: dict[str, Array]
    active: Array
    seconds_left: float


def train(
    lanes: Sequence[Lane],
    x: Any,
    y: Array,
    *,
    order_seed: int = 0,
    keep_weights: bool = False,
    on_epoch: Callable[[Progress], None] | None = None,
    on_chunk: Callable[[list[Trained]], None] | None = None,
    memory: int | None = None,
) -> list[Trained]:
    """Train runs side by side.

    All runs see one stream of batches; a batch holds about `batch_size` rows of each run's own. Equal arguments give
    equal numbers, however the runs are chunked.

    Args:
        lanes: The runs.
        x: Encoded rows: `scipy.sparse` array, float array `(rows, ...)`, or a tuple of arrays.
        y: Class indices `(rows,)`.
        order_seed: Fixes the stream's row order.
        keep_weights: Whether to return final weights.
        on_epoch: Called after each epoch of a chunk.
        on_chunk: Called with the finished runs of a chunk.
        memory: Bytes that lanes may take at once; by default a share of what is free.

    Returns:
        The trained runs, in the order of `lanes`.
    """
    data = device_rows(x)
    labels = jnp.asarray(y, jnp.int32)
    groups: dict[str, list[int]] = {}
    for i, lane in enumerate(lanes):
        groups.setdefault(lane.network.structure, []).append(i)
    chunks = []
    for indices in groups.values():
        size = plan.lanes_at_once(lanes[indices[0]].network, len(indices), len(y), isinstance(data, SparseRows), memory)
        chunks += [(indices[at : at + size], size) for at in range(0, len(indices), size)]
    clock = _Clock([max(lanes[i].network.epochs for i in c) * _cost(lanes[c[0]].network) * len(c) for c, _ in chunks])
    done: dict[int, Trained] = {}
    program: Program | None = None
    structure = ""
    for number, (indices, size) in enumerate(chunks):
        chunk = [lanes[i] for i in indices]
        if program is None or chunk[0].network.structure != structure:
            program = program_for([lanes[i] for i in groups[chunk[0].network.structure]], isinstance(data, SparseRows))
            structure = chunk[0].network.structure
        clock.enter(number)
        trained = _train_chunk(program, chunk, size, data, labels, order_seed, keep_weights, on_epoch, clock)
        if on_chunk:
            on_chunk(trained)
        done.update(zip(indices, trained, strict=True))
    return [done[i] for i in range(len(lanes))]


def device_rows(x: Any) -> Any:
    """Encoded rows as the engine takes them: `SparseRows`, or JAX arrays."""
    if hasattr(x, "tocsr"):
        return SparseRows.from_scipy(x)
    return jax.tree.map(jnp.asarray, x)


def program_for(lanes: Sequence[Lane], sparse: bool) -> Program:
    """The program that these lanes of one structure share."""
    network = lanes[0].network
    rule = fused_rule(network)
    forms = {id(lane.network): lane_form.penalties(lane.network.model) for lane in lanes}
    return Program(
        lane_form.of(network, sparse=sparse and rule is not None),
        rule=rule,
        penalised=any(l1.any() or l2.any() for l1, l2 in forms.values()),
        decayed=any(getattr(lane.network.optimizer, "weight_decay", None) for lane in lanes),
    )


def fused_rule(network: Network) -> str | None:
    """The fused rule that does what the network's optimizer does, or None."""
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


def _train_chunk(
    program: Program,
    chunk: list[Lane],
    size: int,
    x: Any,
    y: jax.Array,
    order_seed: int,
    keep_weights: bool,
    on_epoch: Callable[[Progress], None] | None,
    clock: _Clock,
) -> list[Trained]:
    """Train lanes that fit at once; fewer than `size` are filled up, so that no chunk compiles anew."""
    full = chunk + [chunk[-1]] * (size - len(chunk))
    networks = [lane.network for lane in full]
    forms = {id(n): lane_form.of(n, sparse=program.form.first is not None) for n in {id(n): n for n in networks}.values()}
    member = np.stack([lane.member for lane in full])
    lanes = program.lanes(networks, [forms[id(n)] for n in networks], [lane.seed for lane in full], member)
    state = program.start([initial.weights(lane.network, lane.seed) for lane in full], lanes)
    used = np.flatnonzero((member > 0).any(0)).astype(np.int32)
    share = (member == TRAIN).sum(1).mean() / len(used)
    batch = max(1, round(chunk[0].network.batch_size / share))
    blocks = _padded(used, plan.evaluation_rows(program, size))
    limits = np.asarray([n.epochs for n in networks])
    patience = np.asarray([n.patience or 0 for n in networks])
    stops = (patience > 0) & (member == VALIDATION).any(1)
    active = np.arange(size) < len(chunk)
    best_loss = np.full(size, np.inf)
    best_epoch = np.zeros(size, int)
    best: State | None = None
    curves: dict[str, list[Array]] = {k: [] for k in CURVES}
    trained = np.zeros(size, int)
    for epoch in range(1, int(limits.max()) + 1):
        was = active & (epoch <= limits)
        if not was.any():
            break
        order = stream(used, batch, order_seed, epoch)
        state, running = program.epoch(state, lanes, jnp.asarray(was), x, y, order)
        values = {k: np.asarray(v, np.float64) for k, v in {**running, **program.evaluate(state, lanes, x, y, blocks)}.items()}
        values["learning_rate"] = np.asarray(lanes["learning_rate"], np.float64)
        for key in CURVES:
            curves[key].append(np.where(was, values[key], np.nan))
        trained += was
        sound = np.isfinite(values["loss"]) & np.isfinite(values["train_loss"])
        better = was & sound & (values["val_loss"] < best_loss) & stops
        best_loss = np.where(better, values["val_loss"], best_loss)
        best_epoch = np.where(better, epoch, best_epoch)
        if stops.any():
            weights = {k: state[k] for k in ("trainable", "non_trainable", "first")}
            best = jax.tree.map(jnp.copy, weights) if best is None else program.keep(best, weights, jnp.asarray(better))
        active = was & sound & (epoch < limits) & ~(stops & (epoch - best_epoch >= patience))
        if on_epoch:
            shown = {k: c[-1][: len(chunk)] for k, c in curves.items()}
            left = clock.left(epoch, int(limits[: len(chunk)].max()))
            on_epoch(Progress(chunk, epoch, int(limits.max()), shown, active[: len(chunk)], left))
    final = program.keep({k: jnp.copy(v) if k == "first" and v is not None else v for k, v in best.items()}, state, jnp.asarray(~stops)) if best is not None and keep_weights else state
    return [
        Trained(
            lane,
            {k: np.asarray([c[i] for c in curves[k]])[: trained[i]] for k in CURVES},
            int(best_epoch[i]) or int(trained[i]),
            program.weights(final, i) if keep_weights else None,
        )
        for i, lane in enumerate(chunk)
    ]


def stream(rows: Array, batch: int, seed: int, epoch: int) -> Array:
    """The batches of an epoch: a shuffle of `rows` by seed and epoch, int32 `(steps, batch)`, -1 where not full."""
    return _padded(np.random.default_rng([seed, epoch]).permutation(rows), batch)


def _padded(rows: Array, width: int) -> Array:
    """Rows in lines of `width`, the last filled up with -1."""
    width = min(width, len(rows))
    lines = -(-len(rows) // width)
    return np.pad(rows, (0, lines * width - len(rows)), constant_values=-1).reshape(lines, width).astype(np.int32)


def history(runs: Sequence[Trained], variant: str) -> History:
    """The curves of a variant's runs as one `History`."""
    longest = max((r.epochs_run for r in runs), default=0)
    padded = {
        k: np.stack([np.pad(r.curves[k], (0, longest - r.epochs_run), constant_values=np.nan) for r in runs]) for k in CURVES
    }
    return History(
        padded,
        seeds=np.asarray([r.lane.seed for r in runs]),
        epochs_run=np.asarray([r.epochs_run for r in runs]),
        variant=variant,
    )


def _cost(network: Network) -> float:
    """Relative time of a run's epoch: a fixed part and one that grows with the weights."""
    return 2e5 + float(sum(np.prod(v.shape) for v in network.model.weights))


class _Clock:
    """Time left over all chunks, from the time that epochs have taken; the first epoch's compilation stands apart."""

    def __init__(self, work: list[float]):
        self.work = work
        self.rate: float | None = None
        self.compile = 0.0
        self.chunk = 0
        self.started = self.last = time.perf_counter()

    def enter(self, chunk: int) -> None:
        """A chunk begins."""
        self.chunk = chunk
        self.started = self.last = time.perf_counter()

    def left(self, epoch: int, epochs: int) -> float:
        """Seconds left after `epoch` of `epochs` of this chunk."""
        now = time.perf_counter()
        took, self.last = now - self.last, now
        per_epoch = self.work[self.chunk] / epochs
        if epoch > 1 or self.rate is None:
            self.rate = took / per_epoch
        rest = per_epoch * (epochs - epoch) + sum(self.work[self.chunk + 1 :])
        return rest * self.rate
