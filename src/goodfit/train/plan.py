"""The memory plan: how many lanes train at once, and how many rows are evaluated at once."""

from __future__ import annotations

import numpy as np

from goodfit import memory as memories
from goodfit.errors import UsageError
from goodfit.models.network import Network
from goodfit.models.walk import widest

COPIES = 5
"""Arrays of the weights' size that a lane needs at the most: weights, two slots, the best copy, one in passing."""

TOGETHER, NARROW = 32, 128
"""Lanes of one program at the most: more share no more work, and what they hold between layers leaves the caches. Four
times as many where no layer is wider than `NARROW`."""

CACHED = 512 << 20
"""Bytes that wide lanes of one program hold at the most, unless `FEWEST` lanes hold more: 29 lanes of 11 MB of weights
took a sixth longer together than in chunks, on two cores with 2 MB of second-level cache each and much of the third."""

FEWEST = 8


def lane_bytes(network: Network, rows: int) -> int:
    """Bytes one lane needs: weights with slots and best copy, its part of a batch, its row roles."""
    return 4 * (COPIES * network.model.count_params() + 6 * network.batch_size * widest(network.model)) + rows


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
        raise UsageError(
            "there is not enough memory left for one run",
            expected=f"{memories.shown(need)} beside the program and the data",
            received=memories.shown(max(memory, 0)),
            fix=f"Give more ({memories.option(need)} at least), or take {less}fewer units or smaller batches.",
        )


def lanes_at_once(network: Network, lanes: int, rows: int, memory: int) -> int:
    """How many of these lanes train at once, in chunks of nearly equal size.

    Args:
        network: What they share.
        lanes: How many there are.
        rows: Rows of the data.
        memory: Budget in bytes.
    """
    each = max(1, lane_bytes(network, rows))
    wide = widest(network.model) > NARROW
    together = min(TOGETHER, max(FEWEST, CACHED // each)) if wide else 4 * TOGETHER
    most = max(1, min(together, memory // each))
    fewest = -(-lanes // min(lanes, most))
    # The last chunk is filled up with lanes that nobody asked for: as few as a quarter more chunks leave.
    chunks = min(range(fewest, fewest + fewest // 4 + 1), key=lambda n: n * -(-lanes // n))
    return -(-lanes // chunks)


def evaluation_rows(network: Network, lanes: int, sparse: bool) -> int:
    """Rows of an evaluation block: enough to be quick, few enough that its widest layer stays in the caches (2 MB).

    Every block of sparse rows goes over all of the first layer's weights, so there larger ones (64 MB) are quicker.
    """
    room = (64 if sparse else 2) << 20
    return int(np.clip(room // (4 * widest(network.model) * lanes), 32 if sparse else 16, 2048))
