"""Initial weights by seed: what Keras's own initialisers draw, for many lanes."""

from __future__ import annotations

import zlib
from functools import lru_cache

import keras
import numpy as np

from goodfit.errors import ModelError
from goodfit.models import copies
from goodfit.models.network import Network
from goodfit.models.walk import flat_layers, own_weights

Array = np.ndarray


def weights(network: Network, seed: int) -> list[Array]:
    """The initial weights of one run, in the order of the stock model's `weights`.

    Every trainable variable that its layer initialises at random is drawn anew by the same initialiser; all else
    (biases, frozen or loaded layers) keeps the model's values. A variable's draw depends on the seed and on its place,
    not on the rest of the network, so variants that share a seed share initial weights where their shapes agree.
    """
    model = network.model
    out = {id(v): np.asarray(v.value) for v in model.weights}
    for place, layer in enumerate(drawn(model)):
        for name, variable, initializer in layer:
            config = {
                **initializer.get_config(),
                "seed": zlib.crc32(f"{seed}/{place}/{name}".encode()) & 0x7FFFFFFF,
            }
            out[id(variable)] = np.asarray(type(initializer).from_config(config)(variable.shape, dtype=variable.dtype))
    return [out[id(v)] for v in model.weights]


@lru_cache(maxsize=16)
def drawn(model: keras.Model) -> list[list[tuple[str, keras.Variable, keras.initializers.Initializer]]]:
    """For each layer that has any: its trainable variables with a random initialiser.

    Keras forgets the initialisers once it has used them; a copy of the model made in a stateless scope still has them.
    """
    try:
        with keras.StatelessScope():
            copy = copies.copy(model)
            pairs = zip(flat_layers(model), flat_layers(copy), strict=True)
            found = [[(v, w._initializer) for v, w in zip(*map(own_weights, pair), strict=True)] for pair in pairs]
    except (ModelError, ValueError):  # a layer that makes variables of values: those stay as they are
        return []
    random = [
        [(v.name, v, i) for v, i in layer if v.trainable and "seed" in getattr(i, "get_config", dict)()]
        for layer in found
    ]
    return [layer for layer in random if layer]
