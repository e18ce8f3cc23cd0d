"""A bias right before batch normalisation, which takes it away again. Told under `no_nonlinearity`: both are
parameters that add nothing to a linear step."""

from __future__ import annotations

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.network import Network
from goodfit.diagnose.preflight.targets import Targets


def check(network: Network, targets: Targets | None) -> list[Finding]:
    """Layers with a kernel, a bias and no activation that feed a centred `BatchNormalization` and nothing else."""
    found = [
        a.name
        for a, b in network.followers
        if a.weighted
        and a.activation == "linear"
        and getattr(a.layer, "use_bias", False)
        and b.kind == "BatchNormalization"
        and getattr(b.layer, "center", False)
    ]
    if not found:
        return []
    shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if found[5:] else "")
    return [
        Finding(
            code="no_nonlinearity",
            severity="info",
            message=(
                f"The bias of {shown} has no effect: the batch normalisation behind subtracts the mean and adds a "
                "bias of its own. Set use_bias=False."
            ),
            evidence={"bias_before_batch_normalization": found},
        )
    ]
