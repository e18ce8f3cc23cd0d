"""Wrong loss: it does not fit how the labels are coded, how many units the output has, or that they are classes."""

from __future__ import annotations

from collections.abc import Callable

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.network import Network
from goodfit.diagnose.preflight.targets import Targets
from goodfit.diagnose.preflight.wrong_activation import DISTANCES

SPARSE, CATEGORICAL, BINARY = (
    "sparse_categorical_crossentropy",
    "categorical_crossentropy",
    "binary_crossentropy",
)
UNSUITED = (*DISTANCES, "poisson", "cosine_similarity")
"""Losses that are not made for classes."""

MANY = 20
"""Rows a unit from which a unit without any row is superfluous. Chosen."""

_Told = tuple[str, str] | None


def check(network: Network, targets: Targets | None) -> list[Finding]:
    """The first thing that does not fit; a loss of one's own is not judged."""
    rules: tuple[Callable[[Network, Targets | None], _Told], ...] = (_units, _coding, _numbers, _accuracy, _spare)
    for rule in rules:
        told = rule(network, targets)
        if told is not None:
            severity, message = told
            evidence = {
                "loss": network.loss,
                "activation": network.activation,
                "units": network.units,
                "labels": targets.said if targets else None,
                "classes": targets.count if targets else None,
            }
            return [Finding(code="wrong_loss", severity=severity, message=message, evidence=evidence)]
    return []


def _units(network: Network, targets: Targets | None) -> _Told:
    """Too few units for the classes."""
    units = network.units
    if units is None:
        return None
    if units == 1 and network.loss in (SPARSE, CATEGORICAL) and network.activation != "softmax":
        return "error", (
            f"{network.loss} over one unit is 0 or without meaning. Use binary_crossentropy for two classes, or a unit "
            "for each class."
        )
    if targets is None or targets.classes is None:
        return None
    if network.loss == SPARSE and targets.kind == "integers" and targets.high >= units:
        last = int(targets.high)
        from_one = f" (they begin at {targets.low:g}: count from 0)" if targets.low > 0 and last == units else ""
        return "error", (
            f"The labels go up to {last} and the output has {units} units, for labels 0 to {units - 1}{from_one}. Give "
            f"it {last + 1} units, or other labels."
        )
    if network.loss in (BINARY, "hinge", "squared_hinge") and units == 1 and targets.count > 2:
        return "error", (
            f"The labels are {targets.said}: {targets.count} classes, and one unit tells two apart. Use "
            f"{targets.count} units with softmax and {SPARSE}."
        )
    if targets.width > 1 and network.loss in (BINARY, CATEGORICAL) and targets.width != units:
        return "error", f"The labels are {targets.said} and the output has {units} units. Give it as many units."
    return None


def _coding(network: Network, targets: Targets | None) -> _Told:
    """Labels coded for another loss."""
    if targets is None:
        return None
    if network.loss == SPARSE:
        if targets.kind == "one_hot":
            return "error", f"{SPARSE} takes whole numbers and the labels are {targets.said}. Use {CATEGORICAL}."
        if targets.width == 1 and (targets.low < 0 or targets.kind == "numbers"):
            return "error", f"{SPARSE} takes whole numbers from 0 and the labels are {targets.said}."
    if network.loss == CATEGORICAL and targets.width == 1 and (network.units or 0) > 1:
        return "error", (
            f"{CATEGORICAL} takes one-hot rows and the labels are {targets.said}. Use {SPARSE}, or "
            "keras.utils.to_categorical(y)."
        )
    if network.loss == BINARY and targets.width == 1:
        if (network.units or 1) > 1:
            return "error", (
                f"One label a row ({targets.said}) and {network.units} units with {BINARY}. Use {SPARSE} with softmax, "
                "or one unit with sigmoid."
            )
        if targets.kind == "integers" and (targets.low < 0 or targets.high > 1):
            return "error", f"{BINARY} takes labels 0 and 1, and these are {targets.said}. Recode them."
    return None


def _numbers(network: Network, targets: Targets | None) -> _Told:
    """A loss made for numbers or for single labels, on classes."""
    if targets is None or targets.classes is None:
        return None
    shares = network.activation == "softmax" or (network.activation == "sigmoid" and targets.kind == "one_hot")
    if network.loss in UNSUITED and network.units != 1 and shares:
        return "warning", _instead(network, targets)
    binary = targets.kind == "integers" and targets.values == (0.0, 1.0)
    if network.loss in UNSUITED and network.units == 1 and binary and network.activation != "softmax":
        return "warning", _instead(network, targets)
    if network.loss == BINARY and network.activation == "softmax" and targets.width > 2:
        return "warning", (
            f"{BINARY} judges each of the {targets.width} units by itself, and softmax ties them together; its "
            f"accuracy counts units, not rows, and looks far too good. Use {CATEGORICAL}."
        )
    return None


def _instead(network: Network, targets: Targets) -> str:
    one = network.units == 1
    use = f"{BINARY} with sigmoid" if one else CATEGORICAL if targets.width > 1 else SPARSE
    return (
        f"{network.loss} is a loss for numbers and the labels are classes ({targets.said}): where the network is "
        f"surely wrong its gradient vanishes or is out of proportion. Use {use}."
    )


def _accuracy(network: Network, targets: Targets | None) -> _Told:
    """Accuracy counts how often a number is hit exactly."""
    asked = [m for m in network.metrics if m.lower() in ("acc", "accuracy")]
    if not asked or targets is None or targets.kind != "numbers" or network.loss not in DISTANCES:
        return None
    return "info", "accuracy says nothing where the targets are numbers: it counts exact hits. Use mean_absolute_error."


def _spare(network: Network, targets: Targets | None) -> _Told:
    """More units than classes: harmless, often a slip."""
    units = network.units
    if targets is None or units is None or network.loss != SPARSE or targets.kind != "integers":
        return None
    if units <= targets.high + 1 or units > 100 or targets.rows < MANY * units:
        return None
    return "info", (
        f"The output has {units} units and the labels are {targets.said}: {units - int(targets.high) - 1} of them are "
        "never asked for."
    )
