"""`Network`: a Keras model as the checks see it, from its public attributes alone. NumPy only.

Nothing is imported from Keras, so that any version and backend will do; what is not recognised is left unknown, and
the checks say nothing about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray

WEIGHTED = re.compile(r"Dense|EinsumDense|(Depthwise|Separable)?Conv\dD(Transpose)?|.*Conv\dD(Transpose)?")
"""Class names of layers that multiply by a kernel."""

PASSIVE = {
    "InputLayer",
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "GaussianNoise",
    "GaussianDropout",
    "AlphaDropout",
    "Flatten",
    "Reshape",
    "Permute",
    "RepeatVector",
    "ActivityRegularization",
    "BatchNormalization",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "Rescaling",
    "Normalization",
}
"""Class names of layers that are linear in inference."""

_ACTIVE = {
    "Softmax": "softmax",
    "ReLU": "relu",
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "LeakyReLU": "leaky_relu",
    "ELU": "elu",
    "PReLU": "prelu",
}
_SHAPE_ONLY = {"Dropout", "Flatten", "Reshape", "Permute", "Identity", "ActivityRegularization"}
_LOSSES = {
    "bce": "binary_crossentropy",
    "cce": "categorical_crossentropy",
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "kld": "kl_divergence",
    "kldivergence": "kl_divergence",
    "logcosh": "log_cosh",
    "crossentropy": "categorical_crossentropy",
}


@dataclass(frozen=True, eq=False)
class Part:
    """One layer, or one operation of a functional model.

    Attributes:
        layer: The object.
        kind: Its class name.
        name: Its own name.
        activation: Name of its activation; `linear` for a layer that has none, None where it is not known.
    """

    layer: Any
    kind: str
    name: str
    activation: str | None

    @classmethod
    def of(cls, layer: Any) -> Part:
        """Look at a layer."""
        kind = type(layer).__name__
        if kind in _ACTIVE:
            activation: str | None = _ACTIVE[kind]
        elif hasattr(layer, "activation"):
            activation = activation_name(layer.activation)
        else:
            activation = "linear" if kind in PASSIVE or kind in _SHAPE_ONLY else None
        return cls(layer, kind, str(getattr(layer, "name", kind)), activation)

    @property
    def weighted(self) -> bool:
        """Whether it multiplies by a kernel."""
        return WEIGHTED.fullmatch(self.kind) is not None

    @property
    def units(self) -> int | None:
        """Units or filters; None where it has none."""
        units = getattr(self.layer, "units", getattr(self.layer, "filters", None))
        return int(units) if isinstance(units, int | np.integer) else None

    @cached_property
    def kernel(self) -> Array | None:
        """Its kernel, or None where it has none or is not built."""
        if not getattr(self.layer, "built", False):
            return None
        try:
            return array(self.layer.kernel)
        except (AttributeError, ValueError, TypeError, RuntimeError):
            return None


def activation_name(activation: Any) -> str | None:
    """What an activation is called: of a function, a layer, a string or None."""
    if activation is None:
        return "linear"
    if isinstance(activation, str):
        return activation
    name = getattr(activation, "__name__", None) or type(activation).__name__
    return None if name == "<lambda>" else _ACTIVE.get(name, name)


def array(tensor: Any) -> Array:
    """A tensor or variable of any backend as an array."""
    value = getattr(tensor, "value", tensor)
    value = value() if callable(value) else value
    if hasattr(value, "detach"):  # torch
        value = value.detach().cpu()
    return np.asarray(value)


def parts(model: Any) -> Iterator[Part]:
    """The layers and operations of a model in order, those of models inside it in their place."""
    inside = getattr(model, "operations", None) or model.layers
    for layer in inside:
        if getattr(layer, "layers", None) and not hasattr(layer, "cell"):
            yield from parts(layer)
        else:
            yield Part.of(layer)


@dataclass(frozen=True, eq=False)
class Network:
    """A model with its compile settings.

    Attributes:
        parts: Layers and operations in order.
        graph: Whether the parts' order is known: a sequential or functional model.
        known: Whether the parts are all there is, and each is of a known kind.
        loss: Keras's name of the loss; None where there is none, several, or one of one's own.
        from_logits: Whether the loss applies softmax or sigmoid itself.
        metrics: Names of the metrics that were asked for.
        units: Size of the output's last axis; None where unknown.
    """

    parts: tuple[Part, ...]
    graph: bool
    known: bool
    loss: str | None
    from_logits: bool
    metrics: tuple[str, ...]
    units: int | None
    model: Any

    @classmethod
    def of(cls, model: Any) -> Network:
        """Look at a Keras model; nothing is built, called or changed."""
        found = tuple(p for p in parts(model) if p.kind != "InputLayer")
        graph = hasattr(model, "operations") or type(model).__name__ == "Sequential"
        one = _outputs(model) == 1
        loss = _only(getattr(model, "loss", None))
        last = [p for p in found if p.kind not in _SHAPE_ONLY][-1:]
        units = _width(model) or (last[0].units if last else None)
        return cls(
            parts=found,
            graph=graph,
            known=graph and all(p.activation is not None or p.weighted for p in found),
            loss=loss_name(loss) if one else None,
            from_logits=logits(loss),
            metrics=tuple(_metrics(model)),
            units=units if one and graph else None,
            model=model,
        )

    @staticmethod
    def built(model: Any) -> bool:
        """Whether a Keras model and all layers in it have their weights."""
        try:
            model.count_params()
        except ValueError:  # some layer is not built
            return False
        return bool(getattr(model, "built", True))

    @property
    def one_hot(self) -> bool:
        """Whether its loss takes one-hot rows of class indices: it compares several units, each with a target."""
        if self.loss == "sparse_categorical_crossentropy":
            return False
        return self.units > 1 if self.units else self.loss == "categorical_crossentropy"

    @cached_property
    def output(self) -> tuple[Part, ...]:
        """The last parts, from the end: activations (and what changes the shape only) and the layer before them."""
        out: list[Part] = []
        for part in reversed(self.parts):
            out.append(part)
            if part.kind not in _SHAPE_ONLY and part.kind not in _ACTIVE and part.kind != "Activation":
                break
        return tuple(out)

    @property
    def activations(self) -> tuple[str | None, ...]:
        """Activations at the output that are not linear, the last first; empty where unknown."""
        if not self.graph:
            return ()
        return tuple(p.activation for p in self.output if p.activation != "linear")

    @property
    def activation(self) -> str | None:
        """The output's activation, `linear` without one, None where unknown."""
        if not self.graph:
            return None
        found = self.activations
        return found[0] if found else "linear"

    @property
    def chain(self) -> bool:
        """Whether each part feeds the next one and no other."""
        if type(self.model).__name__ == "Sequential":
            return all(type(p.layer).__name__ != "Functional" for p in self.parts)
        try:
            return all(b.layer.input is a.layer.output for a, b in pairwise(self.parts))
        except (AttributeError, ValueError):
            return False

    @property
    def followers(self) -> Iterator[tuple[Part, Part]]:
        """Pairs of parts of which the second takes what the first gives, where nothing else takes it."""
        if self.chain:
            yield from pairwise(self.parts)
            return
        takers: dict[int, list[Part]] = {}
        for part in self.parts:
            taken = getattr(part.layer, "input", None)
            for tensor in taken if isinstance(taken, list | tuple) else [taken]:
                takers.setdefault(id(tensor), []).append(part)
        for part in self.parts:
            after = takers.get(id(getattr(part.layer, "output", part)), [])
            if len(after) == 1 and not isinstance(getattr(after[0].layer, "input", None), list | tuple):
                yield part, after[0]


def _only(value: Any) -> Any:
    """The one entry of a list or dict; None of several."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return value[0] if len(value) == 1 else None
    return value


def loss_name(loss: Any) -> str | None:
    """Keras's name of a loss given as string, function or object; None for one's own."""
    if loss is None:
        return None
    if not isinstance(loss, str):
        kind = loss if hasattr(loss, "__name__") else type(loss)
        if str(getattr(kind, "__module__", "")).split(".")[0] not in ("keras", "tf_keras", "tensorflow"):
            return None
        loss = kind.__name__
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(loss)).lower()
    return _LOSSES.get(name, _LOSSES.get(name.replace("_", ""), name))


def logits(loss: Any) -> bool:
    """Whether a loss object was made with `from_logits=True`."""
    if hasattr(loss, "from_logits"):
        return bool(loss.from_logits)
    inside = getattr(loss, "_fn_kwargs", None) or getattr(loss, "keywords", None)
    return bool(isinstance(inside, dict) and inside.get("from_logits"))


def _metrics(model: Any) -> Iterator[str]:
    """Names of the metrics given to `compile`."""
    asked = getattr(getattr(model, "_compile_metrics", None), "_user_metrics", None)
    for metric in asked if isinstance(asked, list | tuple) else []:
        yield metric if isinstance(metric, str) else str(getattr(metric, "name", ""))


def _outputs(model: Any) -> int:
    try:
        return len(model.outputs or [None])
    except (AttributeError, ValueError):
        return 1


def _width(model: Any) -> int | None:
    """Size of the last axis of a built model's only output."""
    try:
        shape = model.output_shape
    except (AttributeError, ValueError):
        return None
    last = shape[-1] if isinstance(shape, tuple) and shape else None
    return int(last) if isinstance(last, int) else None
