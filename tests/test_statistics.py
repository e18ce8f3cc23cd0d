"""The statistics of a comparison: against slow independent versions, by their symmetries, and by how often they err."""

import dataclasses
import importlib.util
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from goodfit.errors import UsageError
from goodfit.study.statistics import accuracy_interval, compare, compare_all, holm, mcnemar, mean_interval

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "error_rates.py"
FIGURES = ("effect", "low", "high", "p", "p_permutation", "wins", "wins_low", "wins_high", "sd")


@pytest.fixture(scope="module")
def simulate():
    """The simulations of `benchmarks/error_rates.py`, run here with few repeats."""
    spec = importlib.util.spec_from_file_location("statistics_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def allowed(repeats, share=0.05):
    """The most hits that a rate of `share` produces in all but one of a thousand tries."""
    return stats.binom.ppf(0.999, repeats, share)


# accuracies and losses, with ties, exact and rounded
score = st.one_of(st.sampled_from([0.5, 0.87, 0.88]), st.floats(0, 1), st.floats(-1e3, 1e3))
paired = st.integers(1, 12).flatmap(lambda n: st.tuples(*[st.lists(score, min_size=n, max_size=n)] * 2))


# --- figures against independent versions ------------------------------------------------------------------------


def slow_sign_flips(d):
    """Two-sided exact p by all 2^n signs: twice the smaller tail, as SciPy defines it."""
    sums = np.array([np.dot(s, d) for s in itertools.product([-1, 1], repeat=len(d))])
    seen = np.sum(d)
    return min(1.0, 2 * min(np.mean(sums >= seen - 1e-12), np.mean(sums <= seen + 1e-12)))


@pytest.mark.parametrize("n", [2, 5, 6, 9])
def test_interval_and_p_are_those_of_the_paired_t_test_and_of_all_sign_flips(n):
    rng = np.random.default_rng(n)
    base, other = rng.normal(0.8, 0.01, (2, n))
    c = compare(base, other)
    t = stats.ttest_rel(other, base)
    ends = t.confidence_interval(0.95)
    assert (c.low, c.high, c.p) == pytest.approx((ends.low, ends.high, t.pvalue))
    assert c.p_permutation == pytest.approx(slow_sign_flips(other - base))


def test_resampling_takes_the_correction_of_nadeau_and_bengio():
    rng = np.random.default_rng(0)
    base, other = rng.normal(0.8, 0.01, (2, 15))
    d = other - base
    se = math.sqrt((1 / 15 + 500 / 2000) * np.var(d, ddof=1))
    c = compare(base, other, resampled=(2000, 500))
    assert (c.split, compare(base, other).split) == ("resampled", "fixed")
    assert c.p == pytest.approx(2 * stats.t.sf(abs(np.mean(d)) / se, 14))
    assert c.high - c.low == pytest.approx(2 * stats.t.ppf(0.975, 14) * se)


def test_the_bootstrap_interval_comes_from_ten_seeds_and_is_near_that_of_t():
    rng = np.random.default_rng(1)
    base, other = rng.normal(0.8, 0.01, (2, 29))
    c, few = compare(base, other), compare(base[:9], other[:9])
    assert (few.bootstrap_low, few.bootstrap_high) == (None, None)
    assert (c.bootstrap_low, c.bootstrap_high) == pytest.approx((c.low, c.high), abs=0.15 * (c.high - c.low))
    wide = compare(base, other, resampled=(800, 200))
    stretch = math.sqrt(1 + 29 / 4)
    assert wide.bootstrap_high - wide.bootstrap_low == pytest.approx(stretch * (c.bootstrap_high - c.bootstrap_low))


def slow_holm(p):
    """Holm's procedure by its words: the largest multiplied p up to one's own place in the order."""
    ranked = sorted(p)
    out = []
    for own in p:
        place = ranked.index(own)
        out.append(min(1.0, max((len(p) - k) * ranked[k] for k in range(place + 1))))
    return out


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm(p):
    assert holm(p) == pytest.approx(slow_holm(p))


def test_holm_of_the_textbook():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@given(total=st.integers(1, 30_000), share=st.floats(0, 1))
def test_accuracy_interval_is_wilsons(total, share):
    correct = int(share * total)
    known = stats.binomtest(correct, total).proportion_ci(method="wilson")
    assert accuracy_interval(correct, total) == pytest.approx((known.low, known.high), abs=1e-12)


def test_accuracy_interval_of_the_recipe():
    half = [np.ptp(accuracy_interval(round(a * n), n)) / 2 / 1.96 for a, n in ((0.88, 25_000), (0.79, 2_246))]
    assert half == pytest.approx([0.002, 0.009], abs=0.0005)


def test_mcnemar_is_exact_for_few_disagreements_and_chi_squared_for_many():
    def outcomes(both, base, other, none):
        pairs = [(1, 1)] * both + [(1, 0)] * base + [(0, 1)] * other + [(0, 0)] * none
        return np.array(pairs, dtype=bool).T

    few = mcnemar(*outcomes(50, 3, 12, 10))
    assert few.exact
    assert few.p == pytest.approx(stats.binomtest(3, 15, 0.5).pvalue)
    assert few.effect == pytest.approx(9 / 75)
    many = mcnemar(*outcomes(794, 86, 150, 570))  # Agresti, "Categorical Data Analysis", approval ratings
    assert not many.exact
    assert many.p == pytest.approx(stats.chi2.sf((64 - 1) ** 2 / 236, 1))
    assert (many.low, many.high) == pytest.approx((0.0211, 0.0588), abs=0.001)
    same = mcnemar(*outcomes(90, 0, 0, 10))
    assert (same.effect, same.p) == (0, 1)
    assert same.low < 0 < same.high
    json.dumps(dataclasses.asdict(many), allow_nan=False)


def test_mean_interval():
    assert mean_interval([0.8, np.nan, 0.9]) == pytest.approx((0.85, *stats.t.interval(0.95, 1, 0.85, 0.05)))
    assert mean_interval([0.8])[0] == 0.8
    assert all(map(math.isnan, mean_interval([])))


# --- symmetries --------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@example(([0.5] * 9 + [0.87, 0.0], [0.5] * 7 + [0.87, 0.0, 0.5, 0.5]))
@example(([0.5] * 8 + [0.87, 0.0, 0.0], [0.5] * 7 + [0.0, 0.0, 0.5, 0.87]))
@given(paired)
def test_swapping_base_and_other_mirrors_everything(scores):
    c, m = compare(*scores), compare(*scores[::-1])
    assert (m.effect, m.low, m.high) == (-c.effect, -c.high, -c.low)
    assert (m.p, m.p_permutation, m.sd) == (c.p, c.p_permutation, c.sd)
    assert (m.wins, m.wins_low, m.wins_high) == pytest.approx((1 - c.wins, 1 - c.wins_high, 1 - c.wins_low))
    assert m.verdict == {"better": "worse", "worse": "better"}.get(c.verdict, c.verdict)
    assert m.more_seeds == c.more_seeds
    if c.bootstrap_low is not None:
        assert (m.bootstrap_low, m.bootstrap_high) == (-c.bootstrap_high, -c.bootstrap_low)


@settings(max_examples=30, deadline=None)
@given(paired, st.randoms(use_true_random=False))
def test_the_order_of_seeds_changes_nothing(scores, random):
    both = list(zip(*scores, strict=True))
    random.shuffle(both)
    assert compare(*zip(*both, strict=True)).to_dict() == compare(*scores).to_dict()


@settings(max_examples=30, deadline=None)
@given(paired)
def test_a_shift_of_all_scores_changes_no_figure(scores):
    a, b = np.array(scores)
    c, s = compare(a, b), compare(a + 64, b + 64)
    for name in ("effect", "low", "high", "sd"):
        assert getattr(s, name) == pytest.approx(getattr(c, name), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(paired)
def test_a_loss_is_compared_as_its_negative(scores):
    a, b = np.array(scores)
    lower, higher = compare(a, b, higher_is_better=False), compare(-a, -b)
    assert lower.to_dict() == higher.to_dict()


@settings(max_examples=60, deadline=None)
@example(([0.5] * 9, [0.4] * 9), True, 0.01)
@given(paired, st.booleans(), st.floats(0, 0.1))
def test_every_comparison_is_whole(scores, resampled, rope):
    c = compare(*scores, rope=rope, resampled=(800, 200) if resampled else None)
    assert c.low <= c.effect <= c.high
    assert 0 <= c.wins_low <= c.wins <= c.wins_high <= 1
    assert 0 <= c.p <= 1
    assert 0 < c.p_permutation <= 1
    assert c.verdict == "undecided" or c.more_seeds is None
    assert c.message.endswith(".")
    assert "\n" not in c.message
    json.dumps(c.to_dict(), allow_nan=False)


# --- verdicts ----------------------------------------------------------------------------------------------------

NOISE = np.array([0.1, -0.3, 0.2, 0.4, -0.2, -0.1, 0.3, -0.4]) / 100
BASE = np.full(8, 0.85)


def test_better_and_worse():
    assert compare(BASE, BASE + 0.03 + NOISE).verdict == "better"
    assert compare(BASE, BASE - 0.03 + NOISE).verdict == "worse"
    assert compare(BASE, BASE - 0.03 + NOISE, higher_is_better=False).verdict == "better"


def test_a_real_difference_inside_the_rope_is_equivalent_and_said_to_be_there():
    c = compare(BASE, BASE + 0.004 + NOISE)
    assert (c.verdict, c.p < 0.05) == ("equivalent", True)
    assert "real but less than the 1.00" in c.message


def test_a_difference_that_may_be_small_is_said_to_be():
    c = compare(BASE, BASE + 0.009 + NOISE)
    assert c.verdict == "better"
    assert "may be too small to matter" in c.message


def test_five_seeds_establish_nothing_however_large_the_difference():
    c = compare(BASE[:5], BASE[:5] + 0.1 + NOISE[:5])
    assert (c.verdict, c.more_seeds) == ("undecided", 1)
    assert "fewer than 6" in c.message


def test_one_seed():
    c = compare([0.8], [0.9])
    assert (c.verdict, c.more_seeds, c.p, c.to_dict()["low"]) == ("undecided", 5, 1.0, None)


def test_identical_scores_are_equivalent():
    c = compare(BASE, BASE)
    assert (c.verdict, c.effect, c.p, c.p_permutation, c.wins) == ("equivalent", 0, 1, 1, 0.5)
    assert c.wins_low < 0.5 < c.wins_high


def test_the_same_difference_in_every_seed_has_the_p_of_its_signs():
    c = compare(BASE, BASE + 0.05)
    assert (c.verdict, c.p) == ("better", 2 / 2**8)
    assert compare(BASE[:5], BASE[:5] + 0.05).verdict == "undecided"


def test_rounding_of_single_precision_is_no_spread():
    rows = 287
    base, other = (np.array(right, np.float32) / np.float32(rows) for right in ([256, 201, 177], [274, 219, 195]))
    assert len(set(np.diff([base.astype(float), other.astype(float)], axis=0)[0])) > 1
    assert compare(base, other).sd == 0
    assert compare(base, base + np.array([18, 18, 19]) / rows).sd > 0


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("difference", [0, 0.05])
def test_few_seeds_that_all_differ_by_the_same_have_no_interval(n, difference):
    c = compare(BASE[:n], BASE[:n] + difference)
    assert (c.low, c.high, c.verdict) == (-np.inf, np.inf, "undecided")
    assert c.to_dict()["low"] is None
    assert "interval" not in c.message
    assert np.isfinite(compare(BASE[:n], BASE[:n] + difference + NOISE[:n]).low)


def test_a_diverged_run_counts_as_worst_and_is_told():
    other = BASE + 0.03 + NOISE
    whole = compare(BASE, other)
    other[2] = np.nan
    c = compare(BASE, other)
    assert c.n == 8
    assert c.diverged == (0, 1)
    assert c.wins == 7 / 8
    assert c.effect < whole.effect
    assert "1 of 8 runs of 'other' diverged" in c.message
    assert compare(BASE, other, worst=0.5).effect == pytest.approx(np.mean(np.append(np.delete(other, 2), 0.5)) - 0.85)
    assert compare(BASE, np.full(8, np.nan)).verdict == "diverged"
    assert compare(BASE, np.full(8, np.inf), higher_is_better=False).verdict == "diverged"
    assert compare(np.full(8, np.nan), np.full(8, np.nan)).effect == 0


def test_holm_makes_a_close_call_undecided():
    close = BASE + 0.0045 + NOISE * 1.6
    assert compare(BASE, close, rope=0.0).verdict == "better"
    others = {"close": close, **{f"t{i}": BASE + np.roll(NOISE, i) for i in range(4)}}
    found = compare_all(BASE, others, rope=0.0)
    assert found["close"].verdict == "undecided"
    assert found["close"].p_holm == pytest.approx(5 * found["close"].p)
    assert found["close"].names == ("base", "close")
    assert compare_all(BASE, {}) == {}


def test_as_many_more_seeds_as_it_says_decide_in_four_of_five_cases():
    c = compare(BASE, BASE + 0.0015 + NOISE, rope=0.0)
    assert c.verdict == "undecided"
    n = c.n + c.more_seeds
    d = np.random.default_rng(0).normal(c.effect, c.sd, (4000, n))
    assert np.mean(stats.ttest_1samp(d, 0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.03)


def test_where_splits_overlap_no_number_of_seeds_decides_a_small_difference():
    c = compare(BASE, BASE + 0.0015 + NOISE, rope=0.0, resampled=(800, 200))
    assert (c.verdict, c.more_seeds) == ("undecided", None)
    assert "more rows might" in c.message


@pytest.mark.parametrize(
    "call",
    [
        lambda: compare([], []),
        lambda: compare([0.8], [0.8, 0.9]),
        lambda: compare([[0.8]], [[0.9]]),
        lambda: compare([0.8], [0.9], rope=-1),
        lambda: compare([0.8], [0.9], alpha=5),
        lambda: compare([0.8], [0.9], resampled=(0, 10)),
        lambda: accuracy_interval(5, 4),
        lambda: accuracy_interval(0, 0),
        lambda: mcnemar([True], [True, False]),
    ],
)
def test_bad_input_is_one_clear_line(call):
    with pytest.raises(UsageError):
        call()


# --- how often it errs: the fast version of benchmarks/error_rates.py ----------------------------------------------


@pytest.mark.parametrize(
    ("n", "noise", "repeats"),
    [(6, "normal", 200), (10, "normal", 200), (8, "heavy tails", 100), (8, "diverges in 20", 100)],
)
def test_where_nothing_differs_verdicts_of_a_difference_are_rare(simulate, n, noise, repeats):
    v = simulate.verdicts(n, repeats, simulate.NOISES[noise], rope=0.0)
    assert v["better"] + v["worse"] <= allowed(repeats)


def test_several_treatments_that_do_nothing_seldom_give_one_verdict_of_a_difference(simulate):
    assert simulate.families(8, 5, 60) <= allowed(60)


def test_a_true_difference_is_found(simulate):
    large = simulate.verdicts(10, 100, simulate.NOISES["normal"], effect=0.015)
    assert large["better"] >= 95
    assert large["worse"] == 0
    none = simulate.verdicts(10, 100, simulate.NOISES["normal"])
    assert none["equivalent"] >= 85


def test_overlapping_splits_make_plain_tests_too_sure_but_not_the_verdict(simulate):
    wrong = simulate.resampled(12, 100, 0.2, simulate.centroids)
    assert wrong["verdict"] <= allowed(100)
    assert wrong["plain t"] > allowed(100)


def test_one_test_set(simulate):
    counts = simulate.one_test_set(2246, 0.79, 200)
    assert counts["mcnemar wrong"] <= allowed(200)
    assert 200 - counts["wilson holds"] <= allowed(200)
    assert 200 - counts["difference holds"] <= allowed(200)
