"""Noise is even, has the right mean and variance, and does not know its neighbours: lanes, steps, layers, positions.

All numbers are fixed by their keys, so that a limit of 5 standard errors either holds or does not.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from goodfit.models import noise

SHAPE = (64, 64)
N = SHAPE[0] * SHAPE[1]
MANY = 48


def keys(varied: str) -> list:
    """Keys that differ in one part only, as they do between lanes, steps and layers."""
    if varied == "lanes":
        return [noise.key(noise.key(np.uint32(seed), 7), 2) for seed in range(MANY)]
    if varied == "steps":
        return [noise.key(noise.key(np.uint32(3), step), 2) for step in range(MANY)]
    return [noise.key(noise.key(np.uint32(3), 7), salt) for salt in range(MANY)]


VARIED = ["lanes", "steps", "layers"]


@pytest.mark.parametrize("varied", VARIED)
def test_draws_are_even_and_independent_of_each_other(varied):
    draw = jax.jit(jax.vmap(lambda key: noise.uniform(key, SHAPE)))
    u = np.asarray(draw(jnp.stack(keys(varied))), np.float64).reshape(MANY, N)
    assert 0 <= u.min() < u.max() < 1
    everything = u.ravel()
    assert abs(everything.mean() - 0.5) < 5 * np.sqrt(1 / 12 / everything.size)
    assert everything.var() == pytest.approx(1 / 12, abs=5 * np.sqrt(1 / 180 / everything.size))
    assert stats.kstest(everything, "uniform").pvalue > 1e-3
    z = (u - 0.5) * np.sqrt(12)
    for between in (z @ z.T / N, np.sign(z) @ np.sign(z).T / N, (z**2 - 1) @ (z**2 - 1).T / N / 0.8):
        assert np.abs(between[~np.eye(MANY, dtype=bool)]).max() < 5 / np.sqrt(N)


@pytest.mark.parametrize("varied", VARIED)
def test_sums_of_draws_scatter_as_sums_of_independent_numbers_do(varied):
    """Rows of lanes, or of steps, added up: their variance would show what no single pair does."""
    u = np.stack([np.asarray(noise.uniform(k, SHAPE), np.float64).ravel() for k in keys(varied)])
    for total in (u.sum(0), u.reshape(MANY, *SHAPE).sum(1).ravel(), u.reshape(MANY, *SHAPE).sum(2).ravel()):
        terms = u.size / total.size
        assert total.var() / (terms / 12) == pytest.approx(1, abs=5 * np.sqrt(2 / total.size))


def test_positions_do_not_know_each_other():
    u = np.asarray(noise.uniform(noise.key(1, 2, 3), (512, 512)), np.float64) - 0.5
    for axis in (0, 1):
        for lag in (1, 2, 3, 8, 16, 64):
            a, b = (np.take(u, range(*r), axis) for r in ((lag, 512), (0, 512 - lag)))
            assert abs((a * b).mean() * 12) < 5 / np.sqrt(a.size)


def test_every_bit_is_fair_and_turns_half_of_the_time():
    words = [np.asarray(noise.bits(k, SHAPE)).ravel() for k in keys("steps")]
    ones = np.mean([[(w >> bit & 1).mean() for bit in range(32)] for w in words], 0)
    assert np.abs(ones - 0.5).max() < 5 * 0.5 / np.sqrt(N * MANY)
    turned = np.mean([[((a ^ b) >> bit & 1).mean() for bit in range(32)] for a, b in pairwise(words)], 0)
    assert np.abs(turned - 0.5).max() < 5 * 0.5 / np.sqrt(N * (MANY - 1))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_share_of_one_minus_the_rate_is_kept(rate):
    kept = np.stack([noise.at_least(k, SHAPE, jnp.float32(rate)) for k in keys("lanes")])
    error = np.sqrt(rate * (1 - rate))
    assert abs(kept.mean() - (1 - rate)) <= 5 * error / np.sqrt(kept.size)
    # of each unit over rows, of each row over units, and of each lane
    for axes in ((0, 1), (0, 2), (1, 2)):
        share = kept.mean(axes)
        assert np.abs(share - (1 - rate)).max() <= 5 * error / np.sqrt(kept.size / share.size)


def test_normal_noise_is_normal():
    z = np.stack([noise.normal(k, SHAPE) for k in keys("lanes")]).astype(np.float64).reshape(MANY, N)
    assert np.isfinite(z).all()
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert z.var() == pytest.approx(1, abs=5 * np.sqrt(2 / z.size))
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-3
    between = z @ z.T / N
    assert np.abs(between[~np.eye(MANY, dtype=bool)]).max() < 5 / np.sqrt(N)


def test_more_rows_leave_the_earlier_ones_as_they_were():
    key = noise.key(5, 6)
    np.testing.assert_array_equal(noise.bits(key, (9, 7))[:4], noise.bits(key, (4, 7)))
