"""`examine`: all checks that can be made before the first step of somebody's `fit`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from goodfit.diagnose import preflight
from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.network import Network
from goodfit.diagnose.preflight.rows import TRAIN, VALIDATION, Rows, row_groups
from goodfit.diagnose.preflight.targets import Targets
from goodfit.doctor.arguments import Arguments, whole
from goodfit.doctor.yardstick import linear

Array = np.ndarray

SAMPLE = 2048
"""Rows whose scale is looked at, where they are narrow."""

NUMBERS = 2**21
"""Numbers that are looked at for it."""

_OF_EQUALS = {"duplicate_rows", "conflicting_labels"}
_OF_CLASSES = ("crossentropy", "hinge")


def examine(model: Any, given: Arguments, output: Array | None = None) -> list[Finding]:
    """Check model, compile settings and arrays.

    Args:
        model: A Keras model, built or not.
        given: What `fit` was given.
        output: What the model gives for the rows of `given.sample(len(output))`.

    Returns:
        Findings, the gravest first.
    """
    labels = whole(given.y)
    rows, few = given.sample(given.within(NUMBERS, SAMPLE))
    single = rows if isinstance(rows, np.ndarray) else None
    found = preflight.model(model, single, few if labels is None else _all_labels(given, labels))
    if output is not None and not any(f.severity == "error" for f in found):
        few = given.sample(len(output))[1]
        found += [
            f for f in preflight.model(model, None, few, output) if f.code == "exploding_gradient"
        ]  # of the batch that the output is for
    if labels is not None and classifies(model, labels):
        split = _rows(given, labels)
        if split is not None:
            soft = {"tiny_validation"} | (_OF_EQUALS if single is not None and _coarse(single) else set())
            found += [
                replace(f, severity="info") if f.code in soft else f
                for f in preflight.data(split)
                if split.split or f.code != "tiny_validation"  # without validation rows nothing is claimed
            ]
    return sorted(found, key=lambda f: ("error", "warning", "info").index(f.severity))


def _coarse(rows: Array) -> bool:
    """Whether rows hold zeros and ones only: what is encoded so may come out equal and not have been."""
    return bool(np.all((rows == 0) | (rows == 1)))


def _all_labels(given: Arguments, labels: Array | None) -> Array | None:
    """Labels of training and validation rows, where both are coded alike."""
    held = None if given.validation is None else whole(given.validation[1])
    if labels is None or held is None or held.shape[1:] != labels.shape[1:]:
        return labels
    return np.concatenate([labels, held])


def classifies(model: Any, labels: Array) -> bool:
    """Whether these labels are classes, and the loss takes them so."""
    network, targets = Network.of(model), Targets.of(labels)
    known = bool(network.loss and any(kind in network.loss for kind in _OF_CLASSES))
    return known and targets is not None and targets.classes is not None


def context(model: Any, given: Arguments) -> Context:
    """What `fit` knows beside its curves."""
    facts: dict[str, Any] = {"epochs": given.epochs, "batch_size": given.batch_size}
    labels = whole(given.y)
    targets = None if labels is None else Targets.of(labels)
    if labels is not None and targets is not None and targets.classes is not None and classifies(model, labels):
        counts = np.bincount(targets.classes)
        units = Network.of(model).units or 0
        facts["classes"] = max(targets.count, units if units > 1 else 2)
        facts["majority"] = float(counts.max() / len(labels))
        both = _all_labels(given, labels)
        coded = Targets.of(both) if given.validation is not None and both is not None else None
        if coded is not None and coded.classes is not None and given.validation is not None:
            known, held = coded.classes[: len(labels)], coded.classes[len(labels) :]
            facts["linear"] = linear(given.x, known, given.validation[0], held)
    facts["rows"] = None if labels is None else len(labels)
    if given.validation is not None:
        facts["validation_rows"] = int(given.validation[1].shape[0])
    for callback in given.callbacks:
        if type(callback).__name__ == "EarlyStopping" and getattr(callback, "restore_best_weights", False):
            facts["patience"] = int(getattr(callback, "patience", 0))
    facts["regularised"] = any(getattr(v, "regularizer", None) for v in model.trainable_variables)
    return Context(**facts)


def keeps_last(given: Arguments) -> bool:
    """Whether early stopping leaves the weights of the last epoch, and nothing else saves the best."""
    kinds = [type(c).__name__ for c in given.callbacks]
    careless = any(
        kind == "EarlyStopping" and not getattr(c, "restore_best_weights", False)
        for kind, c in zip(kinds, given.callbacks, strict=True)
    )
    return careless and not any(
        kind == "ModelCheckpoint" and getattr(c, "save_best_only", False)
        for kind, c in zip(kinds, given.callbacks, strict=True)
    )


def _rows(given: Arguments, labels: Array) -> Rows | None:
    """Training and validation rows as the checks of data see them; None where they cannot be compared."""
    both = _all_labels(given, labels)
    targets = Targets.of(both)
    if both is None or targets is None or targets.classes is None:
        return None
    side = np.full(len(both), TRAIN, np.int8)
    side[len(labels) :] = VALIDATION
    if targets.kind == "integers":
        names = tuple(f"{v:g}" for v in targets.values)
    else:
        names = tuple(map(str, range(targets.width)))
    return Rows(targets.classes, names, _groups(given, len(labels), len(both)), side, ordered=False)


def _groups(given: Arguments, rows: int, everything: int) -> Array:
    """Equal for identical rows of training and validation; all different where the rows cannot be read."""
    x = whole(given.x) if hasattr(given.x, "shape") else None
    if x is None or len(x) != rows:
        return np.arange(everything)
    if everything == rows:
        return row_groups(x)
    given_x = None if given.validation is None else given.validation[0]
    held = whole(given_x) if hasattr(given_x, "shape") else None
    if held is None or held.shape[1:] != x.shape[1:]:
        return np.arange(everything)
    return row_groups(np.concatenate([x, held.astype(x.dtype, copy=False)]))
