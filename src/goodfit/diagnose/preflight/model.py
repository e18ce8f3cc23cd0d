"""`model`: every check of a compiled network. NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np

from goodfit.diagnose.causes import gravest_first
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight import (
    constant_initializer,
    double_softmax,
    first_loss,
    no_nonlinearity,
    unscaled_input,
    useless_bias,
    wrong_activation,
    wrong_loss,
)
from goodfit.diagnose.preflight.network import Network
from goodfit.diagnose.preflight.targets import Targets


def model(model: Any, x: Any = None, y: Any = None, output: Any = None, *, indices: bool = False) -> list[Finding]:
    """Say what is wrong with a Keras model and its compile settings before it is trained.

    Args:
        model: A Keras model on any backend; nothing of it is built, called or changed.
        x: Rows that go into it (a batch will do), shape `(rows, ...)`.
        y: Their labels as `fit` takes them.
        output: What the model gives for the first rows of `x` in inference mode, shape `(n, units)`.
        indices: Whether `y` are class indices that are yet to become what the loss takes.

    Returns:
        Findings, the gravest first; none for a healthy model, and none about what is not recognised.
    """
    network = Network.of(model)
    coded = {"one_hot": indices and network.one_hot}
    targets = None if y is None else Targets.of(y, **coded)
    rows = x if isinstance(x, np.ndarray) else None
    found = [
        *double_softmax.check(network, targets),
        *wrong_activation.check(network, targets),
        *wrong_loss.check(network, targets),
        *constant_initializer.check(network, targets),
        *unscaled_input.check(network, rows),
        *no_nonlinearity.check(network, targets),
        *useless_bias.check(network, targets),
    ]
    if output is not None and targets is not None and not any(f.severity == "error" for f in found):
        first = None if y is None else Targets.of(np.asarray(y)[: len(output)], **coded)
        found += first_loss.check(network, first, np.asarray(output))
    return gravest_first(found)
