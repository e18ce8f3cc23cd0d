"""Random changes of training images: which Keras layers make them, and how strong a model's own are."""

from __future__ import annotations

import keras

from goodfit.models.walk import graph_layers

_L = keras.layers
LAYERS = (_L.RandomFlip, _L.RandomTranslation, _L.RandomRotation, _L.RandomZoom, _L.RandomCrop)
"""Keras's layers that move the pixels of training images, and that are drawn per lane and row (`lane_images`)."""


def layers(strength: float, channels: int) -> list[keras.layers.Layer]:
    """Stock layers that shift, turn and scale training images, and mirror those in colour.

    Args:
        strength: Share of the side by which images are shifted and scaled at most; they turn by that share of a right
            angle.
        channels: 1 for grey images: characters and the like, which a mirror would make other ones.
    """
    mirror = [_L.RandomFlip("horizontal", name="augmentation_flip")] if channels == 3 else []
    return [
        *mirror,
        _L.RandomTranslation(strength, strength, fill_mode="nearest", name="augmentation_shift"),
        _L.RandomRotation(strength / 4, fill_mode="nearest", name="augmentation_turn"),
        _L.RandomZoom(strength, fill_mode="nearest", name="augmentation_scale"),
    ]


def strength(model: keras.Model) -> float:
    """How strongly a model changes its training images: by what share of the side it shifts them, 0 where by none.

    A model that changes them without shifting them counts as 1: there is nothing to add to it.
    """
    found = [x for x in graph_layers(model) if isinstance(x, LAYERS)]
    shifts = [max(abs(x.height_lower), abs(x.height_upper)) for x in found if isinstance(x, _L.RandomTranslation)]
    return float(max(shifts, default=1.0)) if found else 0.0
