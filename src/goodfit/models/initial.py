"""Initial weights by seed: what Keras's own initialisers draw, for many lanes."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from goodfit.errors import ModelError
from goodfit.models import copies, draws
from goodfit.models.once import once
from goodfit.models.walk import flat_layers, own_weights

if TYPE_CHECKING:
    from goodfit.models.network import Network

Array = np.ndarray


@draws.quick()
def weights(network: Network, seed: int) -> list[Array]:
    """The initial weights of one run, in the order of the stock model's `weights`.

    Every variable of a trainable layer is made anew by its own initialiser; frozen layers and those that nothing trains
    keep the model's values. A random draw depends on the seed and on the variable's place among those that are drawn,
    not on the rest of the network, so variants that share a seed share initial weights where their shapes agree.
    """
    model = network.model
    out = _unseeded(model)
    for place, layer in enumerate(drawn(model)):
        for name, variable, initializer in layer:
            config = {
                **initializer.get_config(),
                "seed": zlib.crc32(f"{seed}/{place}/{name}".encode()) & 0x7FFFFFFF,
            }
            out[id(variable)] = np.asarray(type(initializer).from_config(config)(variable.shape, dtype=variable.dtype))
    return [out[id(v)] for v in model.weights]


def drawn(model: keras.Model) -> list[list[tuple[str, keras.Variable, keras.initializers.Initializer]]]:
    """For each layer that has any: its trainable variables with a random initialiser."""
    random = [
        [(v.name, v, i) for v, i in layer if v.trainable and "seed" in _config(i)] for layer in _initializers(model)
    ]
    return [layer for layer in random if layer]


def unknown(model: keras.Model) -> list[keras.Variable]:
    """The trainable variables that all runs start with alike though no initializer of Keras's says so."""
    known = {id(v) for layer in _initializers(model) for v, i in layer if _stock(i) or "seed" in _config(i)}
    return [v for v in model.trainable_variables if id(v) not in known]


def kept(model: keras.Model) -> list[Array]:
    """The values of the weights that no run makes anew: of frozen layers, of adapted ones."""
    new = {id(v) for layer in _initializers(model) for v, _ in layer}
    return [np.asarray(v.value) for v in model.weights if id(v) not in new]


def _unseeded(model: keras.Model) -> dict[int, Array]:
    """Every weight by the id of its variable: made anew where that takes no random draw, else the model's own."""
    out = {id(v): np.asarray(v.value) for v in model.weights}
    for layer in _initializers(model):
        for variable, initializer in layer:
            if _stock(initializer) and "seed" not in _config(initializer):
                out[id(variable)] = np.asarray(initializer(variable.shape, dtype=variable.dtype))
    return out


def _stock(initializer: Any) -> bool:
    return str(getattr(initializer, "__module__", "")).startswith("keras.")


def _config(initializer: Any) -> dict[str, Any]:
    return getattr(initializer, "get_config", dict)()


@once
def _initializers(model: keras.Model) -> list[list[tuple[keras.Variable, Callable[..., Any]]]]:
    """The variables of each trainable layer with what initialises them.

    Keras forgets the initialisers once it has used them; a copy of the model made in a stateless scope still has them.
    """
    try:
        with keras.StatelessScope():
            copy = copies.copy(model)
            pairs = zip(flat_layers(model), flat_layers(copy), strict=True)
            found = [[(v, w._initializer) for v, w in zip(*map(own_weights, pair), strict=True)] for pair in pairs]
    except (ModelError, ValueError):  # a layer that makes variables of values: those stay as they are
        return []
    layers = zip(flat_layers(model), found, strict=True)
    return [own for layer, own in layers if layer.trainable and any(v.trainable for v, _ in own)]
