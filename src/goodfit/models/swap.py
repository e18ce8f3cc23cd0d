"""Which stock layers the lane form swaps, and for what."""

from __future__ import annotations

from typing import Any

import keras

from goodfit.models import copies
from goodfit.models import lane_images as li
from goodfit.models import lane_layers as ll
from goodfit.models.walk import flat_layers, graph_layers, is_graph

PENALTIES = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)
"""Regularizers whose factors may differ between lanes."""

_RATES = {
    "Dropout": "rate",
    "SpatialDropout1D": "rate",
    "SpatialDropout2D": "rate",
    "SpatialDropout3D": "rate",
    "GaussianDropout": "rate",
    "AlphaDropout": "rate",
    "GaussianNoise": "stddev",
}
"""Stock layers that keep a number in Python that lanes may vary, and what they call it."""


def swapped_rate(layer: Any) -> str | None:
    """The name of the number that lanes may vary in a layer, or in its config; None where there is none."""
    if isinstance(layer, dict):
        stock = str(layer.get("module", "")).startswith("keras.")
        kind, config = str(layer.get("class_name")), layer.get("config", {})
    else:
        stock, kind = type(layer) is getattr(keras.layers, type(layer).__name__, None), type(layer).__name__
        config = layer.get_config() if kind == "AlphaDropout" else {}
    if not stock or (kind == "AlphaDropout" and config.get("noise_shape") is not None):
        return None
    return _RATES.get(kind)


def varied(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """The layers of a graph whose number lanes may vary, by its key among a lane's rates."""
    layers = graph_layers(model) if is_graph(model) else []
    return {str(i): layer for i, layer in enumerate(x for x in layers if swapped_rate(x))}


def pooled(model: keras.Model) -> dict[int, keras.layers.Layer]:
    """The convolutions by their `id` whose only reader is a maximum over 2x2 pixels that one kernel takes with them.

    Returns:
        The layer of the maximum for each.
    """
    graphs = [m for m in (model, *model._flatten_layers()) if isinstance(m, keras.Model) and is_graph(m)]
    given = {id(t._keras_history.operation) for m in graphs for t in m.outputs}
    found = {}
    for layer in flat_layers(model):
        after = {id(node.operation): node.operation for node in layer._outbound_nodes}
        if len(after) != 1 or id(layer) in given or _quick(layer) is not ll.LaneConv2D or layer.activity_regularizer:
            continue
        (pool,) = after.values()
        sources = {id(t._keras_history.operation) for node in pool._inbound_nodes for t in node.input_tensors}
        fits = type(pool) is keras.layers.MaxPooling2D and _quick(pool) and pool.pool_size == (2, 2)
        fits = fits and not pool.activity_regularizer
        monotonic = layer.activation in (keras.activations.relu, keras.activations.linear, None)
        if fits and monotonic and sources == {id(layer)}:
            found[id(layer)] = pool
    return found


def swapped(layer: keras.layers.Layer, salt: int, rate: str | None) -> keras.layers.Layer:
    """The lane layer in place of a stock one, or a plain clone.

    Args:
        layer: A stock layer of the model's graph.
        salt: Sets its noise apart from that of other layers.
        rate: The key of its number among the lane's rates, if it has one.
    """
    layers = keras.layers
    same = {"name": layer.name, "dtype": layer.dtype_policy}
    kind = type(layer)
    if kind is layers.BatchNormalization:
        clone: keras.layers.Layer = ll.LaneBatchNormalization.from_config(layer.get_config())
    elif li.swaps(layer):
        clone = li.LaneImages(layer, salt, **same)
    elif (quick := _quick(layer)) is not None:
        clone = quick.from_config(layer.get_config())
    elif rate is None:
        clone = copies.plain(layer)
    elif kind is layers.Dropout:
        shared = tuple(i for i, n in enumerate(layer.noise_shape or ()) if n == 1)
        clone = ll.LaneDropout(salt, rate, shared, **same)
    elif kind is layers.SpatialDropout1D:
        clone = ll.LaneDropout(salt, rate, (1,), **same)
    elif kind in (layers.SpatialDropout2D, layers.SpatialDropout3D):
        dims = 2 if kind is layers.SpatialDropout2D else 3
        offset = 2 if layer.data_format == "channels_first" else 1
        clone = ll.LaneDropout(salt, rate, tuple(range(offset, offset + dims)), **same)
    elif kind is layers.GaussianDropout:
        clone = ll.LaneGaussianDropout(salt, rate, **same)
    elif kind is layers.GaussianNoise:
        clone = ll.LaneGaussianNoise(salt, rate, **same)
    else:
        clone = ll.LaneAlphaDropout(salt, rate, **same)
    if layer.activity_regularizer is not None:
        clone.activity_regularizer = ll.OwnRows(layer.activity_regularizer)
    return clone


def _quick(layer: keras.layers.Layer) -> type[keras.layers.Layer] | None:
    """The lane layer that does the same as a stock one, only faster; None where there is none."""
    kind = type(layer)
    if kind is keras.layers.Dense:
        return None if layer.lora_rank or layer.quantization_mode else ll.LaneDense
    if getattr(layer, "data_format", None) != "channels_last":
        return None
    if kind is keras.layers.Conv2D:
        plain = layer.groups == 1 and layer.dilation_rate == (1, 1) and not layer.lora_rank
        return ll.LaneConv2D if plain else None
    if kind is keras.layers.MaxPooling2D:
        return ll.LaneMaxPooling2D if layer.padding == "valid" and layer.strides == layer.pool_size else None
    return None
