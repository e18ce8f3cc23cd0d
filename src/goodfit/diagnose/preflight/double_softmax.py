"""Double softmax: the output applies softmax or sigmoid, and the loss or another layer applies it again."""

from __future__ import annotations

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.network import Network
from goodfit.diagnose.preflight.targets import Targets

TWICE = ("softmax", "sigmoid", "log_softmax", "hard_sigmoid")
"""Activations that give probabilities (or their logarithms)."""


def check(network: Network, targets: Targets | None) -> list[Finding]:
    """`from_logits=True` after such an activation; two such activations in a row."""
    if network.from_logits and network.activation in TWICE:
        return [
            Finding(
                code="double_softmax",
                severity="error",
                message=(
                    f"The output applies {network.activation} and the loss, with from_logits=True, applies it again: "
                    "the loss cannot come near 0. Drop the output's activation, or set from_logits=False."
                ),
                evidence={"loss": network.loss, "from_logits": True, "activation": network.activation},
            )
        ]
    active = [a for a in network.activations if a is not None]
    if len(active) > 1 and all(a in TWICE for a in active[:2]):
        return [
            Finding(
                code="double_softmax",
                severity="error",
                message=(
                    f"The output applies {active[1]} and then {active[0]} to the result: its probabilities stay close "
                    "to each other. Keep one of them."
                ),
                evidence={"activations": active[::-1]},
            )
        ]
    return []
