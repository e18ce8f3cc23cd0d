"""First loss: an untrained classifier should begin near ln(classes), as one that answers by chance."""

from __future__ import annotations

import math

import numpy as np

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.network import Array, Network
from goodfit.diagnose.preflight.targets import Targets

FAR = 3.0
"""Times ln(classes) from which a first loss is far off. Chosen: over Keras's default initialisers, batches of scaled
rows stay under 2."""


GRAVE = 5.0
"""The same from which it is a warning. Chosen: digits from 0 to 16, unscaled, begin at 3.5 and train well."""


def check(network: Network, targets: Targets | None, output: Array | None) -> list[Finding]:
    """The cross-entropy of the output on a batch, against chance; told as `exploding_gradient`: signals that grow
    from layer to layer are what makes it large, and gradients grow with them.

    Args:
        network: The network.
        targets: The batch's labels.
        output: What the network gives for the batch, in inference mode, shape `(rows, units)`.
    """
    if targets is None or output is None or targets.classes is None or network.loss is None:
        return []
    loss, classes = cross_entropy(network, targets, output)
    if loss is None:
        return []
    chance = math.log(classes)
    if math.isfinite(loss) and loss <= FAR * chance:
        return []
    told = f"{loss:.4g}" if math.isfinite(loss) else "not a finite number"
    return [
        Finding(
            code="exploding_gradient",
            severity="error" if not math.isfinite(loss) else "warning" if loss > GRAVE * chance else "info",
            confidence=0.8,
            epoch=None,
            message=(
                f"The loss of the first batch is {told}, where a network that knows nothing has ln({classes}) = "
                f"{chance:.3g}: it begins surely wrong. Scale the inputs, and use Keras's default initializer."
            ),
            evidence={
                "first_loss": round(loss, 4) if math.isfinite(loss) else None,
                "chance_loss": round(chance, 4),
                "largest_output": float(np.abs(output).max()) if math.isfinite(loss) else None,
            },
            remedies=("batch_normalization", "lower_learning_rate"),
        )
    ]


def cross_entropy(network: Network, targets: Targets, output: Array) -> tuple[float | None, int]:
    """Mean cross-entropy of an output, and the number of classes; None for other losses or shapes."""
    z = np.asarray(output, np.float64)
    z = z.reshape(len(z), -1)
    if not np.all(np.isfinite(z)):
        return (float("nan"), max(2, z.shape[1])) if network.loss.endswith("crossentropy") else (None, 0)  # type: ignore[union-attr]
    assert targets.classes is not None
    if network.loss == "binary_crossentropy" and z.shape[1] == 1 and set(targets.values) <= {0.0, 1.0}:
        truth = targets.classes if len(targets.values) == 2 else np.full(len(z), int(targets.low))
        logit = z[:, 0] if network.from_logits else _logit(z[:, 0])
        return float(np.mean(np.logaddexp(0, logit) - truth * logit)), 2
    if network.loss == "sparse_categorical_crossentropy" and targets.kind == "integers":
        truth = np.asarray(targets.values)[targets.classes].astype(int)
    elif network.loss == "categorical_crossentropy" and targets.kind == "one_hot":
        truth = targets.classes
    else:
        return None, 0
    if z.shape[1] < 2 or truth.min() < 0 or truth.max() >= z.shape[1]:
        return None, 0
    scores = z if network.from_logits else np.log(np.clip(z, 1e-7, 1.0))
    top = scores.max(axis=1, keepdims=True)
    scores = scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
    return float(-np.mean(scores[np.arange(len(z)), truth])), z.shape[1]


def _logit(p: Array) -> Array:
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return np.log(p) - np.log1p(-p)
