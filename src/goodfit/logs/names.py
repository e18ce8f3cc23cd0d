"""What other tools call a curve, in Keras's words. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SPLITS = {
    **dict.fromkeys(("train", "training", "tr"), ""),
    **dict.fromkeys(("val", "valid", "validation", "eval", "evaluation", "dev", "metrics"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_FILLERS = {"epoch", "avg", "average", "mean", "total", "per", "vs", "iterations"}
# fmt: off
_NO_CURVE = {
    "runtime", "second", "seconds", "time", "timestamp", "steps", "samples", "flos", "memory", "gpu", "cpu",
    "walltime", "eta", "min", "max", "relative", "wall", "created", "trainer",
}
# fmt: on
_ALIASES = {
    "acc": "accuracy",
    "binary_accuracy": "accuracy",
    "binary_acc": "accuracy",
    "categorical_accuracy": "accuracy",
    "sparse_categorical_accuracy": "accuracy",
    "multiclass_accuracy": "accuracy",
    "multiclassaccuracy": "accuracy",
    "binaryaccuracy": "accuracy",
    "accuracy_top1": "accuracy",
    "top1_accuracy": "accuracy",
    "top1_acc": "accuracy",
    "acc1": "accuracy",
    "lr": "learning_rate",
    "mean_absolute_error": "mae",
    "mean_squared_error": "mse",
    "root_mean_squared_error": "rmse",
    "f1_score": "f1",
    "macro_f1": "f1",
}
EPOCH, STEP = "epoch", "step"


def canonical(name: str) -> tuple[str, int]:
    """A column's name in Keras's words.

    Returns:
        The name (`loss`, `val_accuracy`, `learning_rate`, `epoch`, `step`; empty for what is no curve) and its rank:
        lower wins where two columns mean the same (a mean over an epoch before single steps, validation before test).
    """
    words = [w for w in re.split(r"[/_\-\s.:()]+", name.strip().strip("\"'").lower()) if w]
    if not words:
        return "", 9
    if set(words) <= {"epoch", "epochs", "trainer", "train"} and {"epoch", "epochs"} & set(words):
        return EPOCH, 0
    if words[-1] in {"step", "iteration", "iter"} and set(words[:-1]) <= {"global", "trainer", "train"}:
        return STEP, 0
    if "iterations" in words or words[0] == "batch":  # TensorBoard's per-step curves beside those per epoch
        return "", 9
    if set(words) & _NO_CURVE:
        return "", 9
    rank = 0
    if words[-1] == "step":
        words, rank = words[:-1], 2
    split = None
    for end in (0, -1):
        if split is None and len(words) > 1 and words[end] in _SPLITS:
            split = _SPLITS[words.pop(end)]
    # "val" may stand behind a filler, as in `epoch_val_loss`.
    kept = [w for w in words if w not in _FILLERS] or words
    if split is None and len(kept) > 1 and kept[0] in _SPLITS:
        split = _SPLITS[kept.pop(0)]
    metric = "_".join(kept)
    if kept[0] in {"lr", "learning"} and (kept[0] == "lr" or kept[1:2] == ["rate"]):
        return "learning_rate", rank
    metric = _ALIASES.get(metric, metric)
    if metric.endswith("_accuracy") and metric.removesuffix("_accuracy") in {"top_1", "multiclass", "binary", "top1"}:
        metric = "accuracy"
    if split == "test":
        return f"val_{metric}", rank + 4
    return (f"val_{metric}" if split else metric), rank


def renamed(names: Iterable[str]) -> dict[str, str]:
    """Which column to take for each curve: Keras's name to the log's.

    goodfit's own logs hold `train_loss` (inference mode) beside `loss` (running): there both stay.
    """
    names = list(names)
    best: dict[str, tuple[int, str]] = {}
    for name in names:
        key, rank = canonical(name)
        own = name.removeprefix("train_")
        if name.startswith("train_") and own in names:
            key, rank = name, 0
        if key and (key not in best or rank < best[key][0]):
            best[key] = (rank, name)
    return {key: name for key, (_, name) in best.items()}


def parts_of_a_loss(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Keras's names of the parts (`box_loss`, `cls_loss`) that make a loss where no `loss` stands by itself.

    Returns:
        Those on training rows and those on validation rows; only parts that both have, where both have any.
    """
    names = set(names)
    val = {n for n in names if n.startswith("val_") and n.endswith("_loss")}
    train = {n for n in names if n.endswith("_loss")} - val
    if train and val and {v.removeprefix("val_") for v in val} & train:
        train = {t for t in train if f"val_{t}" in val}
        val = {f"val_{t}" for t in train}
    return sorted(train), sorted(val)
