"""Each rule against a slow independent version: plain Python, one number after the other, from the rule's words."""

import math
import statistics
from itertools import pairwise

import numpy as np
import pytest

from goodfit.diagnose import Context, curves
from goodfit.diagnose import thresholds as T
from goodfit.diagnose.chance import chance_loss
from goodfit.diagnose.grain import rows_behind
from goodfit.diagnose.noise import between, median, roughness, smoothed
from goodfit.diagnose.rules import RULES
from goodfit.diagnose.swings import swings
from goodfit.diagnose.view import View
from goodfit.history import History

KINDS = (
    "healthy",
    "overfit",
    "unfinished",
    "slow",
    "stuck",
    "diverging",
    "swinging",
    "jumpy",
    "constant",
    "far off",
    "squared",
    "hits",
    "percent",
    "twice",
    "sigmoid twice",
    "dead",
    "frozen",
    "by heart",
    "other rows",
    "thrown",
    "flips",
)


def made(kind: str, seed: int) -> History:
    """Curves of a kind: some epochs, some runs, some noise, any scale."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    n, runs = int(rng.integers(3, 45)), int(rng.choice([1, 1, 2, 4]))
    t, noise = np.arange(n), float(rng.choice([0, 0.002, 0.02]))
    pace = float(rng.uniform(0.1, 1.5))
    noise = min(noise, 0.002) if kind == "twice" else noise
    val_noise, jump = noise, np.zeros((runs, n))
    train, val = 0.1 + np.exp(-pace * t), 0.3 + np.exp(-pace * t)
    if kind == "overfit":
        val = val + rng.uniform(0.002, 0.1) * np.maximum(t - rng.integers(1, 10), 0)
        train = train * np.exp(-0.03 * t)
    elif kind == "unfinished":
        train = val = 0.2 + np.exp(-t / n)
    elif kind == "slow":
        train = val = 0.7 - 10 ** rng.uniform(-5, -2) * t
    elif kind == "stuck":
        train = val = 0.69 + 0.2 * np.exp(-3.0 * t)
    elif kind == "diverging":
        train = val = 0.3 + np.exp(-pace * t) + np.maximum(t - n / 2, 0) ** 2 * 0.05
    elif kind == "swinging":
        jump = 0.3 * np.where(rng.random((runs, n)) < 0.5, 1, 0)
    elif kind == "jumpy":
        val_noise = 0.3
    elif kind == "constant":
        train = val = np.full(n, rng.choice([0.0, 0.5, math.log(2), 2.0]))
        noise = val_noise = 0.0
    elif kind == "far off":
        train = val = 8.0 - 0.01 * t
    elif kind in ("squared", "hits", "percent"):
        train = val = {"squared": 0.02, "hits": 0.02, "percent": 3e4}[kind] * (1 + 10 * np.exp(-pace * t))
    elif kind == "twice":
        classes = int(rng.choice([3, 10, 46]))
        right = np.clip(0.98 - 0.7 * np.exp(-pace * t), 0, 1)
        train = val = math.log(math.e + classes - 1) - right + 0.08 * rng.random() * np.exp(-pace * t)
    elif kind == "sigmoid twice":
        train = val = 0.5 + 0.24 * np.exp(-pace * t) + 0.02 * rng.random()
    elif kind == "dead":
        train = val = math.log(2) * (1 - 10.0 ** rng.uniform(-4.5, -2) * (t.clip(0, 9) + 1e-4 * t))
        noise = val_noise = 0.0
    elif kind == "frozen":
        train = val = 1.7 + 1.8 * 0.1**t
        noise = val_noise = 0.0
    elif kind == "by heart":
        train, val = 0.7 * np.exp(-0.05 * pace * t), 0.69 + rng.uniform(-0.002, 0.03) * t / n
    elif kind == "other rows":
        val = 1.5 + rng.uniform(-0.4, 2) * np.exp(-pace * t)
    elif kind == "thrown":
        train = val = 0.4 - 0.02 * t + 1.5 * (t > 1)
    elif kind == "flips":
        train = val = 1.3 + 0.1 * rng.random(n)
        noise = val_noise = 0.002
    curves = {
        "loss": np.abs(train + jump + noise * rng.standard_normal((runs, n))),
        "val_loss": np.abs(val + jump + val_noise * rng.standard_normal((runs, n))),
    }
    if rng.random() < 0.6 or kind in KINDS[KINDS.index("twice") :]:
        level = {"slow": 0.51, "stuck": 0.5, "constant": 0.5, "far off": 0.5}.get(kind)
        accuracy = 1 - train / 2.5 if level is None else np.full(n, level)
        if kind in ("squared", "percent"):
            accuracy = 0.95 - 0.4 * np.exp(-pace * t)
        elif kind == "hits":
            accuracy = np.full(n, 0.01)
        elif kind == "twice":
            accuracy = right
        elif kind == "sigmoid twice":
            accuracy = rng.choice([0.85, 0.97]) - 0.3 * np.exp(-pace * t)
        elif kind == "dead":
            accuracy = np.full(n, 0.6)
        elif kind == "frozen":
            accuracy = 0.89 - 0.3 * (t == 0)
        elif kind == "flips":
            accuracy = np.where(rng.random(n) < 0.7, 0.45, 0.31)
        curves["accuracy"] = np.clip(accuracy - jump / 3, 0, 1)
        behind = rng.uniform(0.1, 0.9) * accuracy if kind == "other rows" else 0.02
        curves["val_accuracy"] = np.clip(accuracy - behind - jump / 3, 0, 1)
    if rng.random() < 0.2:
        curves["learning_rate"] = np.tile(np.where(t < n / 2, 0.1, 0.001), (runs, 1))
    if rng.random() < 0.15:
        curves.pop("val_loss" if rng.random() < 0.5 else "loss")
    if kind == "diverging" and rng.random() < 0.3 and "loss" in curves:
        for key in {"loss", "val_loss"} & set(curves):
            curves[key][0, n // 2 :] = np.nan
    return History(curves)


# --- the slow versions ----------------------------------------------------------------------------------------------


def width(i):
    return [1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11][min(10, i // 5)]


def slow_trend(x):
    out = []
    for i in range(len(x)):
        reach = min(width(i) // 2, len(x) - 1 - i)
        part = x[i - reach : i + reach + 1]
        out.append(sum(part) / len(part))
    return out


def slow_rough(x):
    if len(x) < 3:
        return 0.0
    return statistics.median(abs(x[i] - 2 * x[i + 1] + x[i + 2]) for i in range(len(x) - 2)) / (0.6745 * math.sqrt(6))


class Slow:
    """What the slow versions share."""

    def __init__(self, history, context):
        self.context, self.runs = context, {k: v.tolist() for k, v in history.curves.items()}
        self.broken = any(math.isnan(v) for k in ("loss",) if k in self.runs for run in self.runs[k] for v in run)

    def mean(self, key):
        if key not in self.runs:
            return None
        return [sum(column) / len(column) for column in zip(*self.runs[key], strict=True)]

    def best(self, x):
        trend = slow_trend(x)
        at = trend.index(min(trend))
        low, high = max(0, at - width(at) // 2), at + width(at) // 2 + 1
        near = x[low:high]
        return low + near.index(min(near))

    def last(self, x):
        part = x[-width(len(x) - 1) :]
        return sum(part) / len(part)

    def change(self, key, start, end):
        """A change and its standard error."""
        x = self.mean(key)
        part = x[max(0, end - width(end) + 1) : end + 1]
        size = sum(part) / len(part) - slow_trend(x)[start]
        return size, self.error(key, start, end, math.sqrt(2), math.sqrt(1 / width(start) + 1 / width(end)))

    def climb(self, key, start, end):
        """The slope after `start` in standard errors."""
        part = self.mean(key)[start + 1 : end + 1]
        n = len(part)
        if n < 5:
            return 0.0
        middle, level = (n - 1) / 2, sum(part) / n
        square = sum((i - middle) ** 2 for i in range(n))
        slope = sum((i - middle) * (v - level) for i, v in enumerate(part)) / square
        error = self.error(key, start, end, 1 / math.sqrt(square), 1 / math.sqrt(square))
        return slope / error if error > 0 else 0.0

    def error(self, key, start, end, of_seeds, of_epochs):
        """The standard error of what is so many times as uncertain as one epoch."""
        runs = self.runs[key]
        epochs = slow_rough(self.mean(key)) * of_epochs
        if len(runs) == 1:
            return epochs
        part = [run[start : end + 1] for run in runs]
        n, e = len(part), len(part[0])
        if e < 2:
            return epochs
        grand = sum(map(sum, part)) / n / e
        columns = [sum(c) / n for c in zip(*part, strict=True)]
        square = sum((v - sum(run) / e - c + grand) ** 2 for run in part for v, c in zip(run, columns, strict=True))
        seeds = math.sqrt(square / (n - 1) / (e - 1) / n) * of_seeds
        known = [s for s in (seeds, epochs) if s > 0]
        return 0.0 if not known else min(known) if n < 3 else known[0]

    def start(self):
        val, loss = self.mean("val_loss"), self.mean("loss")
        return min(val[0], max(loss[0] if loss else val[0], val[1]))

    def rise(self):
        """How many times the rise of the validation loss passes its thresholds; None where it does not rise."""
        val = self.mean("val_loss")
        best, end = self.best(val), len(val) - 1
        if best == end:
            return None
        size, error = self.change("val_loss", best, end)
        if size <= 0:
            return None
        low = min(slow_trend(val))
        gain = self.start() - low
        share = size / gain if gain > 0 else math.inf
        relative = size / abs(low) if low else math.inf
        sure = size / error if error > 0 else math.inf
        sure = max(sure, self.climb("val_loss", best, end)) / T.SURE
        if len(val) <= T.SHORT:
            ups = "".join("u" if b > a else "d" for a, b in pairwise(val[best:]))
            sure = max(sure, min(max(map(len, ups.split("d"))) / 3, relative / T.CLEAR))
        rows, least = self.context.validation_rows, T.RISE_RELATIVE
        if rows and len(self.runs["val_loss"]) < 3:
            least = max(least, T.ROWS_NOISE / rows**0.5)
        return min(share / T.RISE_SHARE, relative / least, sure, (end - best) / 2)

    def same_answer(self):
        """Whether no run's accuracy moves after the first epoch."""
        given = [self.runs[k] for k in ("accuracy", "val_accuracy") if k in self.runs]
        if "accuracy" not in self.runs or len(given[0][0]) < 4:
            return False
        still = all(max(run[1:]) - min(run[1:]) < 1e-6 for runs in given for run in runs)
        low = all(self.last(self.mean(k)) < T.FITS for k in ("accuracy", "val_accuracy") if k in self.runs)
        a = self.last(self.mean("accuracy"))
        entropy = -sum(p * math.log(max(p, 1e-6)) for p in (a, 1 - a))
        return still and low and self.last(self.mean("loss")) >= 0.9 * entropy


def slow_by_heart(s):
    loss, val = s.mean("loss"), s.mean("val_loss")
    low, start = min(slow_trend(val)), s.start()
    held = start - low <= T.NEVER * abs(start) and low >= (1 - T.START) * loss[0]
    return len(val) >= 5 and loss[0] > 0 and held and s.last(loss) <= (1 - T.START) * loss[0]


def slow_overfitting(s):
    loss, val = s.mean("loss"), s.mean("val_loss")
    strength, heart = s.rise(), slow_by_heart(s)
    if heart:
        return "warning" if s.context.patience is None else "info"
    if strength is None or strength < 0.5:
        return None
    at_best = slow_trend(loss)[s.best(val)]
    if at_best - s.last(loss) < T.STILL_FALLING * abs(at_best):
        return None
    return "warning" if strength >= 1 and s.context.patience is None else "info"


def slow_too_many_epochs(s):
    val = s.mean("val_loss")
    strength, best, n = s.rise() or 0.0, s.best(val), len(val)
    if s.context.patience is not None or not (strength >= 1 or (n - 1 - best >= 4 and best + 1 <= n / 2)):
        return None
    return "warning" if strength >= 1 and "loss" not in s.runs else "info"


def slow_gain(x):
    """What more epochs should take off."""
    n, third = len(x), max(1, len(x) // 3)
    steps = [a - b for a, b in pairwise(x)]
    late = sum(steps[-third:]) / third
    if n >= 9:
        steps = steps[third:]
    before = sum(a * a for a in steps[:-1])
    if late <= 0 or before == 0:
        return 0.0
    shrink = min(1.0, max(0.0, sum(a * b for a, b in pairwise(steps)) / before))
    step, gain = late * shrink ** ((third - 1) / 2), 0.0
    for _ in range(max(n, 10)):
        step *= shrink
        gain += step
    return gain


def slow_slope(loss, errors):
    """Errors by loss, over the last two thirds."""
    pairs = list(zip(loss, errors, strict=True))[len(loss) // 3 :]
    x, y = (sum(c) / len(pairs) for c in zip(*pairs, strict=True))
    above, below = sum((a - x) * (b - y) for a, b in pairs), sum((a - x) ** 2 for a, _ in pairs)
    return max(0.0, above / below) if below > 0 else 0.0


def slow_too_few_epochs(s):
    key = "val_loss" if "val_loss" in s.runs else "loss"
    x = s.mean(key)
    n, third = len(x), max(1, len(x) // 3)
    last = s.last(x)
    worth = slow_gain(slow_trend(x)) / abs(last) if last else 0.0
    change, error = s.change(key, n - 1 - third, n - 1)
    falls = 0
    while falls < n - 1 and x[-1 - falls] < x[-2 - falls]:
        falls += 1
    sure = min(worth / T.WORTH_MORE_EPOCHS, max(-change / error / T.SURE if error > 0 else math.inf, falls / 3))
    if error <= 0 and change > 0:
        sure = min(worth / T.WORTH_MORE_EPOCHS, math.inf)
    if s.best(x) < n - 1 - third or sure < 0.5:
        return None
    score = s.mean("val_accuracy" if key == "val_loss" else "accuracy")
    better = True
    if score:
        points = slow_gain(slow_trend(x)) * slow_slope(slow_trend(x), [1 - v for v in slow_trend(score)])
        errors = 1 - s.last(score)
        better = points >= T.WORTH_POINTS or points >= max(T.WORTH_ERRORS * errors, 0.005)
    rate = s.mean("learning_rate") or [1.0]
    done = rate[-1] < 0.1 * max(rate) or key == "loss"
    loss = s.mean("loss")
    done = done or bool(loss and 0 < T.WIDE * s.last(loss) < last and worth < T.FAR_OFF)
    return "warning" if sure >= 1 and better and not done else "info"


def slow_underfitting(s):
    loss, score = s.mean("loss"), s.mean("accuracy")
    low = min(slow_trend(loss))
    top = max(slow_trend(score)) if score else None
    floor = s.context.majority
    if floor is None and s.context.classes:
        floor = 1 / s.context.classes
    if floor is None and score and 0 < low <= 10:
        classes = round(math.exp(low))
        if (
            classes >= 2
            and abs(low - math.log(classes)) < T.CHANCE * math.log(classes)
            and abs(top * classes - 1) < 0.25
        ):
            floor = 1 / classes
    moved = (loss[0] - low) / abs(loss[0]) if loss[0] else 0.0
    if score:
        trend = slow_trend(loss)
        reach = top + slow_gain(trend) * slow_slope(trend, [1 - v for v in slow_trend(score)])
        if "val_loss" in s.runs:
            trend, held = slow_trend(s.mean("val_loss")), slow_trend(s.mean("val_accuracy"))
            reach = max(reach, max(held) + slow_gain(trend) * slow_slope(trend, [1 - v for v in held]))
    if score and floor is not None and reach < floor + min(T.CHANCE, (1 - floor) / 2):
        return "error"
    if s.same_answer() and moved > T.BY_BIAS * (len(loss) - 1):
        return "error"
    if score and floor is not None:
        pass
    elif moved < T.NOTHING_LEARNED and not (top >= T.FITS if score else low == 0):
        return "error"
    if score and s.context.linear is not None:
        return "warning" if reach < s.context.linear - T.BELOW_LINEAR else None
    return None


def slow_diverged(s):
    if s.broken:
        return "error"
    x = s.mean("loss")
    low = x.index(min(x))
    back, gain = min(x[-2:]) - x[low], max(x[: low + 1]) - x[low]
    noise = slow_rough(x)
    if low < len(x) - 2 and back > 0:
        share = back / gain if gain > 0 else math.inf
        sure = back / noise / T.SURE if noise > 0 else math.inf
        top = max(x[: low + 1])
        sure = max(sure, min(x[-2:]) / top / T.ABOVE_START if top > 0 else 0.0)
        relative = back / abs(x[low]) / T.FALLEN_BACK if x[low] else math.inf
        if min(share / T.FALLEN_BACK, sure, relative) >= 1:
            return "error" if share >= 1 else "warning"
    score = s.mean("accuracy")
    if score:
        top = score.index(max(score))
        lost, gained = score[top] - max(score[-2:]), score[top] - score[0]
        if top < len(score) - 2 and gained >= 0.1 and lost >= T.LOST_POINTS * gained:
            return "error" if lost >= 0.8 * gained else "warning"
    return None


def slow_learning_rate_too_high(s):
    loss, score = s.mean("loss"), s.mean("accuracy")
    if not score:
        return None

    def honest(a, classes):
        a = min(max(a, 1e-6), 1 - 1e-6)
        rest = [(1 - a) / (classes - 1)] * (classes - 1)
        return -sum(p * math.log(p) for p in [a, *rest])

    accuracy = min(1.0, max(0.0, s.last(score)))
    floor = max(s.context.majority or 0, 1 / (s.context.classes or max(2, round(1 / max(accuracy, 0.01)))))
    learned = accuracy >= T.FITS or accuracy > floor + 0.2
    guess = max(2, round(1 / max(accuracy, 0.01)), min(T.MOST_CLASSES, round(math.exp(min(loss[0], 20)))))
    far = s.last(loss) / honest(max(accuracy, floor), s.context.classes or guess) >= T.THROWN_OFF
    late = max(3, len(loss) // 3)
    still = max(score[-late:]) - min(score[-late:]) < 1e-6
    still = still and loss[-1] > math.log(s.context.classes or 2)
    if far and still and max(loss[-late:]) - min(loss[-late:]) < T.FROZEN * abs(loss[-1]):
        return "error"
    if far and accuracy < score[0] + T.LEARNED and not learned and not s.context.regularised:
        return "error"
    moved, thrown = abs(loss[1] - loss[0]) >= 0.2 * abs(loss[0]), 0.0
    if moved and s.context.classes:
        thrown = loss[0] / math.log(s.context.classes) / T.FIRST_WORSE_THAN_CHANCE
    elif moved:
        begin = min(max(score[0], 1e-6), 1 - 1e-6)
        thrown = loss[0] / honest(begin, max(2, round(1 / begin))) / T.FIRST_THROWN_OFF
        thrown = max(thrown, loss[0] / T.FIRST_OF_NONE if 0.05 < score[0] < 0.5 else 0.0)
    if thrown < 1 and slow_flips(s):
        return "error"
    return "warning" if thrown >= 1 and (s.context.classes or not learned) else None


def slow_flips(s):
    """Whether validation accuracy leaps between few values while training accuracy gets nowhere."""
    held, score = s.mean("val_accuracy"), s.mean("accuracy")
    if not held or len(s.runs["accuracy"]) > 1 or len(score) < 6 or max(slow_trend(score)) >= T.FITS:
        return False
    held = [round(v, 6) for v in held[1:]]
    leaps = [abs(a - b) for a, b in pairwise(held) if a != b]
    often = max(held.count(v) for v in held) >= 3 and len(set(held)) <= len(held) / 2
    nowhere = s.last(score) - T.LEARNED / 2 <= min(score[0], max(held))
    return bool(leaps) and min(leaps) >= T.FLIP and often and nowhere


def slow_learning_rate_too_low(s):
    loss, score = slow_trend(s.mean("loss")), s.mean("accuracy")
    accuracy = s.last(score) if score else None
    n = len(loss)
    if loss[-1] <= 0 or (score and accuracy >= T.FITS):
        return None
    third = max(1, (n - 1) // 3)
    late, early = (loss[-1 - third] - loss[-1]) / third, (loss[0] - loss[third]) / third
    pace, needed = (loss[0] - loss[-1]) / (n - 1), max(T.EPOCHS_TO_HALVE, 5 * n)
    if s.same_answer() and pace > T.BY_BIAS * loss[0]:
        return None
    if (
        score
        and not s.context.regularised
        and abs(loss[0] - loss[-1]) <= T.UNMOVED * abs(loss[0])
        and pace * needed < loss[-1] / 2
    ):
        classes = s.context.classes or max(2, round(1 / max(accuracy, 1e-3)))
        chance = math.log(classes)
        falls = all(b - a <= 1e-4 * chance for a, b in pairwise(loss))
        if accuracy * classes < 1.25 and chance * (1 + T.CHANCE) < loss[-1] < 2 * chance and falls:
            return "error"
    if pace <= 0 or late < T.STRAIGHT * early:
        return None
    halving = loss[-1] / 2 / max(late, pace)
    change, error = s.change("loss", 0, n - 1)
    surely = (-change / error if error > 0 else math.inf) / T.SURE
    return "warning" if min(halving / needed, surely) >= 1 else None


def slow_turns(x, least):
    """Extrema from which a curve goes back by `least`: the standard zigzag, written as a search for the next turn."""
    turns, going, at = 0, 0, x[0]
    low = high = x[0]
    for v in x:
        low, high = min(low, v), max(high, v)
        if going == 0:
            if high - v >= least:
                going, at = -1, v
            elif v - low >= least:
                going, at = 1, v
        elif going == 1:
            if v > at:
                at = v
            elif at - v >= least:
                turns, going, at = turns + 1, -1, v
        elif v < at:
            at = v
        elif v - at >= least:
            turns, going, at = turns + 1, 1, v
    return turns


def slow_oscillation(s):
    x = s.mean("loss")
    fall = x[0] - min(x)
    if len(x) < 5 or fall <= 0:
        return None
    turns = statistics.median(slow_turns(run[1:], T.SWING * fall) for run in s.runs["loss"])
    if "accuracy" in s.runs:
        turns = max(turns, statistics.median(slow_turns(run[1:], T.SWING_POINTS) for run in s.runs["accuracy"]))
    return "warning" if turns >= 2 and turns / (len(x) - 2) >= T.SWING_SHARE else None


def slow_plateau(s):
    loss, score = slow_trend(s.mean("loss")), s.mean("accuracy")
    n, low = len(loss), min(loss)
    fall = loss[0] - low
    if not score or n < 8 or fall < T.NOTHING_LEARNED * abs(loss[0]) or max(slow_trend(score)) >= T.FITS:
        return None
    reached = next(i for i, v in enumerate(loss) if v <= low + T.FLAT * fall)
    if n - 1 - reached < max(5, n / 2):
        return None
    linear = s.context.linear
    return "warning" if linear is not None and max(slow_trend(score)) < linear - T.BELOW_LINEAR / 2 else "info"


def slow_noisy_validation(s):
    val = s.mean("val_loss")
    wobble = statistics.median(slow_rough(run) for run in s.runs["val_loss"])
    calm = statistics.median(slow_rough(run) for run in s.runs["loss"])
    fall = s.start() - min(slow_trend(val))
    if len(val) < 6 or wobble == 0 or fall <= 0:
        return None
    sure = min(wobble / fall / T.NOISY, wobble / calm / T.NOISY_TO_TRAIN if calm > 0 else math.inf)
    return None if sure < 1 else "warning" if sure >= T.VERY_NOISY and len(val) >= 8 else "info"


def slow_wrong_loss(s):
    loss, score = s.mean("loss"), s.mean("accuracy")
    if not score:
        return None
    sides = []
    for key, hits in (("val_loss", s.mean("val_accuracy")), ("loss", score)):
        x = s.mean(key)
        least = sum(min(1 - a, 0.5) * math.log(2) for a in hits)
        if x and least > 0:
            sides.append(sum(x) / least)
    if not sides:
        return None
    if sides[0] < T.NO_CROSS_ENTROPY:
        return "info" if max(slow_trend(score)) < T.NO_HITS else "warning"
    return "warning" if s.last(loss) > T.ABSURD and s.last(score) > score[0] + 0.1 else None


def slow_double_softmax(s):
    loss, score = s.mean("loss"), s.mean("accuracy")
    if not score or s.context.regularised or min(loss) <= 0:
        return None
    sums, known = [a + b for a, b in zip(loss, score, strict=True)], s.context.classes
    begins, ends = math.log(2) - 0.1 < loss[0] < math.log(2) + 0.2, math.log(1 + 1 / math.e) + 0.1
    stopped = slow_gain(slow_trend(loss)) <= T.STOPPED * loss[-1] and ends < loss[-1] < math.log(2) - 0.03
    if known in (None, 2) and len(loss) >= 5 and begins and stopped and score[-1] >= T.FITS:
        classes = 2
    elif score[-1] - score[0] < T.SAME_SUM or max(sums) - min(sums) > T.SAME_SUM:
        return None
    elif known:
        off = sums[-1] - math.log(math.e + known - 1)
        if known < 3 or not -T.SAME_SUM / 4 < off < T.SAME_SUM:
            return None
        classes = known
    elif sums[-1] <= math.log(math.e + 2) - T.SAME_SUM / 4:
        return None
    else:
        classes = max(3, round(math.exp(sums[-1]) - math.e + 1))
    val = s.mean("val_loss")
    if val:
        held = [a + b for a, b in zip(val, s.mean("val_accuracy"), strict=True)]
        if max(abs(h - sums[-1]) for h in held[1:]) > 2 * T.SAME_SUM:
            return None
    a = min(max(score[-1], 1e-6), 1 - 1e-6)
    honest = -a * math.log(a) - (1 - a) * math.log((1 - a) / (classes - 1))
    return "error" if loss[-1] / honest >= T.TOO_UNSURE else None


def slow_unshuffled_split(s):
    loss, val, score, held = (s.mean(k) for k in ("loss", "val_loss", "accuracy", "val_accuracy"))
    if any(held[i] > T.OTHER_ROWS * score[i] for i in range(T.AT_ONCE)) or loss[0] <= 0:
        return None
    return "warning" if val[0] / loss[0] >= T.OTHER_LOSS and s.last(held) <= 0.75 * s.last(score) else None


def slow_last_weights_kept(s):
    val = s.mean("val_loss")
    return "warning" if s.context.keeps_last and s.best(val) < len(val) - 1 else None


SLOW = {name.removeprefix("slow_"): f for name, f in list(globals().items()) if name.startswith("slow_")}
CONTEXTS = (
    Context(),
    Context(classes=2, majority=0.5, linear=0.8, validation_rows=100),
    Context(patience=3, keeps_last=True, regularised=True),
)
NEEDS = {
    "train": "loss",
    "val": "val_loss",
    "running": "loss",
    "train_metric": "accuracy",
    "val_metric": "val_accuracy",
}


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.code)
def test_rule_equals_its_slow_version(rule):
    said = {None: 0, "info": 0, "warning": 0, "error": 0}
    for kind in KINDS:
        for seed in range(24):
            history, context = made(kind, seed), CONTEXTS[seed % 3]
            view, slow = View.of(history), Slow(history, context)
            lacking = [c for n in rule.needs if (c := NEEDS[n]) not in history.curves]
            broken = slow.broken and rule.code != "diverged"
            if broken or (rule.code == "diverged" and "loss" not in history.curves):
                continue  # what is cut off where it broke is tested below
            found = rule.check(view, context) if rule.applies(view) else None
            expected = None if lacking else SLOW[rule.code](slow)
            assert (found and found.severity) == expected, (kind, seed, found)
            said[expected] += 1
    assert said[None] > 10, "it never stays silent"
    assert sum(said.values()) - said[None] > 3, "it never speaks"


def bridged(run):
    """A run's gaps filled by straight lines, step by step."""
    at = [i for i, v in enumerate(run) if not math.isnan(v)]
    out = list(run)
    for a, b in pairwise(at):
        for i in range(a + 1, b):
            out[i] = run[a] + (run[b] - run[a]) * (i - a) / (b - a)
    return out


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.code)
def test_rule_equals_its_slow_version_on_curves_full_of_gaps(rule):
    for kind in KINDS:
        for seed in range(24):
            history, context = made(kind, seed), CONTEXTS[seed % 3]
            slow = Slow(history, context)
            needed = [NEEDS[n] for n in rule.needs] or ["loss"]
            lacking = [c for c in needed if c not in history.curves]
            if slow.broken or history.runs < 2 or history.epochs < 5 or lacking:
                continue
            rng, holes = np.random.default_rng(seed), {}
            for key, values in history.curves.items():
                gone = rng.random(values.shape) < 0.3
                gone[:, [0, -1]] = gone[0] = False  # what all runs lack was not measured: another matter
                holes[key] = np.where(gone, np.nan, values)
            slow = Slow(History({k: np.array([bridged(run) for run in v.tolist()]) for k, v in holes.items()}), context)
            view = View.of(History(holes))
            found = rule.check(view, context) if rule.applies(view) else None
            assert (found and found.severity) == SLOW[rule.code](slow), (kind, seed, found)


# --- the parts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_parts_equal_their_slow_versions(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(int(rng.integers(3, 120)))
    np.testing.assert_allclose(smoothed(x), slow_trend(x.tolist()), rtol=1e-9, atol=1e-12)
    assert roughness(x) == pytest.approx(slow_rough(x.tolist()))
    assert median(x) == np.median(x)
    assert swings(x, 0.5) == slow_turns(x.tolist(), 0.5)


def test_roughness_is_the_noise_of_a_line_and_between_that_of_seeds():
    rng = np.random.default_rng(0)
    assert roughness(np.arange(4000) * 3.0 + 0.2 * rng.standard_normal(4000)) == pytest.approx(0.2, rel=0.05)
    runs = np.arange(50) ** 2 + np.array([[0.0], [7.0], [-3.0]]) + 0.2 * rng.standard_normal((3, 50))
    assert between(runs) == pytest.approx(0.2, rel=0.2)
    assert np.isnan(between(runs[:1]))


@pytest.mark.parametrize("rows", [7, 91, 400, 1000, 2500])
@pytest.mark.parametrize("digits", [4, 16])
def test_rows_are_read_off_their_accuracies(rows, digits):
    right = np.random.default_rng(rows).integers(1, rows, 20) / rows
    told = rows_behind(np.round(right.astype(np.float32).astype(float), digits))
    # Four digits may not tell a thousand rows apart, and nothing is said then; a wrong number never is.
    assert told in ([rows] if digits == 16 or rows < 1000 else [rows, None])
    assert rows_behind(np.random.default_rng(0).random(20)) is None
    assert rows_behind(np.full(20, 0.5)) is None
    assert rows_behind(np.array([np.nan, 0.0, 1.0, 0.25])) is None


def test_few_validation_rows_tell_no_small_rise():
    t = np.arange(16)
    val = 0.4 + 0.3 * np.exp(-t / 1.5) + 0.003 * np.maximum(t - 5, 0)
    h = {"loss": 0.7 * 0.8**t, "accuracy": 1 - 0.4 * 0.8**t, "val_loss": val}
    for rows in (100, 10_000):
        told = {f.code: f.severity for f in curves(h, context=Context(validation_rows=rows))}
        assert (told.get("overfitting") == "warning") == (rows > 1000)


def test_chance_loss_is_the_entropy_of_a_calibrated_guess():
    assert chance_loss(0.5, 2) == pytest.approx(math.log(2))
    assert chance_loss(1 / 46, None) == pytest.approx(math.log(46))
    assert chance_loss(0.9, 2) < chance_loss(0.7, 2)


# --- what was logged, and what was not ------------------------------------------------------------------------------


def test_runs_of_different_length_make_no_jump():
    long, short = np.linspace(1.0, 0.1, 10), np.linspace(2.0, 1.4, 7)
    runs = np.full((2, 10), np.nan)
    runs[0], runs[1, :7] = long, short
    view = View.of(History({"loss": runs, "val_loss": runs}, epochs_run=np.array([10, 7])))
    assert view.epochs == 10
    steps = np.diff(view.train.mean)
    assert np.all(steps < 0)
    assert np.all(np.abs(np.diff(steps)) < 0.01)
    # The epochs that only a minority reached are not looked at.
    few = View.of(History({"loss": np.vstack([runs, runs[1]])}, epochs_run=np.array([10, 7, 7])))
    assert few.epochs == 7


def test_epochs_after_a_break_are_cut_off():
    loss = np.array([[0.9, 0.5, np.nan, np.nan], [0.9, 0.5, 0.3, 0.2], [0.8, 0.5, 0.3, np.inf]])
    view = View.of(History({"loss": loss}))
    assert (view.broken, view.broken_runs, view.epochs) == (3, 2, 3)


def test_a_value_every_few_epochs_is_bridged():
    val = [0.9, np.nan, 0.7, np.nan, 0.5]
    view = View.of(History({"loss": [1.0, 0.8, 0.6, 0.5, 0.4], "val_loss": val}))
    np.testing.assert_allclose(view.val.mean, [0.9, 0.8, 0.7, 0.6, 0.5])
    assert view.epochs == 5


def test_a_training_loss_that_is_only_missing_is_no_divergence():
    loss, val = [1.0, 0.8, 0.6, np.nan], [0.9, 0.8, 0.7, 0.65]
    assert View.of(History({"loss": loss, "val_loss": val})).broken is None
    assert View.of(History({"loss": loss, "val_loss": [0.9, 0.8, 0.7, np.nan]})).broken == 4


def test_an_absurd_first_validation_loss_hides_no_overfitting():
    t = np.arange(14)
    val = 0.3 + 0.02 * np.maximum(t - 4, 0) + 0.4 * np.exp(-t.astype(float))
    val[0] = 50.0  # batch normalisation before its averages have settled
    found = [
        r.check(View.of(History({"loss": 0.7 * 0.8**t, "val_loss": val})), Context())
        for r in RULES
        if r.code == "overfitting"
    ]
    assert found[0] is not None
    assert found[0].severity == "warning"


@pytest.mark.parametrize(
    ("metric", "values"), [("mae", [3.0, 2.0, 1.5]), ("accuracy", [0.5, 0.6, 0.7]), ("r2", [0.1, 0.2, 0.3])]
)
def test_metrics_go_up_or_down(metric, values):
    view = View.of(History({"loss": [3.0, 2.0, 1.0], metric: values, f"val_{metric}": values}))
    assert view.val_metric.best == 2
    assert view.val_metric.higher is (metric != "mae")
