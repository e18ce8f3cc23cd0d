"""Copies of Keras models, with what some layers keep besides their weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from goodfit.errors import ModelError
from goodfit.models.walk import flat_layers, is_graph


def copy(
    model: keras.Model,
    swap: Callable[[keras.Operation], keras.Operation] | None = None,
    inputs: list[Any] | None = None,
) -> keras.Model:
    """A copy with fresh weights, not compiled.

    Args:
        model: The model.
        swap: Gives the copy of each layer and operation, those of nested models too; by default one by its config.
        inputs: Symbolic inputs in place of the model's own.

    Raises:
        ModelError: A layer or the model itself cannot be copied.
    """
    compiled = [m for m in model._flatten_layers() if getattr(m, "compiled", False)]
    try:
        for m in compiled:
            m.compiled = False  # or Keras would compile the copy
        if not is_graph(model):
            return _of_class(model)
        return keras.models.clone_model(model, input_tensors=inputs, clone_function=swap or plain, recursive=True)
    except (TypeError, NotImplementedError) as error:
        raise ModelError(
            "the model cannot be copied",
            expected="layers and models with a get_config that their constructor understands",
            received=str(error).strip().splitlines()[0][:160],
        ) from None
    finally:
        for m in compiled:
            m.compiled = True


def settle(source: keras.Model, target: keras.Model) -> None:
    """Give a copy what adapted layers (`Normalization`) computed from their weights, once it has the weights.

    Args:
        source: A model of such layers.
        target: Its copy, or another model with the same layers in the same order.
    """
    for old, new in zip(flat_layers(source), flat_layers(target), strict=True):
        if hasattr(new, "finalize_state") and getattr(old, "built", False):
            for variable, value in zip(new.weights, old.weights, strict=True):
                variable.assign(value)
            new.finalize_state()


def plain(layer: keras.Operation) -> keras.Operation:
    """A copy of a layer or operation by its config."""
    return layer.__class__.from_config(layer.get_config())


def _of_class(model: keras.Model) -> keras.Model:
    """A copy of a model that has a class of its own."""
    copied = model.__class__.from_config(model.get_config())
    if not copied.built:
        copied.build_from_config(model.get_build_config() or {})
    if len(copied.weights) != len(model.weights):
        raise NotImplementedError(f"{type(model).__name__} made from its config has other weights")
    return copied
