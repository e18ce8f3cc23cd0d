"""A Keras model to its lane form and back.

The lane form is a clone in which the few layers that keep a varying number in Python, draw random numbers, or look
across rows are swapped (`lane_layers`). Where the input is sparse and feeds a single `Dense` layer, that layer's
kernel is taken out: the engine multiplies by it itself, for all lanes at once, and the clone starts from the product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from goodfit.models import lane_layers as ll
from goodfit.models.network import Network, flat_layers

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class LaneForm:
    """The lane form of a network.

    Attributes:
        network: The stock network it was made of.
        model: The clone with lane layers.
        first: Position in the stock model's weights of the kernel that was taken out, or None.
        trainable: Position in the stock model's weights of each of the clone's trainable variables.
        non_trainable: The same for its non-trainable variables; -1 for the state of a random generator.
    """

    network: Network
    model: keras.Model
    first: int | None
    trainable: tuple[int, ...]
    non_trainable: tuple[int, ...]


def penalties(model: keras.Model) -> tuple[Array, Array]:
    """L1 and L2 factor of every weight of a stock model, each of shape `(weights,)`; 0 where it has none."""
    factors = np.zeros((2, len(model.weights)), np.float32)
    for i, variable in enumerate(model.weights):
        regularizer = variable.regularizer
        if isinstance(regularizer, (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)):
            factors[:, i] = getattr(regularizer, "l1", 0.0), getattr(regularizer, "l2", 0.0)
    return factors[0], factors[1]


def of(network: Network, *, sparse: bool) -> LaneForm:
    """The lane form of a network.

    Args:
        network: Any network.
        sparse: Whether its input is sparse; the first kernel is then taken out where that is possible.
    """
    stock = network.model
    head = _sparse_head(stock) if sparse else None
    salts: dict[str, int] = {}

    def swap(layer: keras.layers.Layer) -> keras.layers.Layer:
        salt = salts.setdefault(layer.name, len(salts))
        if layer is head:
            return ll.LaneHead(head)
        return _swapped(layer, salt)

    inputs = None
    if head is not None:
        inputs = [keras.Input((head.units,), name="product")]
    model = keras.models.clone_model(stock, input_tensors=inputs, clone_function=swap)
    for variable in model.trainable_variables:
        if isinstance(variable.regularizer, (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)):
            variable.regularizer = None  # its gradient is added by the engine, with the lane's own factor
    place = {id(v): i for i, v in enumerate(stock.weights)}
    pairs: dict[int, int] = {}
    for a, b in zip(flat_layers(stock), flat_layers(model), strict=True):
        skip = 1 if a is head else 0  # a Dense layer's variables are kernel, bias
        for v, w in zip(_own(a)[skip:], _own(b), strict=True):
            if v.shape != w.shape:
                raise RuntimeError(f"lane form of {a.name}: {v.path} {v.shape} stands against {w.path} {w.shape}")
            pairs[id(w)] = place[id(v)]
    return LaneForm(
        network,
        model,
        None if head is None else place[id(head.kernel)],
        tuple(pairs[id(v)] for v in model.trainable_variables),
        tuple(pairs.get(id(v), -1) for v in model.non_trainable_variables),
    )


def _own(layer: keras.layers.Layer) -> list[Any]:
    """A layer's own weights, without the states of random generators."""
    return [v for v in layer._trainable_variables + layer._non_trainable_variables if "seed_generator" not in v.path]


def _sparse_head(model: keras.Model) -> keras.layers.Dense | None:
    """The `Dense` layer that alone reads the model's only input, if its kernel can be taken out."""
    if len(model.inputs) != 1 or len(model.inputs[0].shape) != 2:
        return None
    readers = [
        layer
        for layer in model.layers
        for node in layer._inbound_nodes
        if any(t is model.inputs[0] for t in node.input_tensors)
    ]
    readers = [r for r in readers if not isinstance(r, keras.layers.InputLayer)]
    if len(readers) != 1 or type(readers[0]) is not keras.layers.Dense:
        return None
    head = readers[0]
    plain = not head.kernel_constraint and not head.bias_constraint and head.trainable and len(head._inbound_nodes) == 1
    return head if (plain and head.kernel.regularizer is None) or (_laned_penalty(head) and plain) else None


def _laned_penalty(layer: keras.layers.Dense) -> bool:
    kinds = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)
    return isinstance(layer.kernel.regularizer, kinds)


def _swapped(layer: keras.layers.Layer, salt: int) -> keras.layers.Layer:
    """The lane layer in place of a stock one, or a plain clone."""
    layers = keras.layers
    name = layer.name
    kind = type(layer)
    if kind is layers.Dropout:
        shared = tuple(i for i, n in enumerate(layer.noise_shape or ()) if n == 1)
        return ll.LaneDropout(salt, name, shared, name=name)
    if kind is layers.SpatialDropout1D:
        return ll.LaneDropout(salt, name, (1,), name=name)
    if kind in (layers.SpatialDropout2D, layers.SpatialDropout3D):
        dims = 2 if kind is layers.SpatialDropout2D else 3
        offset = 2 if layer.data_format == "channels_first" else 1
        return ll.LaneDropout(salt, name, tuple(range(offset, offset + dims)), name=name)
    if kind is layers.GaussianDropout:
        return ll.LaneGaussianDropout(salt, name, name=name)
    if kind is layers.GaussianNoise:
        return ll.LaneGaussianNoise(salt, name, name=name)
    if kind is layers.AlphaDropout and layer.noise_shape is None:
        return ll.LaneAlphaDropout(salt, name, name=name)
    if kind is layers.BatchNormalization:
        return ll.LaneBatchNormalization.from_config(layer.get_config())
    return layer.__class__.from_config(layer.get_config())


def to_stock(network: Network, weights: list[Array]) -> keras.Model:
    """A fresh stock model that holds one lane's weights.

    Args:
        network: The network the lane was trained as.
        weights: The lane's weights, in the order of the stock model's `weights`.

    Returns:
        A compiled stock `keras.Model`; saving it needs no goodfit, nor does loading it.
    """
    model = keras.models.clone_model(network.model)
    for variable, value in zip(model.weights, weights, strict=True):
        variable.assign(value)
    optimizer = type(network.optimizer).from_config(network.optimizer.get_config())
    model.compile(optimizer=optimizer, loss=_stock_loss(network), metrics=["accuracy"])
    optimizer.build(model.trainable_variables)  # an unbuilt one would be saved without its slots
    return model


def _stock_loss(network: Network) -> keras.losses.Loss:
    """The loss as a user would write it: integer labels unless they are smoothed."""
    logits = bool(network.loss.get_config().get("from_logits", False))
    if isinstance(network.loss, keras.losses.BinaryCrossentropy):
        return keras.losses.BinaryCrossentropy(from_logits=logits, label_smoothing=network.label_smoothing)
    if isinstance(network.loss, keras.losses.CategoricalCrossentropy):
        if network.label_smoothing:
            return keras.losses.CategoricalCrossentropy(from_logits=logits, label_smoothing=network.label_smoothing)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
    return network.loss
