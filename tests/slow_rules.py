"""Every rule a second time: slow, independent, plain Python, one number after the other, from the rule's words."""

import math
import statistics
from itertools import pairwise

from goodfit.diagnose import thresholds as T


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


def slow_noise(x):
    """The wobble of an epoch, carefully taken where there are few."""
    return slow_rough(x) * (1 + T.FEW / (len(x) - 2) ** 2) if len(x) > 2 else 0.0


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
        epochs = slow_noise(self.mean(key)) * of_epochs
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
    if "loss" in s.runs and not done:
        part = slice(n - 1 - max(2, third), None)
        loss, val = slow_trend(s.mean("loss"))[part], slow_trend(x)[part]
        done = loss[0] > loss[-1] and (val[0] - val[-1]) / (loss[0] - loss[-1]) < T.HOLDS
    return "warning" if sure >= 1 and better and not done else "info"


def slow_floor(s):
    """Accuracy of chance: known, or of as many classes as the loss stands for."""
    if s.context.majority is not None or s.context.classes:
        return s.context.majority if s.context.majority is not None else 1 / s.context.classes
    score, late = s.mean("accuracy"), slow_trend(s.mean("loss"))
    late = late[len(late) // 2 :]
    level = sum(late) / len(late)
    if not score or not 0 < level <= 10:
        return None
    for classes in range(2, 30_000):
        if abs(level / math.log(classes) - 1) < T.CHANCE and abs(math.exp(level) - classes) <= 0.5:
            off = abs(max(slow_trend(score)) - 1 / classes)
            return 1 / classes if off < 0.25 / classes or off < T.JUST_ABOVE else None
    return None


def slow_chance(a, classes):
    """Cross-entropy of one answer to all rows."""
    others = (classes or max(2, round(1 / a))) - 1
    return -a * math.log(a) - (1 - a) * math.log((1 - a) / others)


def slow_underfitting(s):
    loss, score, floor = s.mean("loss"), s.mean("accuracy"), slow_floor(s)
    low, top = min(slow_trend(loss)), max(slow_trend(score)) if score else None

    def stays(key, level):
        late = slow_trend(s.mean(key))
        late = late[-(len(late) // 2) :]
        return level - sum(late) / len(late) < T.NOTHING_LEARNED * abs(level)

    moved = (loss[0] - low) / abs(loss[0]) if loss[0] else 0.0
    if score:
        trend = slow_trend(loss)
        trained = reach = top + slow_gain(trend) * slow_slope(trend, [1 - v for v in slow_trend(score)])
        if "val_loss" in s.runs:
            trend, held = slow_trend(s.mean("val_loss")), slow_trend(s.mean("val_accuracy"))
            reach = max(reach, max(held) + slow_gain(trend) * slow_slope(trend, [1 - v for v in held]))
    if score and floor is not None and reach < floor + min(T.CHANCE, (1 - floor) / 2):
        return "error"
    if s.same_answer() and moved > T.BY_BIAS * (len(loss) - 1):
        return "error"
    if score and floor is not None:
        losses = [k for k in ("loss", "val_loss") if k in s.runs]
        nothing = all(
            stays(k, s.mean(k)[0]) or (not s.context.regularised and stays(k, slow_chance(floor, s.context.classes)))
            for k in losses
        )
        spread = s.context.rows and math.sqrt(floor * (1 - floor) / s.context.rows)
        luck = 3 * spread if spread else min(3 * slow_noise(score), 2 * T.JUST_ABOVE)
        if nothing and trained - floor < min(max(T.JUST_ABOVE, luck), (1 - floor) / 2):
            return "error"
    elif stays("loss", loss[0]) and moved < 2 * T.NOTHING_LEARNED and not (top >= T.FITS if score else low == 0):
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
    noise = slow_noise(x)
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
    pace = (loss[0] - loss[-1]) / (n - 1)
    slow = pace <= 0 or max(late, pace) * T.EPOCHS_TO_HALVE <= loss[0] / 2
    if s.same_answer() and pace > T.BY_BIAS * loss[0]:
        return None
    if score and not s.context.regularised and abs(loss[0] - loss[-1]) <= T.UNMOVED * abs(loss[0]) and slow:
        classes = s.context.classes or max(2, round(1 / max(accuracy, 1e-3)))
        chance = math.log(classes)
        falls = all(b - a <= 1e-4 * chance for a, b in pairwise(loss))
        falls = falls and (n > 4 or max(loss) - min(loss) <= 1e-4 * chance)
        if accuracy * classes < 1.25 and chance * (1 + T.CHANCE) < loss[-1] < 2 * chance and falls:
            return "error"
    if pace <= 0 or late < T.STRAIGHT * early or not slow:
        return None
    if "val_loss" in s.runs and n - 1 - s.best(s.mean("val_loss")) > max(1, n // 3):
        return None
    change, error = s.change("loss", 0, n - 1)
    return "warning" if error <= 0 or -change / error >= T.SURE else None


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
    least = max(T.SWING * fall, T.NOTHING_LEARNED * abs(x[0]))
    turns = statistics.median(slow_turns(run[1:], least) for run in s.runs["loss"])
    if "accuracy" in s.runs:
        turns = max(turns, statistics.median(slow_turns(run[1:], T.SWING_POINTS) for run in s.runs["accuracy"]))
    return "warning" if turns >= T.FEWEST_TURNS and turns / (len(x) - 2) >= T.SWING_SHARE else None


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
