"""What goodfit costs beside a training: `goodfit diagnose` from start to end, a look inside lanes.

python benchmarks/overhead.py [diagnose] [lanes]

`lanes` takes the fastest of some looks and of some epochs, so that what else the machine does falls on neither. Rows
are made up, of the sizes of IMDB (25,000 texts of 158 words of 10,000) and of tables.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def diagnose(times: int = 15) -> None:
    """Wall clock of `goodfit diagnose` on one file of 20 epochs, beside that of Python and NumPy alone."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.csv")
        rows = [f"{e},{0.6 + 0.01 * e},{0.9 * 0.9**e},{0.7},{0.6 + 0.02 * abs(e - 5)}" for e in range(20)]
        log.write_text("\n".join(["epoch,accuracy,loss,val_accuracy,val_loss", *rows]) + "\n")
        main = "from goodfit.cli import main; main()"
        for name, command in {
            "python": ["-c", "pass"],
            "import numpy": ["-c", "import numpy"],
            "goodfit diagnose LOG": ["-c", main, "diagnose", str(log)],
            "goodfit diagnose --json LOG": ["-c", main, "diagnose", "--json", str(log)],
        }.items():
            walls = []
            for _ in range(times):
                began = time.perf_counter()
                subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
                walls.append(time.perf_counter() - began)
            print(f"{name:28s} {np.median(walls):.3f} s (fastest {min(walls):.3f})")


def made_up(kind: str) -> tuple:
    """Rows, classes and recipe of a workload."""
    import scipy.sparse as sp

    from goodfit.models.recipe import Recipe

    rng = np.random.default_rng(0)
    if kind == "imdb":
        rows, words, each = 25_000, 10_000, 158
        at = np.minimum((words * rng.power(0.35, (rows, each))).astype(np.int32), words - 1)
        x = sp.csr_array((np.ones(at.size, np.float32), at.ravel(), np.arange(0, at.size + 1, each)), (rows, words))
        return x, rng.integers(0, 2, rows), Recipe(units=(16, 16), batch_size=512, epochs=9)
    rows, columns = {"table 48000": (48_000, 100), "table 6000": (6_000, 30), "table 700": (700, 10)}[kind]
    x = rng.normal(size=(rows, columns)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(int), Recipe(units=(64, 64), batch_size=32, optimizer="adam", epochs=9)


def lanes(count: int = 20, times: int = 15) -> None:
    """A look inside lanes against an epoch of them, once both are compiled: wall clock and processor time."""
    import jax

    from goodfit.models import network
    from goodfit.train.chunk import Chunk, Stream
    from goodfit.train.lane import TRAIN, VALIDATION, Lane
    from goodfit.train.loop import Engine

    def taken(work) -> tuple[float, float]:
        began = time.perf_counter(), time.process_time()
        work()
        return time.perf_counter() - began[0], time.process_time() - began[1]

    for kind in ("imdb", "table 48000", "table 6000", "table 700"):
        x, y, recipe = made_up(kind)
        net = network.from_recipe(recipe, x.shape[1], 2)
        roles = np.where(np.arange(len(y)) % 5, TRAIN, VALIDATION).astype(np.uint8)
        runs = [Lane("base", s, net, roles) for s in range(count)]
        engine = Engine(x, y)
        chunk = Chunk(engine._program(net), runs, count, engine.x, engine.y, Stream.of(runs, 0), look=True)
        probe, every = chunk.probe, chunk.probe.every

        def look(chunk=chunk, probe=probe) -> None:
            probe.after(jax.block_until_ready(probe.before(chunk.state, 1)), chunk.state)

        first = taken(look)
        looks = np.asarray([taken(look) for _ in range(times)])
        probe.inside = None
        epochs = np.asarray(
            [taken(lambda chunk=chunk: (chunk.step(), jax.block_until_ready(chunk.state))) for _ in range(8)]
        )
        wall, cpu = looks.min(0) / epochs[1:].min(0)
        print(json.dumps({
            "rows": kind, "lanes": count, "epoch, s": round(float(epochs[1:, 0].min()), 4),
            "look, s": round(float(looks[:, 0].min()), 5), "look / epoch": round(float(wall), 4),
            "the same of processor time": round(float(cpu), 4), "epochs between looks": every,
            "share of a training": round(float(max(wall, cpu)) / every, 4),
            "first look (compiles), processor s": round(first[1], 2),
        }))  # fmt: skip


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "jax")
    for name in sys.argv[1:] or ("diagnose", "lanes"):
        {"diagnose": diagnose, "lanes": lanes}[name]()
