"""Walking through the layers of a Keras model."""

from __future__ import annotations

import math
from typing import Any

import keras

PASSING = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.Dropout,
    keras.layers.BatchNormalization,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Identity,
)
"""Layers whose output XLA seldom holds beside their input."""


CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


def flat_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """All layers but models, in a fixed order; those inside nested models, wrappers and cells too."""
    return [layer for layer in model._flatten_layers(include_self=False) if not isinstance(layer, keras.Model)]


def graph_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a model's graph and of the models nested in it, not what wrappers and cells hold inside."""
    found: dict[int, keras.layers.Layer] = {}
    for layer in model.layers:
        inner = graph_layers(layer) if isinstance(layer, keras.Model) else [layer]
        found.update((id(i), i) for i in inner)
    return list(found.values())


def readers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a graph that read one of its inputs."""
    inputs = {id(t) for t in getattr(model, "inputs", None) or []}
    layers = [x for x in model.layers if not isinstance(x, keras.layers.InputLayer)] if is_graph(model) else []
    return [x for x in layers if any(id(t) in inputs for node in x._inbound_nodes for t in node.input_tensors)]


def branch(model: keras.Model, tensor: Any) -> list[keras.layers.Layer]:
    """The layers of a graph that read one of its inputs and no other, itself or what such layers made of it."""
    own, found = {id(tensor)}, list[Any]()
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not node.is_input and all(id(t) in own for t in node.input_tensors):
                own |= {id(t) for t in node.outputs}
                found += flat_layers(node.operation) if isinstance(node.operation, keras.Model) else [node.operation]
    return found


def output_shape(model: keras.Model) -> Any:
    """The shape of a built model's output, batch first, or shapes of several; None where nothing tells it."""
    shape = getattr(model, "output_shape", None)
    rows = input_shapes(model)
    if shape is not None or len(rows) != 1:
        return shape
    told = model.compute_output_spec(keras.KerasTensor((None, *rows[0])))  # a class of its own: one symbolic call
    return keras.tree.map_structure(lambda t: tuple(t.shape), told)


def input_shapes(model: keras.Model) -> list[tuple[int | None, ...]]:
    """The shape of a row of each of a built model's inputs; none where nothing tells them."""
    tensors = keras.tree.flatten(getattr(model, "inputs", None) or [])
    if tensors:
        return [tuple(t.shape[1:]) for t in tensors]
    built = (model.get_build_config() or {}).get("input_shape")
    if not isinstance(built, (list, tuple)) or not all(n is None or isinstance(n, int) for n in built):
        return []
    return [tuple(built[1:])]


def own_weights(layer: keras.layers.Layer) -> list[Any]:
    """A layer's own variables, without its sublayers' and without the states of random generators."""
    return [v for v in layer._trainable_variables + layer._non_trainable_variables if "seed_generator" not in v.path]


def places(model: keras.Model) -> list[Any]:
    """Where each of a model's weights belongs, by the names of layers: equal in copies whose layers have another order.

    Keras orders layers by their distance from the output, which a layer put in between changes for one branch alone.
    """
    found: dict[int, Any] = {}

    def note(inner: keras.Model, above: tuple[str, ...]) -> None:
        for layer in inner.layers:
            at = (*above, layer.name)
            if isinstance(layer, keras.Model) and is_graph(layer):
                note(layer, at)
                continue
            for i, variable in enumerate(layer.weights):
                found[id(variable)] = min(found.get(id(variable), (at, i)), (at, i))

    if is_graph(model):
        note(model, ())
    return [found.get(id(v), i) for i, v in enumerate(model.weights)]


def is_graph(model: keras.Model) -> bool:
    """Whether a model is known by its layers: `Sequential` or functional."""
    return isinstance(model, keras.Sequential) or hasattr(model, "_run_through_graph")


def output_activation(model: keras.Model) -> str:
    """Keras's name of the activation at the end of a model with one output; `linear` where nothing else is known."""
    at: Any = model
    while isinstance(at, keras.Model):
        if isinstance(at, keras.Sequential):
            at = at.layers[-1]
        elif is_graph(at):
            at = at.outputs[0]._keras_history.operation
        else:
            return "linear"
    at = getattr(at, "layer", at)  # a wrapper ends as what it wraps
    kinds = {"Softmax": "softmax", "Sigmoid": "sigmoid", "Tanh": "tanh", "ReLU": "relu", "Relu": "relu"}
    if type(at).__name__ in kinds:
        return kinds[type(at).__name__]
    activation = getattr(at, "activation", None)
    return getattr(activation, "__name__", "linear") if activation is not None else "linear"


def widest(model: keras.Model) -> int:
    """Numbers that the widest layer gives for one row, inputs left out; axes of unknown length count as 1."""
    return max((_size(t.shape[1:]) for _, node in _calls(model) for t in node.output_tensors), default=1)


def held(model: keras.Model) -> int:
    """Numbers that training holds of one row of a batch at the most, those of its layers' insides included.

    Factors are what XLA's buffer assignment came to, for networks of every kind: see tests/test_plan.py.
    """
    calls = [(layer, node) for layer, node in _calls(model) if not isinstance(layer, PASSING)]
    given = sum(_size(t.shape[1:]) for _, node in calls for t in node.output_tensors)
    return round(2.5 * given) + 2 * widest(model) + sum(_inside(layer, node) for layer, node in calls)


def _calls(model: keras.Model) -> list[tuple[keras.layers.Layer, Any]]:
    layers = [layer for layer in flat_layers(model) if not isinstance(layer, keras.layers.InputLayer)]
    return [(layer, node) for layer in layers for node in layer._inbound_nodes]


def _size(shape: Any) -> int:
    return math.prod(n or 1 for n in shape)


def _inside(layer: keras.layers.Layer, node: Any) -> int:
    """Numbers of one row that a layer makes inside: gates of all steps, scores of attention, patches."""
    shape = node.input_tensors[0].shape[1:]
    if isinstance(layer, CONVOLUTIONS):
        across = zip(layer.kernel_size, layer.strides, strict=True)
        places = _size(node.output_tensors[0].shape[1:]) // layer.filters
        return 0 if all(a == (3, 1) for a in across) else places * _size(layer.kernel.shape[:-1])
    both = [getattr(layer, name, None) for name in ("forward_layer", "backward_layer")]
    if any(isinstance(x, keras.layers.RNN) for x in (layer, *both)):
        kernels = [v for v in layer.trainable_variables if "recurrent_kernel" in v.path]
        return 8 * _size(shape[:1]) * sum(v.shape[-1] for v in kernels)
    if isinstance(layer, (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)):
        heads = getattr(layer, "num_heads", 0) or getattr(layer, "num_query_heads", 1)
        wide = getattr(layer, "key_dim", 0) or getattr(layer, "head_dim", 1)
        most = max(_size(t.shape[1:2]) for t in node.input_tensors)
        return heads * (5 * _size(shape[:1]) + 8 * wide) * most
    if isinstance(layer, keras.layers.Attention):
        most = max(_size(t.shape[1:2]) for t in node.input_tensors)
        wide = _size(shape[-1:]) if isinstance(layer, keras.layers.AdditiveAttention) else 1
        return 5 * _size(shape[:1]) * most * wide
    return 0
