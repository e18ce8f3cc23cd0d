"""Constant initializer: the units of a layer begin equal."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.network import Array, Network, Part
from goodfit.diagnose.preflight.targets import Targets

_CONSTANT = ("Zeros", "Ones", "Constant")


def check(network: Network, targets: Targets | None) -> list[Finding]:
    """Hidden kernels whose units are all equal; a constant output layer alone does no harm.

    Units that begin equal stay equal where the layer behind treats them alike too, or where they begin at 0 before a
    ReLU; else they part, slowly.
    """
    weighted = [p for p in network.parts if p.weighted]
    same = [p for p in weighted if equal_units(p)]
    # Zeros at the end of a branch that is added to another are meant: the block begins as nothing.
    hidden = [p for p in same if p is not weighted[-1] and (network.chain or p.activation != "linear")]
    if not hidden:
        return []
    after = dict(pairwise(weighted))
    stuck = [p for p in hidden if after[p] in same or (p.activation == "relu" and _zero(p))]
    told = "stay equal" if stuck else "part only slowly"
    return [
        Finding(
            code="constant_initializer",
            severity="error" if stuck else "warning",
            message=(
                f"All units of {', '.join(p.name for p in hidden[:5])} begin equal and {told}: so many units have the "
                "power of one. Use Keras's default initializer (glorot_uniform), or he_normal before ReLU."
            ),
            evidence={"layers": [p.name for p in hidden], "stuck": [p.name for p in stuck]},
        )
    ]


def equal_units(part: Part) -> bool:
    """Whether a layer of two units or more has the same weights for each."""
    if (part.units or 0) < 2:
        return False
    kernel = part.kernel
    if kernel is None:
        return type(getattr(part.layer, "kernel_initializer", None)).__name__ in _CONSTANT
    columns = _columns(kernel)
    return bool(columns.shape[1] > 1 and np.all(columns == columns[:, :1]))


def _columns(kernel: Array) -> Array:
    return kernel.reshape(-1, kernel.shape[-1])


def _zero(part: Part) -> bool:
    """Whether its weights are 0."""
    if part.kernel is None:
        return type(getattr(part.layer, "kernel_initializer", None)).__name__ == "Zeros"
    return not np.any(part.kernel)
