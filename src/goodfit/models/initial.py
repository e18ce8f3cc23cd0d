"""Initial weights by seed: what Keras's own initialisers draw, for many lanes."""

from __future__ import annotations

import zlib

import keras
import numpy as np

from goodfit.models.network import Network, flat_layers

Array = np.ndarray


def weights(network: Network, seed: int) -> list[Array]:
    """The initial weights of one run, in the order of the stock model's `weights`.

    Every trainable variable that its layer initialises at random is drawn anew by the same initialiser; all else
    (biases, frozen or loaded layers) keeps the model's values. A variable's draw depends on the seed and on its place,
    not on the rest of the network, so variants that share a seed share initial weights where their shapes agree.
    """
    model = network.model
    out = {id(v): np.asarray(v.value) for v in model.weights}
    for place, layer in enumerate(_drawn_layers(model)):
        for name, variable, initializer in layer:
            config = {
                **initializer.get_config(),
                "seed": zlib.crc32(f"{seed}/{place}/{name}".encode()) & 0x7FFFFFFF,
            }
            out[id(variable)] = np.asarray(type(initializer).from_config(config)(variable.shape, dtype=variable.dtype))
    return [out[id(v)] for v in model.weights]


def _drawn_layers(
    model: keras.Model,
) -> list[list[tuple[str, keras.Variable, keras.initializers.Initializer]]]:
    """For each layer with weights: its trainable variables that have a random initialiser."""
    found = []
    for layer in flat_layers(model):
        own = []
        for variable in layer._trainable_variables:
            initializer = getattr(layer, f"{variable.name}_initializer", None)
            if variable.trainable and initializer is not None and "seed" in initializer.get_config():
                own.append((variable.name, variable, initializer))
        if layer._trainable_variables:
            found.append(own)
    return found
