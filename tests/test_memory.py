"""The memory plan: what there is, what a run needs, and one line where that is too little."""

import pytest

from goodfit import memory
from goodfit.encode import ngrams
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
