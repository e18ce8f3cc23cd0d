"""No non-linearity: layers with kernels follow each other and nothing bends between them."""

from __future__ import annotations

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.network import PASSIVE, Network, Part
from goodfit.diagnose.preflight.targets import Targets

_LINEAR = "linear"


def check(network: Network, targets: Targets | None) -> list[Finding]:
    """Every layer linear up to the output: `warning`. Some pair only: `info`, for a narrow first one may be meant."""
    weighted = [p for p in network.parts if p.weighted]
    if len(weighted) < 2:
        return []
    hidden = [p for p in network.parts if p not in network.output]
    # The layer before the output's own is part of `hidden`; the output's activation does not count.
    if network.known and all(p.activation == _LINEAR for p in hidden):
        return [
            Finding(
                code="no_nonlinearity",
                severity="warning",
                message=(
                    f"No layer before the output has an activation: {len(weighted)} layers together are one linear "
                    "layer, and more of them learn no more. Use activation='relu' on the hidden layers."
                ),
                evidence={"layers": [p.name for p in weighted], "activations": [p.activation for p in weighted]},
            )
        ]
    pairs = [(a, b) for a, b in _pairs(network) if a.activation == _LINEAR and (a.units or 0) >= (b.units or 0)]
    if not pairs:
        return []
    a, b = pairs[0]
    return [
        Finding(
            code="no_nonlinearity",
            severity="info",
            message=(
                f"{a.name!r} has no activation before {b.name!r}: together they are one linear layer. Use "
                f"activation='relu' on {a.name!r}, or leave it out."
            ),
            evidence={"layers": [[x.name, y.name] for x, y in pairs]},
        )
    ]


def _pairs(network: Network) -> list[tuple[Part, Part]]:
    """Dense layers with nothing but linear layers between them, in a model whose parts form a chain."""
    out: list[tuple[Part, Part]] = []
    before: Part | None = None
    for part in network.parts if network.chain else ():
        if part.kind == "Dense":
            if before is not None:
                out.append((before, part))
            before = part
        elif part.kind not in PASSIVE:
            before = None
    return out
