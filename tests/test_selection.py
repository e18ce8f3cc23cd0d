"""The choice of a variant and of the epochs."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit import treat
from goodfit.errors import UsageError
from goodfit.models.recipe import Recipe
from goodfit.study.selection import choose, complexity, epochs, improving

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "error_rates.py"
RNG = np.random.default_rng(0)
SHARED = 0.85 + RNG.normal(0, 0.02, 10)  # what a seed gives every variant: it must not blur their differences
OWN = RNG.normal(0, 0.002, (4, 10))
OWN -= OWN.mean(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def simulate():
    """The simulations of `benchmarks/error_rates.py`, run here with few repeats."""
    spec = importlib.util.spec_from_file_location("statistics_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def scores(**gains):
    """Variants by their true gain over the base."""
    return {name: SHARED + gain + OWN[i] for i, (name, gain) in enumerate(gains.items())}


LEVEL = {"small": (10.0, 1.0), "base": (100.0, 0.0), "l2": (100.0, 1.0), "large": (1000.0, 1.0)}

# --- complexity --------------------------------------------------------------------------------------------------


def test_weights_are_those_that_keras_counts():
    from goodfit.models.network import from_recipe

    images = Recipe(filters=(4, 6, 5), units=(7,), augmentation=0.1)
    for recipe, shape in (
        (Recipe(), (20,)),
        (Recipe(units=()), (20,)),
        (Recipe(units=(5, 3), batch_normalization=True), (20,)),
        (images, (9, 14, 3)),
        (images.but(batch_normalization=True, units=()), (28, 28, 1)),
    ):
        assert recipe.weights(shape, 4) == from_recipe(recipe, shape, 4).model.count_params()


def test_fewer_weights_are_simpler_then_fewer_changes():
    base = Recipe()
    order = ["smaller 4", None, "dropout 0.5", "batch_normalization", "larger 64"]
    ranks = [complexity(treat.get(name).apply(base) if name else base, base, 1000, 1) for name in order]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)


# --- the variant -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gains", "chosen", "best"),
    [
        ({"base": 0.0, "l2": 0.01, "large": 0.005}, "l2", "l2"),
        ({"base": 0.0, "l2": 0.0001, "large": 0.0002}, "base", "large"),  # no change
        ({"base": 0.0, "l2": 0.01, "large": 0.0101}, "l2", "large"),
        ({"base": 0.0, "small": -0.0001}, "small", "base"),  # as good and smaller
        ({"base": 0.0, "small": -0.01, "l2": -0.01}, "base", "base"),
    ],
)
def test_the_simplest_within_one_standard_error_of_the_best(gains, chosen, best):
    choice = choose(scores(**gains), LEVEL)
    assert (choice.value, choice.best) == (chosen, best)
    assert choice.within[0] == chosen
    assert choice.best in choice.within
    assert f"'{best}' has the best mean accuracy over 10 seeds" in choice.reason
    assert choice.reason.endswith("no change.") == (chosen == "base")


def test_the_standard_error_is_that_of_paired_differences():
    seen = scores(base=0.0, l2=0.004)  # far less than the seeds differ, far more than the pairs do
    assert np.ptp(SHARED) > 0.03
    assert choose(seen, LEVEL).value == "l2"
    seen["l2"] = seen["l2"][::-1]  # unpaired, the same means tell nothing
    assert choose(seen, LEVEL).value == "base"


def test_overlapping_splits_ask_for_a_larger_difference():
    seen = scores(base=0.0, l2=0.0015)
    assert choose(seen, LEVEL).value == "l2"
    assert choose(seen, LEVEL, resampled=(500, 500)).value == "base"


def test_a_variant_with_a_diverged_run_is_no_safe_choice():
    seen = scores(base=0.0, small=0.0)
    assert choose(seen, LEVEL).value == "small"
    seen["small"][3] = np.nan
    assert choose(seen, LEVEL).value == "base"
    assert choose({name: np.full(4, np.nan) for name in seen}, LEVEL, base="base").reason


def test_one_seed_changes_nothing():
    choice = choose({"base": [0.8], "l2": [0.9]}, LEVEL)
    assert choice.value == "base"
    assert "One seed" in choice.reason


def test_one_variant_is_compared_with_none():
    choice = choose({"base": [0.5, 0.6, 0.7]}, {"base": (1,)})
    assert (choice.value, choice.reason) == ("base", "'base' is the only variant, so it stays.")


def test_bad_input_is_one_clear_line():
    with pytest.raises(UsageError, match="base"):
        choose({"l2": [0.8, 0.9]}, LEVEL)
    with pytest.raises(UsageError, match="paired"):
        choose({"base": [0.8, 0.9], "l2": [0.8]}, LEVEL)
    with pytest.raises(UsageError, match="no validation curve"):
        epochs(np.full((3, 4), np.nan))


@settings(max_examples=50, deadline=None)
@given(
    gains=st.lists(st.floats(-0.02, 0.02), min_size=4, max_size=4),
    seeds=st.permutations(range(10)),
    names=st.permutations(["base", "small", "l2", "large"]),
    shift=st.sampled_from([-1.0, 0.5]),
)
def test_order_and_shift_change_no_choice(gains, seeds, names, shift):
    seen = scores(**dict(zip(["base", "small", "l2", "large"], gains, strict=True)))
    moved = {name: seen[name][list(seeds)] + shift for name in names}
    assert choose(moved, LEVEL).value == choose(seen, LEVEL).value


def test_the_gain_of_the_best_of_equal_arms_is_gone_on_fresh_seeds(simulate):
    gains = simulate.selected_gains(10, 6, 300)
    error = {name: g.std(ddof=1) / np.sqrt(len(g)) for name, g in gains.items()}
    assert gains["best seen"].mean() > 5 * error["best seen"]
    for name in ("best fresh", "chosen fresh"):
        assert abs(gains[name].mean()) < 3.3 * error[name]


# --- the epochs --------------------------------------------------------------------------------------------------

E = np.arange(20)
CURVE = 0.3 + 0.3 * np.exp(-E / 1.5) + 0.01 * E
LOWEST = int(np.argmin(CURVE)) + 1


def curves(runs, noise, seed=0):
    """Runs that overfit: a level of their own, noise in every epoch."""
    rng = np.random.default_rng(seed)
    return CURVE + rng.normal(0, 0.02, (runs, 1)) + rng.normal(0, noise, (runs, 20))


def test_without_noise_the_epoch_is_the_minimum():
    choice = epochs(np.tile(CURVE, (5, 1)))
    assert (choice.value, choice.best) == (LOWEST, LOWEST)
    assert f"lowest after epoch {LOWEST} of 20" in choice.reason


def test_one_lucky_epoch_of_one_run_decides_nothing():
    seen = curves(9, 0.001)
    lucky = seen.copy()
    lucky[0, 17] = 0.2
    assert epochs(lucky).value == epochs(seen).value
    assert np.argmin(lucky[0]) == 17


def test_it_is_the_earliest_epoch_that_is_as_good_as_the_minimum():
    flat = np.full(20, 0.3)
    flat[:4] = [0.6, 0.5, 0.4, 0.32]
    seen = flat + np.random.default_rng(3).normal(0, 0.004, (12, 20))
    choice = epochs(seen)
    assert 5 <= choice.value <= choice.best
    assert choice.value <= 8
    assert choice.within[0] == choice.value


def test_the_mean_curve_is_nearer_the_truth_than_one_run(simulate):
    regret = simulate.epoch_regret(6, 200)
    assert regret["mean curve"] < 0.6 * regret["one run's luckiest epoch"]


def test_runs_that_stopped_early_keep_their_last_loss():
    stopped, survivor = [0.5, 0.4, 0.45, np.nan, np.nan], [0.5, 0.4, 0.45, 0.5, 0.39]
    seen = np.array([stopped, stopped, survivor])
    assert epochs(np.array([survivor])).best == 5
    assert epochs(seen).best == 2
    assert epochs(seen, epochs_run=np.array([3, 3, 5])) == epochs(seen)


def test_runs_that_diverged_are_left_out_and_told():
    seen = curves(6, 0.001)
    broken = np.vstack([seen, np.where(E < 3, CURVE, np.nan)])
    choice = epochs(broken, epochs_run=np.full(7, 20))
    assert choice.value == epochs(seen).value
    assert "1 of 7 runs diverged" in choice.reason
    broken[6, 3:] = np.inf
    assert epochs(broken) == choice
    assert 1 <= epochs(broken[6:]).value <= 3


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (4, 1)])
def test_few_runs_or_epochs(shape):
    assert 1 <= epochs(np.linspace(0.5, 0.4, num=shape[0] * shape[1]).reshape(shape)).value <= shape[1]


def test_a_loss_that_still_falls_is_said_to():
    choice = epochs(np.tile(np.linspace(1.0, 0.5, 6), (3, 1)))
    assert choice.value == 6
    assert "still falling" in choice.reason


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 100), shift=st.floats(-5, 5), scale=st.sampled_from([0.5, 2.0, 64.0]))
def test_order_shift_and_scale_change_no_epoch(seed, shift, scale):
    seen = curves(7, 0.01, seed)
    moved = scale * np.random.default_rng(seed).permutation(seen) + shift
    assert epochs(moved).value == epochs(seen).value


@pytest.mark.parametrize(
    ("curve", "falls"),
    [
        (np.linspace(0.7, 0.4, 12), True),
        (0.3 + 0.4 * 0.9 ** np.arange(12), True),
        (0.3 + 0.4 * 0.4 ** np.arange(12), False),  # has arrived
        (0.3 + 0.1 * (np.arange(12) - 6) ** 2, False),  # rises again
        (np.array([0.7, 0.5]), False),  # too short to tell
    ],
)
def test_what_still_improves_at_its_end(curve, falls):
    runs = curve + np.random.default_rng(0).normal(0, 0.01, (6, 1))
    assert improving(runs) == falls
    assert improving(np.vstack([runs, np.full(len(curve), np.nan)])) == falls
    assert not improving(np.full((2, 5), np.nan))
