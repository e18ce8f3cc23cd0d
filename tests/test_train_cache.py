"""Compiled programs outlive the process; nothing that happens to their folder is felt."""

import json
import os
import subprocess
import sys

from goodfit.train.cache import Programs

SCRIPT = """
import json
from goodfit import settings
settings.prefer_jax()
import jax, numpy as np, scipy.sparse as sp
from goodfit.models import network
from goodfit.models.recipe import Recipe
from goodfit.train import cache
from goodfit.train.lane import Lane
from goodfit.train.loop import Engine
cache.WORTH_KEEPING = 0.0
events = []
jax.monitoring.register_event_listener(lambda name, **kwargs: events.append(name.rpartition("/")[2]))
x = sp.csr_array(np.eye(20, dtype=np.float32))
engine = Engine(x, np.arange(20) % 2)
net = network.from_recipe(Recipe(units=(3,), epochs=2, batch_size=8), 20, 2)
events.clear()
runs = engine.train([Lane("v", s, net, np.ones(20, np.uint8)) for s in (1, 2)])
print(json.dumps([events.count("cache_hits"), events.count("cache_misses"), [r.curves["loss"].tolist() for r in runs]]))
"""


def start(folder):
    env = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"} | {"GOODFIT_CACHE": str(folder)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", SCRIPT], env=env, text=True, **pipes)


def end(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert not err.strip()
    return json.loads(out)


def test_what_one_process_compiled_no_other_compiles(tmp_path):
    first = [end(p) for p in [start(tmp_path), start(tmp_path)]]  # at once
    hits, misses, curves = end(start(tmp_path))
    assert misses == 0
    assert hits > 2
    assert all(run[2] == curves for run in first)
    blocked = tmp_path / "file"
    blocked.touch()  # a cache folder that cannot be made
    hits, misses, again = end(start(blocked))
    assert hits == 0
    assert again == curves


def test_a_program_comes_back_whole_or_not_at_all(tmp_path):
    store = Programs(tmp_path / "new")
    assert store.get("a") is None
    store.put("a", b"program")
    assert store.get("a") == b"program"
    file = tmp_path / "new" / "a"
    for torn in (b"", file.read_bytes()[:-1], b"other" + file.read_bytes()):
        file.write_bytes(torn)
        assert store.get("a") is None
    store.put("a", b"program")
    assert store.get("a") == b"program"


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    store = Programs(tmp_path, most=3 * 104)
    for at, key in enumerate("abc"):
        store.put(key, bytes(100))
        os.utime(tmp_path / key, (at, at))
    assert store.get("a") is not None  # used now
    store.put("d", bytes(100))
    assert [key for key in "abcd" if store.get(key)] == ["a", "c", "d"]


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").touch()
    store = Programs(tmp_path / "file" / "below")
    store.put("a", b"program")
    assert store.get("a") is None
