"""Copies of Keras models, with what some layers keep besides their weights."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
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
        with keras.saving.custom_object_scope(_own_objects(model)):
            if not is_graph(model):
                return _of_class(model)
            return keras.models.clone_model(model, input_tensors=inputs, clone_function=swap or plain, recursive=True)
    except (TypeError, NotImplementedError, ValueError) as error:
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
    if type(layer) is keras.layers.Lambda:  # its function may be one that no config can hold
        config = keras.layers.Layer.get_config(layer)
        return keras.layers.Lambda(layer.function, layer._output_shape, layer.mask, layer.arguments, **config)
    return layer.__class__.from_config(layer.get_config())


def _own_objects(model: keras.Model) -> dict[str, Any]:
    """Classes and functions in a model that are not Keras's, by name."""
    found: dict[str, Any] = {}
    for layer in model._flatten_layers():
        for value in (type(layer), *vars(layer).values()):
            own = value if isinstance(value, (type, FunctionType)) else type(value)
            if not own.__module__.startswith(("keras.", "builtins")) and own.__name__ != "<lambda>":
                found[own.__name__] = own
    return found


def _of_class(model: keras.Model) -> keras.Model:
    """A copy of a model that has a class of its own."""
    copied = model.__class__.from_config(model.get_config())
    if not copied.built:
        copied.build_from_config(model.get_build_config() or {})
    if len(copied.weights) != len(model.weights):
        raise NotImplementedError(f"{type(model).__name__} made from its config has other weights")
    return copied
