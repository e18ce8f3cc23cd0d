"""The memory plan: how many lanes train at once, and how many rows are evaluated at once."""

from __future__ import annotations

import jax
import keras
import numpy as np

from goodfit import memory as memories
from goodfit.errors import UsageError
from goodfit.models.lane_form import sparse_head
from goodfit.models.network import Network
from goodfit.models.walk import held, input_shapes, widest
from goodfit.train import fused

SHARE = 0.8
"""Of the rows of a stream's batch that are a lane's own, where the stream is not known yet."""

TOGETHER, NARROW = 32, 128
"""Lanes of one program at the most on a CPU: more share no more work, and what they hold between layers leaves the
caches. Four times as many where no layer is wider than `NARROW`."""

CACHED = 512 << 20
"""Bytes that a step of the wide lanes of one program goes over at the most, unless `FEWEST` lanes hold more: 29 lanes
of 11 MB of weights took a sixth longer together than in chunks, on two cores with 2 MB of second-level cache each and
much of the third."""

FEWEST = 8

PROBE, PROBED = 128, 2 << 20
"""Rows that lanes are looked into on, and bytes that this may take of each in any case."""


def accelerator() -> jax.Device | None:
    """The device that lanes are trained on, if it is not the CPU."""
    device = jax.devices()[0]
    return None if device.platform == "cpu" else device


def free() -> int:
    """Bytes that lanes may still take: of the accelerator's memory where there is one that tells it."""
    device = accelerator()
    told = device.memory_stats() if device is not None else None
    return told["bytes_limit"] - told["bytes_in_use"] if told else memories.available()


def lane_bytes(network: Network, rows: int, batch: int | None = None) -> int:
    """Bytes one lane needs: weights with slots and best copy, its part of a batch, its row roles.

    Args:
        network: What is trained.
        rows: Rows of the data.
        batch: Rows of a batch of its stream.
    """
    batch = batch or round(network.batch_size / SHARE)
    return 4 * (_copies(network) * network.model.count_params() + batch * held(network.model)) + rows


def _copies(network: Network) -> int:
    """Arrays of the weights' size: weights, slots and best copy, and what is there in passing.

    The gradient is; where Keras takes the step, new weights and slots stand beside the old.
    """
    optimizer = type(network.optimizer).from_config(network.optimizer.get_config())
    like = keras.Variable(np.zeros((3, 2), np.float32))
    optimizer.build([like])
    slots = sum(v.shape == like.shape for v in optimizer.variables)
    alone = fused.rule_of(network.optimizer) is None or any(v.constraint for v in network.model.trainable_variables)
    return 2 + slots + 1 + (slots if alone else 0)


def dense_columns(network: Network, sparse: bool) -> int:
    """Columns of the dense rows that are made of sparse ones, batch by batch, for a model without a sparse head."""
    if not sparse or sparse_head(network.model) is not None:
        return 0
    return max((shape[-1] or 0 for shape in input_shapes(network.model)), default=0)


def require_room(network: Network, rows: int, memory: int, kind: str = "") -> None:
    """Check that one run at least can be trained in so many bytes.

    Args:
        network: What is trained.
        rows: Rows of the data.
        memory: Budget in bytes.
        kind: What the rows are, as the data set calls it.

    Raises:
        UsageError: It needs more.
    """
    need = lane_bytes(network, rows)
    if need > memory:
        less = {"text": "fewer words (--words), ", "image": "smaller images (--image-size), "}.get(kind, "")
        more = memories.option(need + memories.PROGRAMS)
        raise UsageError(
            "there is not enough memory left for one run",
            expected=f"{memories.shown(need)} beside the program and the data",
            received=memories.shown(max(memory, 0)),
            fix=f"Give more ({more} at least), or take {less}fewer units or smaller batches.",
        )


def lanes_at_once(network: Network, lanes: int, rows: int, memory: int, batch: int | None = None) -> int:
    """How many of these lanes train at once, in chunks of nearly equal size.

    Args:
        network: What they share.
        lanes: How many there are.
        rows: Rows of the data.
        memory: Budget in bytes.
        batch: Rows of a batch of their stream.
    """
    each = max(1, lane_bytes(network, rows, batch))
    if accelerator() is not None:  # the more the better
        return _evenly(lanes, max(1, min(lanes, memory // each)))
    units = widest(network.model)
    passed = 4 * (5 * network.model.count_params() + 6 * network.batch_size * units)
    together = min(TOGETHER, max(FEWEST, CACHED // passed)) if units > NARROW else 4 * TOGETHER
    return _evenly(lanes, max(1, min(together, memory // each)))


def _evenly(lanes: int, most: int) -> int:
    """Lanes of each chunk, of which none has more than `most`."""
    fewest = -(-lanes // min(lanes, most))
    # The last chunk is filled up with lanes that nobody asked for: as few as a quarter more chunks leave.
    chunks = min(range(fewest, fewest + fewest // 4 + 1), key=lambda n: n * -(-lanes // n))
    return -(-lanes // chunks)


def probe_rows(network: Network, batch: int) -> int:
    """Rows that lanes are looked into on: where many take more memory than training, as many as a batch has."""
    return min(PROBE, max(batch, PROBED // (4 * held(network.model))))


def evaluation_rows(network: Network, lanes: int, sparse: bool) -> int:
    """Rows of an evaluation block: enough to be quick, few enough that its widest layer stays in the caches (2 MB).

    Every block of sparse rows goes over all of the first layer's weights, so there larger ones (64 MB) are quicker.
    """
    megabytes = 64 if sparse else 2
    room, columns = (megabytes if accelerator() is None else 256) << 20, dense_columns(network, sparse)
    most = room // (4 * widest(network.model) * lanes)
    return int(np.clip(min(most, room // (4 * columns)) if columns else most, 32 if sparse else 16, 2048))
