"""The layers that a recipe puts between input and output."""

from __future__ import annotations

from typing import Any

import keras

from goodfit.errors import ModelError
from goodfit.models import augmentation
from goodfit.models.recipe import Recipe, pooled

_L = keras.layers


def hidden(recipe: Recipe, shape: tuple[int, ...], dropout: bool) -> list[keras.layers.Layer]:
    """The layers of a recipe, stock and not built.

    Args:
        recipe: What to build.
        shape: The shape of a row.
        dropout: Whether dropout layers follow the convolutions and each hidden layer.

    Raises:
        ModelError: The recipe has convolutions, and the rows are no images.
    """
    penalty = keras.regularizers.L1L2(recipe.l1, recipe.l2) if recipe.l1 or recipe.l2 else None
    plain = not recipe.batch_normalization
    same: dict[str, Any] = {"activation": recipe.activation if plain else None, "use_bias": plain}
    same["kernel_regularizer"] = penalty
    stack = _convolutions(recipe, shape, same) if recipe.filters else []
    if recipe.filters and dropout:
        stack.append(_L.Dropout(recipe.dropout, name="dropout_pixels"))
    for i, units in enumerate(recipe.units, start=1):
        stack += [_L.Dense(units, name=f"hidden_{i}", **same), *_normalised(recipe, str(i))]
        if dropout:
            stack.append(_L.Dropout(recipe.dropout, name=f"dropout_{i}"))
    return stack


def _convolutions(recipe: Recipe, shape: tuple[int, ...], same: dict[str, Any]) -> list[keras.layers.Layer]:
    """Convolutions with a maximum after each, from images to rows of numbers."""
    if len(shape) != 3:
        raise ModelError(
            "convolutions need images", expected="rows of shape (height, width, channels)", received=f"{shape}"
        )
    stack = augmentation.layers(recipe.augmentation, shape[2]) if recipe.augmentation else []
    size = shape[:2]
    for i, filters in enumerate(recipe.filters, start=1):
        stack.append(_L.Conv2D(filters, 3, padding="same", name=f"convolution_{i}", **same))
        stack += _normalised(recipe, f"convolution_{i}")
        if pooled(*size) != size:
            stack.append(_L.MaxPooling2D(name=f"maximum_{i}"))
        size = pooled(*size)
    return [*stack, _L.Flatten(name="pixels")]


def _normalised(recipe: Recipe, number: str) -> list[keras.layers.Layer]:
    """What follows a product where batches are normalised."""
    if not recipe.batch_normalization:
        return []
    activation = _L.Activation(recipe.activation, name=f"activation_{number}")
    return [_L.BatchNormalization(name=f"normalization_{number}"), activation]
