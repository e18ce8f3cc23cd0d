"""Which layers of a Keras model are worth a look inside, by its public attributes alone. NumPy only."""

from __future__ import annotations

from typing import Any

from goodfit.diagnose.internals.record import SATURATED
from goodfit.diagnose.preflight.network import Network, Part, parts

RELU = ("relu", "relu6")
"""Activations under which a unit can die."""


def kernels(model: Any) -> dict[str, Any]:
    """The kernel of every trainable layer that has one, by the layer's name, from input to output."""
    trainable = {id(v) for v in model.trainable_variables}
    out: dict[str, Any] = {}
    for part in parts(model):
        inner = part.layer
        for name in ("forward_layer", "layer", "cell"):  # Bidirectional, TimeDistributed, LSTM
            inner = getattr(inner, name, inner)
            inner = getattr(inner, "cell", inner)
        kernel = getattr(inner, "kernel", None)
        if (part.weighted or inner is not part.layer) and id(kernel) in trainable:
            out.setdefault(part.name, kernel)
    return out


def hidden(model: Any) -> list[Part]:
    """Hidden layers with a ReLU, sigmoid or tanh at their end, in order."""
    network = Network.of(model)
    ends = {id(p.layer) for p in network.output}
    if network.graph:
        inside = getattr(model, "operations", None) or model.layers
    else:
        inside = [x for x in model._flatten_layers(include_self=False) if not getattr(x, "layers", None)]
    return [
        p
        for p in map(Part.of, inside)
        if (p.activation in RELU or p.activation in SATURATED) and id(p.layer) not in ends and not _recurrent(p)
    ]


def units_axis(part: Part) -> int:
    """The axis of a layer's output that its units lie along."""
    return 1 if getattr(part.layer, "data_format", "") == "channels_first" else -1


def _recurrent(part: Part) -> bool:
    """Whether its activation is one of many inside it."""
    return hasattr(part.layer, "cell") or hasattr(part.layer, "recurrent_activation")
