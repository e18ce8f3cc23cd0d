"""Changes to a Keras model that a treatment may ask for: its widths, dropout, penalties, batch normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from goodfit.errors import ModelError, first_line
from goodfit.models import augmentation, copies
from goodfit.models.swap import PENALTIES
from goodfit.models.walk import flat_layers, graph_layers, is_graph, output_shape, readers

_L = keras.layers
_PRODUCTS = tuple(
    getattr(_L, name)
    for name in ("Dense", *(f"{kind}{d}D" for kind in ("Conv", "SeparableConv") for d in (1, 2, 3)))
    if hasattr(_L, name)
)
_RECURRENT = (_L.LSTM, _L.GRU, _L.SimpleRNN)
_DROPOUTS = (
    _L.Dropout,
    _L.SpatialDropout1D,
    _L.SpatialDropout2D,
    _L.SpatialDropout3D,
    _L.AlphaDropout,
    _L.GaussianDropout,
)


@dataclass(frozen=True)
class Shape:
    """What treatments look at and change in a model; `of` reads it off, `Shape.changed` gives a model of another shape.

    Attributes:
        width: Units or filters of its widest hidden layer; None where it has none that can change.
        dropout: The highest rate of its dropout layers, 0 without any.
        l1: The highest L1 factor on a hidden kernel.
        l2: The highest L2 factor on a hidden kernel.
        batch_normalization: Whether it normalises over batches anywhere.
        augmentation: How far it shifts its training images at random, see `augmentation.strength`.
    """

    width: int | None
    dropout: float
    l1: float
    l2: float
    batch_normalization: bool
    augmentation: float = 0.0


def of(model: keras.Model) -> Shape:
    """The shape of a model; of one that is no graph of layers, nothing is known."""
    if not is_graph(model):
        return Shape(None, 0.0, 0.0, 0.0, False)
    hidden = _hidden(model)
    kernels = [k for k in map(_penalty, hidden) if k is not None]
    return Shape(
        width=max((getattr(_inner(x), _width(x)) for x in hidden), default=None),
        dropout=max((float(x.rate) for x in graph_layers(model) if isinstance(x, _DROPOUTS)), default=0.0),
        l1=max((float(getattr(k, "l1", 0.0)) for k in kernels), default=0.0),
        l2=max((float(getattr(k, "l2", 0.0)) for k in kernels), default=0.0),
        batch_normalization=any(isinstance(x, _L.BatchNormalization) for x in graph_layers(model)),
        augmentation=augmentation.strength(model),
    )


def takes_images(model: keras.Model) -> bool:
    """Whether a model reads images, grey or in colour, the channels last, by one layer."""
    shapes = [tuple(t.shape) for t in getattr(model, "inputs", None) or []]
    return len(shapes) == 1 and len(shapes[0]) == 4 and shapes[0][3] in (1, 3) and len(readers(model)) == 1


def changed(model: keras.Model, to: Shape, *, dropout_layers: bool = False) -> keras.Model:
    """A model like this one but of another shape, with its weights where they fit; never compiled.

    Widths keep their proportions, and so do the rates of dropout layers. A model without dropout layers gets one after
    each hidden dense or recurrent layer, or before its output where there is none. Images are changed before anything
    else is done to them. Penalties stand on every hidden
    kernel. Batch normalisation comes between the product and the activation of every hidden dense or convolution layer.

    Args:
        model: The model.
        to: What is wanted; what equals the model's own shape stays as it is.
        dropout_layers: Whether to put in dropout layers even for a rate of 0.

    Raises:
        ModelError: It cannot be made: its layers do not fit each other any more, or there is nothing to change.
    """
    now = of(model)
    if to == now and (not dropout_layers or now.dropout or now.width is None):
        new = copies.copy(model)
        copies.settle(zip(flat_layers(model), flat_layers(new), strict=True), everything=True)
        return new
    if not is_graph(model):
        raise ModelError(f"{type(model).__name__} has a call of its own", expected="a Sequential or functional model")
    try:
        surgeon = _Surgeon(model, now, to, dropout_layers)
        with copies.own_objects(model):
            new = surgeon.rebuilt(model)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise ModelError("the model cannot be changed so", received=first_line(error)) from None
    if output_shape(new) != output_shape(model) or of(new) != to:
        raise ModelError("the model cannot be changed so", expected=str(to), received=str(of(new)))
    copies.settle(surgeon.pairs, everything=True)
    return new


class _Surgeon:
    """Rebuilds a model layer by layer."""

    def __init__(self, model: keras.Model, now: Shape, to: Shape, dropout_layers: bool):
        self.hidden = {id(x) for x in _hidden(model)}
        self.scale = to.width / now.width if to.width and now.width and to.width != now.width else 1.0
        self.l1 = to.l1 if to.l1 != now.l1 else None
        self.l2 = to.l2 if to.l2 != now.l2 else None
        self.normalized = to.batch_normalization and not now.batch_normalization
        has = any(isinstance(x, _DROPOUTS) for x in graph_layers(model))
        self.rate = (to.dropout, now.dropout) if has and to.dropout != now.dropout else None
        self.images = to.augmentation if not now.augmentation and takes_images(model) else 0.0
        self.reader = {id(x) for x in readers(model)} if self.images else set()
        self.channels = model.inputs[0].shape[-1] if self.images else 0
        self.inserted = None if has or not (to.dropout or dropout_layers) else to.dropout
        dense = [x for x in _hidden(model) if isinstance(_inner(x), (_L.Dense, *_RECURRENT))]
        self.dropped_after = {id(x) for x in dense}
        self.dropped_before = set() if dense else {id(x) for x in _last(model)}
        self.pairs: list[tuple[Any, Any]] = []
        self.around: dict[int, tuple[list[Any], list[Any]]] = {}

    def rebuilt(self, model: keras.Model, nested: bool = False) -> keras.Model:
        """The model anew, nested ones too; of these a stack takes what then comes before it."""
        if isinstance(model, keras.Sequential):
            given = [] if nested else model.inputs
            stack: list[Any] = [keras.Input(batch_shape=t.shape, dtype=t.dtype) for t in given]
            for layer in model.layers:
                new = self.layer(layer)
                before, after = self.around.get(id(new), ([], []))
                stack += [*before, new, *after]
            return keras.Sequential(stack, name=model.name)

        def call(layer: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            before, after = self.around.get(id(layer), ([], []))
            for extra in before:
                inputs = extra(inputs)
            out = layer(inputs, *args, **kwargs)
            for extra in after:
                out = extra(out)
            return out

        return copies.copy(model, self.layer, call=call, recursive=False)

    def layer(self, layer: Any) -> Any:
        """One layer anew; what goes before and after it is noted."""
        if isinstance(layer, keras.Model):
            new = self.rebuilt(layer, nested=True)
        else:
            new = self._changed(layer) if isinstance(layer, _L.Layer) else copies.plain(layer)
            self.pairs.append((layer, new))
        if id(layer) in self.reader:
            before, after = self.around.get(id(new), ([], []))
            self.around[id(new)] = ([*augmentation.layers(self.images, self.channels), *before], after)
        return new

    def _changed(self, layer: Any) -> Any:
        hidden = id(layer) in self.hidden
        config = layer.get_config()
        wrapped = [config[k] for k in ("layer", "backward_layer") if k in config and _inner(layer) is not layer]
        for part in wrapped:
            part.pop("build_config", None)  # it holds the width of what came before
        before: list[Any] = []
        after: list[Any] = []
        if isinstance(layer, _DROPOUTS) and self.rate is not None:
            rate, highest = self.rate
            config["rate"] = float(f"{layer.rate * rate / highest:.12g}") if highest else rate
        if hidden:
            inner = _inner(layer)
            for part in [part["config"] for part in wrapped] or [config]:
                self._sized(part, layer)
                if self.normalized and isinstance(inner, _PRODUCTS):
                    part.update(activation="linear", use_bias=False)
            if self.normalized and isinstance(inner, _PRODUCTS):
                after.append(_L.BatchNormalization(axis=_channels(layer), name=f"{layer.name}_normalization"))
                if getattr(inner.activation, "__name__", "") != "linear":
                    after.append(_L.Activation(inner.activation, name=f"{layer.name}_activation"))
        if self.inserted is not None and id(layer) in self.dropped_after:
            after.append(_L.Dropout(self.inserted, name=f"{layer.name}_dropout"))
        if self.inserted is not None and id(layer) in self.dropped_before:
            before.append(_L.Dropout(self.inserted, name=f"{layer.name}_dropout"))
        new = copies.plain(layer, config)
        if before or after:
            self.around[id(new)] = (before, after)
        return new

    def _sized(self, config: dict[str, Any], layer: Any) -> None:
        """Set width and penalties in the config of a hidden layer, or of what it wraps."""
        key = _width(layer)
        config[key] = max(1, round(config[key] * self.scale))
        if self.l1 is None and self.l2 is None:
            return
        own = _penalty(layer)
        l1 = getattr(own, "l1", 0.0) if self.l1 is None else self.l1
        l2 = getattr(own, "l2", 0.0) if self.l2 is None else self.l2
        for name in [k for k in config if k.endswith(_KERNELS)]:
            config[name] = keras.regularizers.serialize(keras.regularizers.L1L2(float(l1), float(l2)))


_KERNELS = ("kernel_regularizer", "pointwise_regularizer", "depthwise_regularizer")


def _inner(layer: Any) -> Any:
    """What a wrapper wraps; of two directions the one forward."""
    if isinstance(layer, _L.Bidirectional):  # which Keras does not call a wrapper
        return layer.forward_layer
    return layer.layer if isinstance(layer, _L.Wrapper) and hasattr(layer, "layer") else layer


def _width(layer: Any) -> str:
    """The name of a layer's width; empty where it has none."""
    inner = _inner(layer)
    if not isinstance(inner, (*_PRODUCTS, *_RECURRENT)):
        return ""
    return "units" if hasattr(inner, "units") else "filters"


def _hidden(model: keras.Model) -> list[Any]:
    """The layers of a width of their own, frozen ones and those that make the output left out."""
    last = {id(layer) for layer in _last(model)}
    return [x for x in graph_layers(model) if _width(x) and x.trainable and id(x) not in last]


def _last(model: keras.Model) -> list[Any]:
    """The layers whose width is that of the model's output."""

    def back(tensor: Any) -> list[Any]:
        operation, node, _ = tensor._keras_history
        if isinstance(operation, keras.Model):
            return [x for t in operation.outputs for x in back(t)]
        if _width(operation) or isinstance(operation, _L.InputLayer):
            return [operation]
        return [x for t in operation._inbound_nodes[node].input_tensors for x in back(t)]

    return [x for t in model.outputs for x in back(t) if _width(x)]


def _penalty(layer: Any) -> Any | None:
    """The L1 or L2 penalty on a layer's kernel."""
    inner = _inner(layer)
    own = getattr(inner, "kernel_regularizer", None) or getattr(inner, "pointwise_regularizer", None)
    return own if isinstance(own, PENALTIES) else None


def _channels(layer: Any) -> int:
    first = getattr(_inner(layer), "data_format", "") == "channels_first"
    return 1 + isinstance(layer, _L.TimeDistributed) if first else -1
