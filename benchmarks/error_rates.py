"""How often the statistics of a study are wrong, and how often they see what is there.

    python benchmarks/error_rates.py [--size fast|full] [--part aa,resampled,...]

Everything is simulated with fixed seeds; `resampled` and `coverage` train real classifiers on rows of a real data
set. A rate stands with its 95 % Wilson interval. `docs/statistics.md` says what the tables mean.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from functools import cache

import numpy as np

from goodfit.study import selection
from goodfit.study.proportions import wilson
from goodfit.study.statistics import accuracy_interval, compare, compare_all, mcnemar

Array = np.ndarray
Noise = Callable[[np.random.Generator, tuple[int, ...]], Array]

NOISES: dict[str, Noise] = {
    "normal": lambda rng, shape: rng.normal(0, 0.005, shape),
    "heavy tails": lambda rng, shape: 0.005 * rng.standard_t(2, shape),
    "a bad run in 20": lambda rng, shape: rng.normal(0, 0.005, shape) - 0.1 * (rng.random(shape) < 0.05),
    "300 validation rows": lambda rng, shape: rng.binomial(300, 0.87, shape) / 300 - 0.87,
    "20 validation rows": lambda rng, shape: rng.binomial(20, 0.87, shape) / 20 - 0.87,
    "diverges in 20": lambda rng, shape: np.where(rng.random(shape) < 0.05, np.nan, rng.normal(0, 0.005, shape)),
}


def rate(hits: int, repeats: int) -> str:
    """A rate with its interval, for people."""
    low, high = wilson(hits / repeats, repeats)
    return f"{hits / repeats:6.3f} ({low:.3f}-{high:.3f})"


def pairs(rng: np.random.Generator, n: int, noise: Noise, effect: float = 0.0) -> tuple[Array, Array]:
    """Scores of base and other, `(n,)` each: a part that the seed gives both, and own noise."""
    shared = 0.87 + rng.normal(0, 0.01, n)
    return shared + noise(rng, (n,)), shared + effect + noise(rng, (n,))


def verdicts(n: int, repeats: int, noise: Noise, effect: float = 0.0, rope: float = 0.01, seed: int = 0) -> Counter:
    """How often each verdict comes over repeats of one comparison of independent paired runs."""
    rng = np.random.default_rng([seed, n])
    return Counter(compare(*pairs(rng, n, noise, effect), rope=rope).verdict for _ in range(repeats))


def families(n: int, treatments: int, repeats: int, rope: float = 0.0, seed: int = 1) -> int:
    """In how many families of treatments that all do nothing at least one is called better or worse."""
    rng = np.random.default_rng([seed, n, treatments])
    wrong = 0
    for _ in range(repeats):
        scores = 0.87 + rng.normal(0, 0.01, n) + NOISES["normal"](rng, (treatments + 1, n))
        found = compare_all(scores[0], {f"t{i}": s for i, s in enumerate(scores[1:])}, rope=rope)
        wrong += any(c.verdict in ("better", "worse") for c in found.values())
    return wrong


def centroids(x: Array, y: Array, train: Array) -> Array:
    """Predictions of the nearest class mean, bool `(rows,)`: fast, for tests."""
    yes, no = (x[train[y[train] == side]].mean(axis=0) for side in (True, False))
    return (x - (yes + no) / 2) @ (yes - no) > 0


def logistic(x: Array, y: Array, train: Array) -> Array:
    """Predictions of scikit-learn's logistic regression, bool `(rows,)`."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=200, tol=1e-3).fit(x[train], y[train]).predict(x).astype(bool)


@cache
def digits() -> tuple[Array, Array]:
    """Even or odd: scikit-learn's digits, features `(1797, 64)` scaled to 0..1 and bool labels."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return x / 16.0, y % 2 == 0


def resampled_pairs(
    rng: np.random.Generator, n: int, rows: int, share: float, learner: Callable, noise_columns: int = 40
) -> tuple[Array, Array]:
    """Two variants that are equal on average, trained on `n` random splits of one small data set.

    Each sees the real columns and its own columns of pure noise. Over data sets neither is better; on any one data
    set one of them is a little, by chance, and all its splits share that chance: the overlap that makes plain tests
    too sure.
    """
    x, y = digits()
    chosen = rng.choice(len(x), rows, replace=False)
    x, y = x[chosen], y[chosen]
    columns = rng.normal(0, 0.5, (2, rows, noise_columns))
    scores = np.empty((2, n))
    for i in range(n):
        order = rng.permutation(rows)
        validation, train = order[: int(share * rows)], order[int(share * rows) :]
        for arm in range(2):
            right = learner(np.column_stack([x, columns[arm]]), y, train) == y
            scores[arm, i] = right[validation].mean()
    return scores[0], scores[1]


def resampled(n: int, repeats: int, share: float, learner: Callable, rows: int = 200, seed: int = 2) -> dict[str, int]:
    """False verdicts on equal variants over random splits of one data set, by what they rest on."""
    rng = np.random.default_rng([seed, n, int(100 * share)])
    wrong = {"plain t": 0, "sign flips": 0, "verdict": 0}
    validation = int(share * rows)
    for _ in range(repeats):
        base, other = resampled_pairs(rng, n, rows, share, learner)
        plain = compare(base, other, rope=0.0)
        corrected = compare(base, other, rope=0.0, resampled=(rows - validation, validation))
        wrong["plain t"] += plain.p <= 0.05
        wrong["sign flips"] += plain.p_permutation <= 0.05
        wrong["verdict"] += corrected.verdict in ("better", "worse")
    return wrong


def coverage(n: int, repeats: int, share: float, learner: Callable, rows: int = 200, seed: int = 3) -> dict[str, int]:
    """How often intervals hold the true difference between two really different variants, on small data sets.

    The other lacks half of the columns. The truth is its mean difference over splits of many fresh data sets.
    """
    x, y = digits()
    validation = int(share * rows)

    def scores(rng: np.random.Generator, runs: int) -> tuple[Array, Array]:
        chosen = rng.choice(len(x), rows, replace=False)
        out = np.empty((2, runs))
        for i in range(runs):
            order = rng.permutation(rows)
            for arm, columns in enumerate((slice(None), slice(0, None, 2))):
                right = learner(x[chosen][:, columns], y[chosen], order[validation:]) == y[chosen]
                out[arm, i] = right[order[:validation]].mean()
        return out[0], out[1]

    rng = np.random.default_rng([seed, n, int(100 * share)])
    truth = np.mean([np.subtract(*scores(rng, 1)[::-1])[0] for _ in range(20 * repeats)])
    held = {"plain t": 0, "interval": 0}
    for _ in range(repeats):
        base, other = scores(rng, n)
        for name, sizes in (("plain t", None), ("interval", (rows - validation, validation))):
            c = compare(base, other, resampled=sizes)
            held[name] += c.low <= truth <= c.high
    return held


def networks(repeats: int, n: int, epochs: int = 8) -> list[dict[str, str]]:
    """A/A with real networks in lanes: the verdict on every study of one recipe against itself, by how it is read.

    Every study draws `n` splits of the digits; on each the recipe trains twice, from different initial weights.
    """
    from goodfit.models.network import from_recipe
    from goodfit.models.recipe import Recipe
    from goodfit.train.lane import TRAIN, VALIDATION, Lane
    from goodfit.train.loop import Engine

    x, y = digits()
    network = from_recipe(Recipe(batch_size=128, learning_rate=0.003, epochs=epochs), 64, 2)
    members = np.full((repeats * n, len(x)), TRAIN, np.uint8)
    for i, member in enumerate(members):
        member[np.random.default_rng([7, i]).permutation(len(x))[: len(x) // 5]] = VALIDATION
    lanes = [Lane(arm, 2 * i + k, network, m) for i, m in enumerate(members) for k, arm in enumerate(("base", "other"))]
    runs = Engine(x.astype(np.float32), y.astype(np.int64)).train(lanes)
    scores = np.array([run.curves["val_accuracy"][-1] for run in runs]).reshape(repeats, n, 2)
    sizes = (len(x) - len(x) // 5, len(x) // 5)
    return [
        {
            "rope 0, plain": compare(base, other, rope=0.0).verdict,
            "rope 0": compare(base, other, rope=0.0, resampled=sizes).verdict,
            "rope 1 point": compare(base, other, resampled=sizes).verdict,
        }
        for base, other in (study.T for study in scores)
    ]


def selected_gains(arms: int, n: int, repeats: int, seed: int = 4) -> dict[str, Array]:
    """Gain over the base of the arm that is picked among equal ones, `(repeats,)` each.

    `best seen`: of the best arm, on the seeds it was picked by; `best fresh`: of that arm on fresh seeds;
    `chosen seen` and `chosen fresh`: the same for the arm that `selection.choose` takes.
    """
    rng = np.random.default_rng([seed, arms, n])
    names = ["base"] + [f"t{i}" for i in range(1, arms)]
    complexities = {name: (100.0, float(name != "base")) for name in names}
    gains: dict[str, list[float]] = {"best seen": [], "best fresh": [], "chosen seen": [], "chosen fresh": []}
    for _ in range(repeats):
        seen, fresh = (0.87 + rng.normal(0, 0.01, n) + NOISES["normal"](rng, (arms, n)) for _ in range(2))
        choice = selection.choose(dict(zip(names, seen, strict=True)), complexities)
        for what, name in (("best", choice.best), ("chosen", choice.value)):
            for when, scores in (("seen", seen), ("fresh", fresh)):
                gains[f"{what} {when}"].append(float(np.mean(scores[names.index(name)] - scores[0])))
    return {name: np.array(values) for name, values in gains.items()}


def epoch_regret(n: int, repeats: int, seed: int = 5) -> dict[str, float]:
    """Mean excess of the true validation loss at the chosen epoch over its minimum, for curves that overfit."""
    rng = np.random.default_rng([seed, n])
    e = np.arange(20)
    regret = {"one run's luckiest epoch": 0.0, "mean curve": 0.0}
    for _ in range(repeats):
        fall, rise, depth = rng.uniform(0.5, 4), rng.uniform(0.002, 0.03), rng.uniform(0.1, 0.4)
        truth = 0.3 + depth * np.exp(-e / fall) + rise * e
        curves = truth + rng.normal(0, 0.01, (n, 1)) + rng.normal(0, 0.01, (n, len(e)))
        regret["one run's luckiest epoch"] += truth[np.argmin(curves[0])] - truth.min()
        regret["mean curve"] += truth[selection.epochs(curves).value - 1] - truth.min()
    return {name: total / repeats for name, total in regret.items()}


def one_test_set(rows: int, accuracy: float, repeats: int, seed: int = 6) -> dict[str, int]:
    """Wilson intervals that hold the true accuracy, and McNemar tests that call two equal models different."""
    rng = np.random.default_rng([seed, rows])
    held = wrong = covered = 0
    for _ in range(repeats):
        easy = rng.random(rows) < accuracy - 0.05  # rows that both get right, the rest is luck
        a, b = (easy | (rng.random(rows) < 0.05 / (1.05 - accuracy)) for _ in range(2))
        low, high = accuracy_interval(int(a.sum()), rows)
        held += low <= accuracy <= high
        result = mcnemar(a, b)
        wrong += result.p <= 0.05
        covered += result.low <= 0 <= result.high
    return {"wilson holds": held, "mcnemar wrong": wrong, "difference holds": covered}


def part_aa(repeats: int) -> None:
    print(f"\nA/A: nothing differs; share of verdicts better or worse in {repeats} repeats (0.05 is allowed)")
    print(f"{'noise of a run':22}{'rope':>5}{'seeds':>6}  {'better or worse':22}  equivalent")
    for i, (name, rope) in enumerate([(name, 0.0) for name in NOISES] + [("normal", 0.01)]):
        for n in (6, 10, 29):
            v = verdicts(n, repeats, NOISES[name], rope=rope, seed=10 + i)
            wrong = rate(v["better"] + v["worse"], repeats)
            print(f"{name:22}{rope:5}{n:6}  {wrong:22}  {v['equivalent'] / repeats:.3f}", flush=True)


def part_families(repeats: int) -> None:
    print(f"\nA/A with several treatments: share of {repeats} studies with any false verdict, after Holm")
    for n in (6, 10, 29):
        print(f"{n:6} seeds, 5 treatments  {rate(families(n, 5, repeats), repeats)}")


def part_ab(repeats: int) -> None:
    print(f"\nA/B: the other is really better by so many standard deviations of a difference ({repeats} repeats)")
    print(f"{'seeds':>6}{'effect/sd':>10}{'better':>9}{'undecided':>11}{'worse':>7}")
    for n in (6, 10, 29):
        for size in (0.25, 0.5, 1.0, 2.0):
            v = verdicts(n, repeats, NOISES["normal"], effect=size * 0.005 * 2**0.5, rope=0.0)
            print(
                f"{n:6}{size:10}{v['better'] / repeats:9.3f}{v['undecided'] / repeats:11.3f}{v['worse'] / repeats:7.3f}"
            )
    print("\nThe same with a rope of 1 point and a standard deviation of a difference of 0.7 points")
    print(f"{'seeds':>6}{'points':>8}{'better':>9}{'equivalent':>12}{'undecided':>11}{'worse':>7}")
    for n in (6, 10, 29):
        for points in (0.0, 0.5, 1.0, 2.0):
            v = verdicts(n, repeats, NOISES["normal"], effect=points / 100)
            shares = [v[k] / repeats for k in ("better", "equivalent", "undecided", "worse")]
            print(f"{n:6}{points:8}{shares[0]:9.3f}{shares[1]:12.3f}{shares[2]:11.3f}{shares[3]:7.3f}")


def part_resampled(repeats: int) -> None:
    print(f"\nA/A over random splits of one data set of 200 rows, logistic regression, {repeats} data sets, rope 0")
    print(f"{'validation':>11}{'seeds':>6}  {'plain paired t':22}  {'sign flips':22}  goodfit's verdict")
    for share in (0.2, 0.5):
        for n in (10, 29):
            wrong = resampled(n, repeats, share, logistic)
            print(f"{share:11.0%}{n:6}  " + "  ".join(f"{rate(w, repeats):22}" for w in wrong.values()))


def part_networks(repeats: int) -> None:
    print(f"\nA/A with networks (16-16, digits, 8 epochs, a split for every seed), {repeats} studies of 10 seeds")
    found = networks(repeats, 10)
    for name in found[0]:
        count = Counter(study[name] for study in found)
        print(f"{name:15} better or worse {rate(count['better'] + count['worse'], repeats)}  {dict(count)}")


def part_coverage(repeats: int) -> None:
    print(
        f"\nIntervals that hold the true difference (half of the columns taken away), {repeats} data sets of 200 rows"
    )
    print(f"{'validation':>11}{'seeds':>6}  {'plain paired t':22}  goodfit's interval")
    for share in (0.2, 0.5):
        held = coverage(10, repeats, share, logistic)
        print(f"{share:11.0%}{10:6}  " + "  ".join(f"{rate(h, repeats):22}" for h in held.values()))


def part_selection(repeats: int) -> None:
    print(f"\nThe arm picked among equal ones: mean gain over the base in points, {repeats} repeats, 10 seeds")
    print(f"{'arms':>6}  {'of':12}{'gain':>8}  95 % interval")
    for arms in (5, 10):
        for name, gains in selected_gains(arms, 10, repeats).items():
            mean, error = 100 * gains.mean(), 100 * gains.std(ddof=1) / repeats**0.5
            print(f"{arms:6}  {name:12}{mean:8.3f}  {mean - 1.96 * error:+.3f} to {mean + 1.96 * error:+.3f}")


def part_epochs(repeats: int) -> None:
    print(f"\nChosen epoch: mean excess of the true validation loss over its minimum ({repeats} curves)")
    for n in (3, 6, 29):
        print(f"{n:6} seeds  " + "  ".join(f"{name} {value:.5f}" for name, value in epoch_regret(n, repeats).items()))


def part_test_set(repeats: int) -> None:
    print(f"\nOne test set, two equal models ({repeats} repeats)")
    for rows, accuracy in ((200, 0.9), (2246, 0.79), (25_000, 0.88)):
        counts = one_test_set(rows, accuracy, repeats)
        print(f"{rows:7} rows  " + "  ".join(f"{name} {rate(hits, repeats)}" for name, hits in counts.items()))


PARTS: dict[str, tuple[Callable[[int], None], int, int]] = {
    "aa": (part_aa, 200, 1000),
    "families": (part_families, 100, 1000),
    "ab": (part_ab, 200, 1000),
    "resampled": (part_resampled, 50, 300),
    "networks": (part_networks, 50, 200),
    "coverage": (part_coverage, 50, 300),
    "selection": (part_selection, 500, 5000),
    "epochs": (part_epochs, 200, 2000),
    "test_set": (part_test_set, 200, 2000),
}
"""Part to its function and its repeats at size fast and full."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=("fast", "full"), default="fast")
    parser.add_argument("--part", default=",".join(PARTS), help="parts, separated by commas")
    options = parser.parse_args()
    for name in options.part.split(","):
        if name not in PARTS:
            parser.error(f"unknown part {name!r}; there is {', '.join(PARTS)}")
    for name in options.part.split(","):
        part, fast, full = PARTS[name]
        start = time.perf_counter()
        part(fast if options.size == "fast" else full)
        print(f"[{name}: {time.perf_counter() - start:.0f} s]", flush=True)


if __name__ == "__main__":
    main()
