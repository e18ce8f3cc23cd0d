"""The memory plan: what there is, what a run needs, and one line where that is too little."""

import re

import numpy as np
import pytest

from goodfit import data, memory
from goodfit.cli.fit import size
from goodfit.encode import ImageEncoder, ngrams
from goodfit.errors import DataError, UsageError
from goodfit.models import network
from goodfit.models.recipe import Recipe
from goodfit.train import plan


def test_what_is_asked_for_bounds_what_is_there():
    free = memory.available()
    assert free > 0
    with memory.at_most(memory.resident() + (1 << 30)):
        assert 0 < memory.available() <= min(free * 1.5, 1 << 31)
        with memory.at_most(1):
            assert memory.available() == 0
    assert memory.available() > 1 << 30 or free < 1 << 31


def test_a_control_group_has_what_is_left_of_its_limit(tmp_path):
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 600\ninactive_file 50\n")
    assert memory._left(*memory.GROUPS[0], root=tmp_path) == 350
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._left(*memory.GROUPS[0], root=tmp_path) > 1 << 60
    assert memory._left(*memory.GROUPS[1], root=tmp_path) > 1 << 60


def test_lanes_are_chunked_to_the_memory_there_is():
    net = network.from_recipe(Recipe(units=(16,)), 1000, 2)
    one = plan.lane_bytes(net, 100)
    assert one >= 3 * 4 * 16_000  # weights, slot, best copy
    assert [plan.lanes_at_once(net, 10, 100, k * one) for k in (1, 3, 5, 10, 99)] == [1, 2, 5, 10, 10]
    assert plan.lanes_at_once(net, 29, 100, 8 * one) == 6  # 5 x 6, of which one is filled up, not 4 x 8
    plan.require_room(net, 100, one)
    with pytest.raises(UsageError) as error:
        plan.require_room(net, 100, one - 1)
    assert f"{one:,} bytes" in str(error.value)
    assert "\n" not in str(error.value)
    for kind, less in (
        ("text", r"fewer words \(--words\), "),
        ("image", r"smaller images \(--image-size\), "),
        ("", ""),
    ):
        says = rf"Give more \(--memory \d+MB at least\), or take {less}fewer units or"
        with pytest.raises(UsageError, match=says) as error:
            plan.require_room(net, 100, one - 1, kind)
        given = size(re.search(r"--memory (\w+)", str(error.value))[1])
        need = one + memory.resident() + memory.PROGRAMS
        assert need <= given < 1.1 * need + 2e6


def test_an_option_gives_as_much_as_is_needed(monkeypatch):
    monkeypatch.setattr(memory, "resident", lambda: 1)
    assert [memory.option(n) for n in (389_436_070, 10**6, 34_510_000_000)] == [
        "--memory 390MB", "--memory 2MB", "--memory 34.6GB",
    ]  # fmt: skip


def test_images_that_cannot_be_held_are_told_early(tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    x = np.random.default_rng(0).integers(0, 256, (20, 12, 12, 3), dtype=np.uint8)
    for i, pixels in enumerate(x):
        path = tmp_path / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        pillow.fromarray(pixels).save(path)
    says = r"20 images of 9999 x 9999 do not fit into memory.*smaller \(--image-size 64\), or give more .*--memory\)\.$"
    with memory.at_most(memory.resident() + (1 << 28)), pytest.raises(DataError, match=says):
        ImageEncoder(size=(9999, 9999)).fit(x)
    with memory.at_most(memory.resident() + (1 << 28)), pytest.raises(DataError, match=says):
        data.load(tmp_path, image_size=(9999, 9999))
    with memory.at_most(1):  # what training needs beside such small ones is told later
        ImageEncoder().fit(x)


def test_wide_lanes_of_one_program_stay_in_the_caches():
    def at_once(units, features):
        return plan.lanes_at_once(network.from_recipe(Recipe(units=units), features, 2), 64, 100, 1 << 40)

    assert at_once((256,), 100) == plan.TOGETHER
    assert plan.FEWEST < at_once((256,), 5000) < plan.TOGETHER
    assert at_once((256, 256), 20_000) == plan.FEWEST
    assert at_once((64,), 20_000) == 64


def test_texts_that_cannot_be_held_are_told_early(monkeypatch):
    monkeypatch.setattr(ngrams, "BLOCK", 4)
    with memory.at_most(1), pytest.raises(DataError, match=r"do not fit into memory.*bytes"):
        ngrams.fit(["a b c"] * 10)


def test_an_accelerator_trains_as_many_lanes_as_its_own_memory_holds(monkeypatch):
    class Device:
        platform = "gpu"

        def memory_stats(self):
            return {"bytes_limit": 5000, "bytes_in_use": 2000}

    net = network.from_recipe(Recipe(units=(256,)), 100, 2)
    assert plan.free() == pytest.approx(memory.available(), rel=0.2)
    assert plan.lanes_at_once(net, 1024, 100, 1 << 40) == plan.TOGETHER
    rows = plan.evaluation_rows(net, 32, False)
    monkeypatch.setattr("jax.devices", lambda: [Device()])
    assert plan.free() == 3000
    assert plan.lanes_at_once(net, 1024, 100, 1 << 40) == 1024
    assert plan.lanes_at_once(net, 1024, 100, 600 * plan.lane_bytes(net, 100)) == 512
    assert plan.evaluation_rows(net, 32, False) > rows
