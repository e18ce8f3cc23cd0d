"""How near workloads come to what the machine's caches and arithmetic give, all measured in turns in one run.

    python benchmarks/limits.py

Two rates of the extension's own kernels, where nothing but arithmetic is in the way: vectors of 16 weights added up by
word, rows and weights in the first-level caches; and a dense product of 512 by 512. A workload's *least* is what it
cannot do without, its sums over the words of all rows (forward for training and for measuring, and the gradient's) and
its dense products, at these rates; its *share* is that least in the time that its epochs take.
"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

import lanes
from goodfit.models import products
from goodfit.train import kernels
from goodfit.train.lane import TRAIN, VALIDATION, Lane, Progress
from goodfit.train.loop import Engine
from workloads import LANED, SIZES, STUDIES, write

ROUNDS, EPOCHS, WORDS, ENTRIES, TIMES = 5, 4, 192, 120, 50
WORKLOADS = {"imdb_16": (LANED["imdb_16"], 29), "study_512": (STUDIES["study_512"], 8)}
"""Workloads, and how many lanes stand for all of theirs."""


def repeated(once: Callable[[Any], Any], weights: Any) -> Callable[[], float]:
    """A function that tells the seconds of one call among many, each of which needs the one before."""

    def many(weights: Any) -> Any:
        def again(_: int, held: Any) -> Any:
            return held.at[(0,) * held.ndim].add(1e-9 * once(held).ravel()[0])

        return jax.lax.fori_loop(0, TIMES, again, weights)

    run = jax.jit(many)
    jax.block_until_ready(run(weights))

    def seconds() -> float:
        began = time.perf_counter()
        jax.block_until_ready(run(weights))
        return (time.perf_counter() - began) / TIMES

    return seconds


def adding() -> Callable[[], float]:
    """Seconds for a vector of 16 weights, on all cores together."""
    rows, tiles = 512, 16
    dense = np.zeros((rows, WORDS), np.float32)
    for row in dense:
        row[np.random.default_rng(0).permutation(WORDS)[:ENTRIES]] = 1
    x, chosen = kernels.SparseRows.from_scipy(sp.csr_array(dense)), jnp.arange(rows, dtype=jnp.int32)
    seconds = repeated(lambda w: kernels.product(x, chosen, w, tiles), jnp.ones((tiles, WORDS, 16)))
    return lambda: seconds() / (rows * ENTRIES * tiles)


def multiplying() -> Callable[[], float]:
    """Seconds for an operation of a dense product, on all cores together."""
    x, kernel = jnp.ones((8, 512, 512)), jnp.ones((8, 512, 512))
    seconds = repeated(lambda k: jax.vmap(products.dense)(x, k), kernel)
    return lambda: seconds() / (8 * 2 * 512**3)


def epochs(name: str) -> tuple[Callable[[], float], float, float]:
    """A function that tells seconds of a run and epoch, and the vectors and operations that it cannot do without."""
    workload, count = WORKLOADS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.npz")
        write(workload, SIZES["regular"], path)
        with np.load(path) as file:
            data = dict(file)
    (spec,) = json.loads(str(data.pop("networks"))).values()
    x, x_val = lanes.rows(data, "x"), lanes.rows(data, "x_val")
    member = np.repeat(np.asarray([TRAIN, VALIDATION], np.uint8), [x.shape[0], x_val.shape[0]])
    engine = Engine(sp.vstack([x, x_val], format="csr"), np.concatenate([data["y"], data["y_val"]]))
    net = lanes.network_of(spec, x.shape[1:], EPOCHS, None)

    def seconds() -> float:
        ends = [time.perf_counter()]

        def told(progress: Progress) -> None:
            ends.append(time.perf_counter())

        engine.train([Lane("v", i, net, member) for i in range(count)], on_epoch=told)
        return float(np.median(np.diff(ends)[1:])) / count

    units = [*spec["units"], 1]
    inner = sum(2 * a * b for a, b in itertools.pairwise(units))
    vectors = (3 * x.nnz + x_val.nnz) * units[0] / 16  # trained on: forward, gradient and measured
    return seconds, vectors, inner * (4 * x.shape[0] + x_val.shape[0])


def main() -> None:
    """Print the rates, and a line for each workload."""
    add, multiply = adding(), multiplying()
    found = {name: epochs(name) for name in WORKLOADS}
    for seconds, *_ in found.values():
        seconds()  # compiles
    rates, took = [], {name: [] for name in found}
    for _ in range(ROUNDS):
        rates.append((add(), multiply()))
        for name, (seconds, *_) in found.items():
            took[name].append(seconds())
    vector, operation = np.median(rates, axis=0)
    print(f"{1e9 * vector:.2f} ns a vector of 16 weights, {1e-9 / operation:.0f} GFLOP/s; medians of {ROUNDS} turns")
    for name, (_, vectors, operations) in found.items():
        parts = 1e3 * vectors * vector, 1e3 * operations * operation
        time_taken = 1e3 * float(np.median(took[name]))
        print(
            f"{name:10} {time_taken:7.1f} ms a run and epoch; least {parts[0]:.1f} ms for {vectors / 1e6:.1f} million "
            f"vectors and {parts[1]:.1f} ms for {operations / 1e9:.2f} GFLOP: a share of {sum(parts) / time_taken:.0%}"
        )


if __name__ == "__main__":
    main()
