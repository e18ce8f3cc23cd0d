"""Copies of Keras models, with what some layers keep besides their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

import keras

from goodfit.errors import ModelError, first_line
from goodfit.models import draws
from goodfit.models.walk import is_graph


@draws.quick()
def copy(
    model: keras.Model,
    swap: Callable[[keras.Operation], keras.Operation] | None = None,
    *,
    inputs: list[Any] | None = None,
    call: Callable[..., Any] | None = None,
    recursive: bool = True,
) -> keras.Model:
    """A copy with fresh weights, not compiled.

    Args:
        model: The model.
        swap: Gives the copy of each layer and operation; by default one by its config.
        inputs: Symbolic inputs in place of the model's own.
        call: Calls each copy on its inputs, in functional models.
        recursive: Whether `swap` is given the layers of nested models, or those models themselves.

    Raises:
        ModelError: A layer or the model itself cannot be copied.
    """
    compiled = [m for m in model._flatten_layers() if getattr(m, "compiled", False)]
    try:
        for m in compiled:
            m.compiled = False  # or Keras would compile the copy
        with own_objects(model):
            if not is_graph(model):
                return _of_class(model)
            return keras.models.clone_model(
                model, input_tensors=inputs, clone_function=swap or plain, call_function=call, recursive=recursive
            )
    except (TypeError, NotImplementedError, ValueError) as error:
        raise ModelError(
            "the model cannot be copied",
            expected="layers and models with a get_config that their constructor understands",
            received=first_line(error),
        ) from None
    finally:
        for m in compiled:
            m.compiled = True


def settle(pairs: Iterable[tuple[Any, Any]], *, everything: bool = False) -> None:
    """Give layers what others like them have learnt from data before any training (`Normalization`).

    Args:
        pairs: A layer and its copy.
        everything: Whether to give all weights whose shapes agree.
    """
    for old, new in pairs:
        adapted = hasattr(new, "finalize_state")
        if not (adapted or everything) or not getattr(old, "built", False):
            continue
        for variable, value in zip(new.weights, old.weights, strict=False):
            if variable.shape == value.shape:
                variable.assign(value)
        if adapted:
            new.finalize_state()


def plain(layer: keras.Operation, config: dict[str, Any] | None = None) -> keras.Operation:
    """A copy of a layer or operation by its config, or by another one."""
    if type(layer) is keras.layers.Lambda:  # its function may be one that no config can hold
        config = keras.layers.Layer.get_config(layer)
        return keras.layers.Lambda(layer.function, layer._output_shape, layer.mask, layer.arguments, **config)
    return layer.__class__.from_config(layer.get_config() if config is None else config)


def optimizer(old: keras.optimizers.Optimizer, config: dict[str, Any] | None = None) -> keras.optimizers.Optimizer:
    """A fresh optimizer by the config of another one, or by another config; what decays stays as it was."""
    new = type(old).from_config(old.get_config() if config is None else config)
    if names := excluded(old):
        new.exclude_from_weight_decay(var_names=names)
    return new


def excluded(optimizer: keras.optimizers.Optimizer) -> list[str]:
    """Which names keep variables from weight decay, in a fixed order."""
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    return [] if pattern is None else sorted(pattern.pattern.split("|"))


def own_objects(model: keras.Model) -> Any:
    """A scope in which configs find the classes and functions of a model that are not Keras's."""
    found: dict[str, Any] = {}
    for layer in model._flatten_layers():
        for value in (type(layer), *vars(layer).values()):
            own = value if isinstance(value, (type, FunctionType)) else type(value)
            if not own.__module__.startswith(("keras.", "builtins")) and own.__name__ != "<lambda>":
                found[own.__name__] = own
    return keras.saving.custom_object_scope(found)


def _of_class(model: keras.Model) -> keras.Model:
    """A copy of a model that has a class of its own."""
    copied = model.__class__.from_config(model.get_config())
    if not copied.built:
        copied.build_from_config(model.get_build_config() or {})
    if len(copied.weights) != len(model.weights):
        raise NotImplementedError(f"{type(model).__name__} made from its config has other weights")
    copied.built = True  # which Keras itself only notes at the first call
    return copied
