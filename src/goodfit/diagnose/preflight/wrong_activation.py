"""Wrong activation: what the output can give is not what the loss or the targets ask for."""

from __future__ import annotations

from collections.abc import Callable

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.network import Network
from goodfit.diagnose.preflight.targets import Targets

CROSS_ENTROPIES = ("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy")
"""Losses of probabilities."""

DISTANCES = (
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "huber",
    "log_cosh",
)
"""Losses that measure how far the output is from a number."""

REACH = {
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu": (0.0, float("inf")),
    "softplus": (0.0, float("inf")),
    "relu6": (0.0, 6.0),
}
"""Lowest and highest output of each activation."""

BEYOND = 0.1
"""How far the targets may pass that range, as a share of their own. Chosen: the network still fits nearly all."""


def check(network: Network, targets: Targets | None) -> list[Finding]:
    """The first of these that holds; a loss or an activation of one's own is not judged."""
    rules: tuple[Callable[[Network, Targets | None], tuple[str, str] | None], ...] = (_one, _range, _sum, _reach)
    for rule in rules:
        told = rule(network, targets)
        if told is not None:
            severity, message = told
            evidence = {"activation": network.activation, "units": network.units, "loss": network.loss}
            return [Finding(code="wrong_activation", severity=severity, message=message, evidence=evidence)]
    return []


def _one(network: Network, targets: Targets | None) -> tuple[str, str] | None:
    """Softmax over one unit is always 1."""
    if network.activation == "softmax" and network.units == 1:
        return (
            "error",
            "Softmax over one unit is always 1: nothing can be learned. Use sigmoid, or a unit for each class.",
        )
    return None


def _range(network: Network, targets: Targets | None) -> tuple[str, str] | None:
    """A cross-entropy of what are no probabilities, or of probabilities where it wants logits."""
    given = network.activation
    if network.loss not in CROSS_ENTROPIES or given is None:
        return None
    wanted = "sigmoid" if network.loss == "binary_crossentropy" else "softmax"
    if network.from_logits:
        if given in ("relu", "tanh", "relu6", "softplus", "softsign"):
            return "error", (
                f"The loss takes logits of any sign and size (from_logits=True), {given} limits them. Use no "
                "activation at the output."
            )
        return None
    if given in ("linear", "relu", "tanh", "elu", "selu", "gelu", "leaky_relu", "softplus", "relu6", "softsign"):
        what = "no activation" if given == "linear" else given
        return "error", (
            f"{network.loss} takes probabilities and the output has {what}. Use {wanted} at the output, or "
            "from_logits=True in the loss" + ("." if given == "linear" else " with no activation.")
        )
    return None


def _sum(network: Network, targets: Targets | None) -> tuple[str, str] | None:
    """Sigmoids do not sum to 1, as the classes of a categorical loss do."""
    if network.activation not in ("sigmoid", "hard_sigmoid") or network.from_logits or (network.units or 0) < 2:
        return None
    if network.loss == "sparse_categorical_crossentropy":
        return "error", (
            "sparse_categorical_crossentropy takes probabilities that sum to 1; with sigmoid every unit can go to 1, "
            "and nothing holds the wrong classes down. Use softmax."
        )
    if network.loss == "categorical_crossentropy":
        return "warning", (
            "categorical_crossentropy takes probabilities that sum to 1, and sigmoid does not give them. Use softmax, "
            "or binary_crossentropy where a row may have several labels."
        )
    return None


def _reach(network: Network, targets: Targets | None) -> tuple[str, str] | None:
    """Targets that the output cannot give."""
    if targets is None or network.loss not in DISTANCES or network.activation not in REACH:
        return None
    low, high = REACH[network.activation]
    room = BEYOND * (targets.high - targets.low)
    if targets.low >= low - room and targets.high <= high + room:
        return None
    span = f"between {low:g} and {high:g}" if high < float("inf") else f"from {low:g} up"
    return "error", (
        f"The targets are {targets.said}, and {network.activation} gives numbers {span} only. Use no activation at "
        "the output for regression, or scale the targets."
    )
