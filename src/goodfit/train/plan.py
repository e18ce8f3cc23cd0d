"""The memory plan: how many lanes train at once, and how many rows are evaluated at once."""

from __future__ import annotations

import os

import numpy as np

from goodfit.models.network import Network
from goodfit.models.walk import widest

COPIES = 4
"""Arrays of the weights' size that a lane needs at the most: weights, two optimizer slots, the best copy."""

TOGETHER = 32
"""Lanes of one program at the most: more share no more work, and their weights leave the processor's cache."""


def free_memory() -> int:
    """Bytes of memory that may be used without swapping; a guess of 4 GB where the system does not tell."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 4 << 30


def lane_bytes(network: Network, rows: int, sparse: bool) -> int:
    """Bytes one lane needs: weights with slots and best copy, its part of a batch, its row roles."""
    weights = sum(int(np.prod(v.shape)) for v in network.model.weights)
    return 4 * (COPIES * weights + 6 * network.batch_size * widest(network.model)) + rows


def lanes_at_once(network: Network, lanes: int, rows: int, sparse: bool, memory: int | None) -> int:
    """How many of these lanes train at once, in chunks of nearly equal size.

    Args:
        network: What they share.
        lanes: How many there are.
        rows: Rows of the data.
        sparse: Whether the rows are sparse.
        memory: Budget in bytes; None takes half of what is free.
    """
    budget = free_memory() // 2 if memory is None else memory
    most = max(1, min(TOGETHER, budget // max(1, lane_bytes(network, rows, sparse))))
    chunks = -(-lanes // min(lanes, most))
    return -(-lanes // chunks)


def evaluation_rows(network: Network, lanes: int) -> int:
    """Rows of an evaluation block: enough to be quick, few enough that its widest layer stays under 64 MB."""
    return int(np.clip((64 << 20) // (4 * widest(network.model) * lanes), 32, 2048))
