"""What keeps a network out of the lanes; such a network trains one run after the other."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from goodfit.errors import first_line
from goodfit.models import augmentation, lane_form
from goodfit.models import lane_layers as ll
from goodfit.models.network import Network
from goodfit.models.once import once
from goodfit.models.walk import flat_layers, graph_layers, is_graph

_STEPS = ("train_step", "test_step", "compute_loss", "compute_metrics", "call", "__call__")
_ADDITIVE = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)
_ELEMENTWISE = {
    *("Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Maximum", "Minimum", "Power", "Negative", "Absolute"),
    *("Exp", "Log", "Sqrt", "Square", "Relu", "Sigmoid", "Tanh", "Softmax", "Cast"),
    *("Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual", "LogicalAnd", "LogicalOr", "LogicalNot"),
}
"""Operations of functional models that treat each row by itself, along any axis but that of the rows."""
_ROW_BY_ROW = {
    *("InputLayer", "Identity", "Masking", "Lambda", "Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax"),
    *("Dense", "EinsumDense", "Embedding", "ReversibleEmbedding"),
    *(f"{kind}{n}D" for kind in ("Conv", "SeparableConv", "DepthwiseConv") for n in (1, 2, 3)),
    *(f"Conv{n}DTranspose" for n in (1, 2, 3)),
    *(
        f"{how}{what}Pooling{n}D"
        for how in ("", "Global", "Adaptive")
        for what in ("Max", "Average")
        for n in (1, 2, 3)
    ),
    *("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupedQueryAttention"),
    *("RNN", "SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional", "TimeDistributed"),
    *("SimpleRNNCell", "LSTMCell", "GRUCell", "ConvLSTMCell", "StackedRNNCells"),
    *("BatchNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization", "UnitNormalization"),
    *("SpectralNormalization", "Normalization", "Rescaling", "Resizing", "CenterCrop"),
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout", "GaussianDropout"),
    *("GaussianNoise", "ActivityRegularization"),
    *("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"),
    *("Flatten", "Reshape", "Permute", "RepeatVector"),
    *(f"{kind}{n}D" for kind in ("Cropping", "UpSampling", "ZeroPadding") for n in (1, 2, 3)),
    *(kind.__name__ for kind in augmentation.LAYERS),
}
"""Keras's layers of which the same is true; what it has besides is tried. Batch normalisation has a lane layer."""
_MIXING = ("CutMix", "MixUp", "MelSpectrogram")
"""Keras's layers that put rows together, but so that a few rows may not show it: by chance, or where one is loud."""
_TOGETHER = "lets the rows of a batch see each other"
_ACTIVATIONS = "keras.src.activations."
_ROWS = 6  # of the batch that layers are tried on


@once
def of(network: Network) -> str | None:
    """Why a network cannot train in lanes, as half a sentence; None where it can.

    Keras's layers that treat each row by itself are known. Other layers, functions and operations are tried on a few
    random rows: in a lane the rows of others pass through them too, and must not change what they give for its own.
    """
    model = network.model
    if not is_graph(model):
        return f"{type(model).__name__} has a call of its own"
    plain = keras.Sequential if isinstance(model, keras.Sequential) else _functional()
    own = [name for name in _STEPS if getattr(type(model), name) is not getattr(plain, name)]
    if own:
        return f"{type(model).__name__} has its own {own[0]}"
    if network.objective.kind == "batch":
        return f"the loss {network.loss.name} is one number for a whole batch"
    if network.objective.kind == "across":
        return f"the loss {network.loss.name} lets the rows of a batch see each other"
    optimizer = type(network.optimizer)
    if not optimizer.__module__.startswith("keras.") or optimizer.__name__ in ("LossScaleOptimizer", "MultiOptimizer"):
        return f"the optimizer {optimizer.__name__} is not one that goodfit knows"
    if (reason := _schedule(network.optimizer)) is not None:
        return reason
    inside = {id(layer) for layer in flat_layers(model)} - {id(layer) for layer in graph_layers(model)}
    for layer in flat_layers(model):
        if getattr(layer, "stateful", False):
            return f"{layer.name} carries its state from batch to batch"
        if isinstance(layer, keras.layers.BatchNormalization) and id(layer) in inside:
            return f"{layer.name} normalises over the batch inside another layer"
        if type(layer).__name__ in _MIXING and type(layer).__module__.startswith("keras."):
            return f"{type(layer).__name__} {_TOGETHER}"
        if getattr(layer, "quantization_mode", None):
            return f"{layer.name} is quantized"
        penalty = layer.activity_regularizer
        if penalty is not None and (id(layer) in inside or not isinstance(penalty, _ADDITIVE)):
            return f"{layer.name} has an activity regularizer that goodfit does not know"
    return _tried(network) if any(not _known(part) for part in _parts(model)) else None


def told(networks: Mapping[str, Network]) -> list[str]:
    """A sentence for each reason why networks, by the names of their variants, cannot train in lanes."""
    reasons: dict[str, list[str]] = {}
    for name, network in networks.items():
        if (reason := of(network)) is not None:
            reasons.setdefault(reason, []).append(f"'{name}'")
    verb = {True: "trains", False: "train"}
    return [f"{', '.join(n)} {verb[len(n) == 1]} one run after the other: {why}." for why, n in reasons.items()]


def _schedule(optimizer: keras.optimizers.Optimizer) -> str | None:
    """Why a learning rate cannot be one of lanes."""
    rate = optimizer._learning_rate
    if isinstance(rate, keras.Variable) or type(rate).__module__.startswith("keras."):
        return None
    try:
        jax.eval_shape(jax.vmap(rate), jax.ShapeDtypeStruct((2,), jnp.int32))
    except Exception as error:
        return f"the schedule {type(rate).__name__} cannot be traced ({first_line(error, 100)})"
    return None


@cache
def _functional() -> type:
    """Keras's class of functional models."""
    x = keras.Input((1,))
    return type(keras.Model(x, keras.layers.Dense(1)(x)))


def _parts(model: keras.Model) -> list[Any]:
    """Layers and operations of a graph, those of nested models and wrappers too."""
    models = [m for m in model._flatten_layers() if isinstance(m, keras.Model)]
    return [*flat_layers(model), *(o for m in models for o in getattr(m, "operations", ()))]


def _known(part: Any) -> bool:
    """Whether a part is a model, or a layer or operation of Keras's of which it is known that it goes row by row."""
    if isinstance(part, keras.Model):
        return True
    own = [getattr(part, name, None) for name in ("activation", "recurrent_activation", "function")]
    return _by_rows(part) and all(f is None or getattr(f, "__module__", "").startswith(_ACTIVATIONS) for f in own)


def _by_rows(part: Any) -> bool:
    """Whether the class of a part, with its arguments, treats each row by itself; functions that it calls aside."""
    kind, layer = type(part).__name__, isinstance(part, keras.layers.Layer)
    if not type(part).__module__.startswith("keras." if layer else "keras.src.ops"):
        return False
    if kind not in (_ROW_BY_ROW if layer else _ELEMENTWISE):
        return False
    axes = [a for name in ("axis", "axes", "_attention_axes") for a in np.ravel(getattr(part, name, 1))]
    equation = getattr(part, "equation", "a,b->a")  # of an EinsumDense
    first = equation.partition("->")[2][0] == equation[0]
    return first and all(a is not None and (a == -1 or a > 0) for a in axes)


def _tried(network: Network) -> str | None:
    """What is found when a few random rows go through the network."""
    rng = np.random.default_rng(0)
    inputs = network.model.inputs
    rows = [_random(rng, t) for t in inputs]
    others = [np.concatenate([r[:-2], _loud(_random(rng, t)[-2:])]) for r, t in zip(rows, inputs, strict=True)]
    names = list(dict.fromkeys(type(layer).__name__ for layer in _strange(network.model)))
    name = ("one of " if len(names) > 1 else "") + ", ".join(names) or "a function or operation"
    form = lane_form.of(network, sparse=False)
    own = _own(form.model)
    try:
        before = _python(own)
        first, again = _passed(form, network, rows), _passed(form, network, rows)
        if _python(own) != before:
            return f"{name} keeps state in Python"
        lanes = [jnp.broadcast_to(v.value, (2, *v.shape)) for v in form.model.trainable_variables]
        jax.eval_shape(jax.vmap(lambda t: _passed(form, network, rows, t)), lanes)
        there = _passed(form, network, others)
    except Exception as error:
        return f"{name} cannot be traced ({first_line(error, 100)})"
    if first[0] != _ROWS:
        return f"{name} makes another number of rows"
    if not _close(first, again):
        return f"{name} gives other numbers for the same rows"
    if not _close(first, there):
        return f"{name} {_TOGETHER}"
    return None


def _strange(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of which it is not known whether they go row by row, without those inside of them."""
    found = [layer for layer in flat_layers(model) if not _by_rows(layer)]
    inside = {id(inner) for layer in found for inner in layer._flatten_layers(include_self=False)}
    return [layer for layer in found if id(layer) not in inside]


def _own(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers that are neither Keras's nor goodfit's."""
    return [layer for layer in flat_layers(model) if not type(layer).__module__.startswith(("keras.", "goodfit."))]


def _random(rng: np.random.Generator, tensor: Any) -> np.ndarray:
    """A few random rows for an input."""
    shape = (_ROWS, *(n or 5 for n in tensor.shape[1:]))
    whole = str(tensor.dtype).startswith(("int", "uint"))
    return rng.integers(0, 2, shape).astype(tensor.dtype) if whole else rng.normal(size=shape).astype(np.float32)


def _loud(rows: np.ndarray) -> np.ndarray:
    """Rows far from all others, unless they are of whole numbers, which may number words."""
    return rows if rows.dtype.kind in "iu" else 1000 * rows


def _passed(form: lane_form.LaneForm, network: Network, rows: list[np.ndarray], trainable: Any = None) -> list[Any]:
    """What a lane that owns all but the last two rows gets: how many outputs, its own, its state, its added losses."""
    own = np.arange(_ROWS) < _ROWS - 2
    rates = {k: jnp.float32(v) for k, v in network.rates.items()}
    inputs: Any = [jnp.asarray(r) for r in rows]
    # A Sequential that has not been called knows no `input`.
    alone = isinstance(form.model, keras.Sequential)
    inputs = inputs[0] if alone else keras.tree.pack_sequence_as(form.model.input, inputs)
    variables = trainable or [v.value for v in form.model.trainable_variables]
    with ll.open_scope(ll.Scope(rates, jnp.asarray(own, jnp.float32), jnp.uint32(1))):
        out, state, losses = form.model.stateless_call(
            variables, [v.value for v in form.model.non_trainable_variables], inputs, training=True, return_losses=True
        )
    return [len(out), out[: _ROWS - 2], *state, *losses]


def _close(a: list[Any], b: list[Any]) -> bool:
    return all(np.allclose(x, y, rtol=1e-4, atol=1e-5, equal_nan=True) for x, y in zip(a, b, strict=True))


def _python(layers: list[Any]) -> list[dict[str, str]]:
    """What layers of one's own keep in attributes that are no layers and no variables."""
    common = set(vars(keras.layers.Layer()))
    return [
        {k: repr(v) for k, v in vars(layer).items() if k not in common and not isinstance(v, keras.Variable)}
        for layer in layers
    ]
