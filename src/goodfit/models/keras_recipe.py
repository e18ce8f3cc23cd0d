"""`KerasRecipe`: a Keras model of the user's own as a recipe, which treatments change like any other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from typing import Any, Self, final
from weakref import WeakValueDictionary

import keras
import numpy as np

from goodfit.data.weights import of_classes
from goodfit.errors import ModelError, UsageError
from goodfit.models import code, copies, initial, objective, rates, surgery
from goodfit.models.canonical import canonical, plain, text
from goodfit.models.recipe import Recipe
from goodfit.models.source import Source, load_model
from goodfit.models.surgery import Shape
from goodfit.models.walk import graph_layers, input_shapes, is_graph, output_shape

_MODELS: WeakValueDictionary[str, Source] = WeakValueDictionary()
"""The models that recipes were made of, by fingerprint, as long as there are such recipes."""
_SHAPE = ("units", "dropout", "l1", "l2", "batch_normalization", "augmentation")
_FIXED = ("filters", "model", "name", "source", "layers", "loss", "activation", "optimizer")


@dataclass(frozen=True)
class Parts:
    """What a recipe is built to: a model, not compiled, and how to train it."""

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    loss: Any
    metrics: tuple[keras.metrics.Metric, ...]
    eager: bool = False


@final
@dataclass(frozen=True)
class KerasRecipe(Recipe):
    """A Keras model and its training. `units`, `dropout`, `l1`, `l2` are its highest; see `surgery.changed`.

    Attributes:
        units: Units or filters of the widest hidden layer, the others keep their proportion; `()` where it has none.
        optimizer: Class name of its optimizer.
        learning_rate: Its learning rate, or the highest of its schedule.
        model: Fingerprint of the model and of how it was compiled.
        name: What it is called.
        source: Where it can be loaded from again; empty where it came as an object.
        layers: Its layers, for people.
        loss: Name of its loss.
        class_weight: Weight of each class in the training loss; None weighs all alike.
    """

    batch_size: int = 32
    model: str = ""
    name: str = ""
    source: str = ""
    layers: tuple[str, ...] = ()
    loss: str = ""
    class_weight: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Hold the model besides."""
        super().__post_init__()
        object.__setattr__(self, "_source", _MODELS.get(self.model))

    def allowed_optimizers(self) -> tuple[str, ...]:
        """Whatever the model came with."""
        return (self.optimizer,)

    def but(self, **changes: Any) -> Self:
        """This recipe with some fields changed; a change that the model cannot have is left out.

        Raises:
            UsageError: A field is unknown, or stands in the model's own code.
        """
        for name in set(changes) & set(_FIXED):
            if changes[name] != getattr(self, name):
                raise UsageError(f"recipe: {name} of a Keras model is changed where the model is made")
        if not self._smooths:
            changes.pop("label_smoothing", None)
        if not rates.can_change(self.original.settings.optimizer):
            changes.pop("learning_rate", None)
        changes = {k: tuple(v) if isinstance(v, list) else v for k, v in changes.items()}
        new = super().but(**changes)
        if any(getattr(new, k) != getattr(self, k) for k in _SHAPE):
            try:
                new._shaped()
            except ModelError:
                return replace(new, **{k: getattr(self, k) for k in _SHAPE})
        return new

    @classmethod
    def of(cls, source: Source, **changes: Any) -> KerasRecipe:
        """The recipe of a model as it was loaded, with some fields changed.

        Raises:
            ModelError: Its loss or its output is none for classes.
        """
        model, settings = source.model, source.settings
        config = settings.optimizer.get_config()
        shape = surgery.of(model)
        units = _units(model)
        _, smoothing = objective.prepared(settings.loss, units)
        given = source.class_weight
        weights = None if given is None else tuple(of_classes(given, max(units, 2)).tolist())
        hidden = [getattr(x, "activation", None) for x in graph_layers(model)] if is_graph(model) else []
        model_key = _fingerprint(source)
        source = _MODELS.setdefault(model_key, source)
        recipe = cls(
            units=() if shape.width is None else (shape.width,),
            activation=next((getattr(a, "__name__", "") for a in hidden if a is not None), ""),
            l1=shape.l1,
            l2=shape.l2,
            dropout=shape.dropout,
            batch_normalization=shape.batch_normalization,
            augmentation=shape.augmentation,
            optimizer=type(settings.optimizer).__name__,
            learning_rate=rates.highest(settings.optimizer),
            weight_decay=float(config.get("weight_decay") or 0.0),
            label_smoothing=smoothing,
            model=model_key,
            name=source.name,
            source=source.where,
            layers=tuple(_told(x) for x in model.layers if not isinstance(x, keras.layers.InputLayer)),
            loss=_loss_name(settings.loss),
            class_weight=weights,
        )
        given_too = {"batch_size": source.batch_size, "epochs": source.epochs}
        return recipe.but(**{k: v for k, v in given_too.items() if v is not None}).but(**changes)

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> KerasRecipe:
        """Back from `to_dict`.

        Raises:
            ModelError: The model is not at hand, or is not the same any more.
        """
        held = _MODELS.get(d["model"])
        if held is None and d.get("source"):
            held = cls.of(load_model(d["source"])).original
        if held is None or d["model"] not in _MODELS:
            raise ModelError(
                f"the model {d.get('name', '')!r} is not the one that this recipe was made of",
                fix="Give goodfit the model as it was then.",
            )
        known = {f.name for f in fields(cls)}
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in d.items() if k in known}
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @property
    def identity(self) -> dict[str, Any]:
        """All but where the model came from, and what it was called there."""
        return {k: v for k, v in self.to_dict().items() if k not in {"name", "source"}}

    @property
    def augmentable(self) -> bool:
        """Whether the model takes images."""
        return surgery.takes_images(self.original.model)

    def weights(self, inputs: int | Sequence[int], outputs: int) -> int:
        """Weights of the model."""
        return int(sum(np.prod(v.shape) for v in self._shaped().weights))

    @property
    def original(self) -> Source:
        """The model that this recipe was made of."""
        source: Source = vars(self)["_source"]
        return source

    def build(self, features: Any = None, *, dropout_layers: bool = False) -> Parts:
        """The model, not compiled, and how to train it.

        Args:
            features: Columns of the data, or the shape of a row, to be checked; None checks nothing.
            dropout_layers: Whether to have dropout layers even at a rate of 0.

        Raises:
            ModelError: The model's input does not fit the data.
        """
        settings = self.original.settings
        model = self._shaped(dropout_layers=dropout_layers)
        if features is not None:
            _check_input(model, features)
        optimizer = rates.changed(settings.optimizer, self.learning_rate, self.weight_decay)
        loss, _ = objective.prepared(settings.loss, _units(model))
        if self.label_smoothing:
            loss = type(loss).from_config({**loss.get_config(), "label_smoothing": self.label_smoothing})
        return Parts(model, optimizer, loss, settings.metrics, settings.eager)

    @property
    def _smooths(self) -> bool:
        units = _units(self.original.model)
        return objective.smooths(objective.prepared(self.original.settings.loss, units)[0])

    def _shaped(self, *, dropout_layers: bool = False) -> keras.Model:
        width = self.units[0] if self.units else None
        shape = Shape(width, self.dropout, self.l1, self.l2, self.batch_normalization, self.augmentation)
        return _built(self.original.model, shape, dropout_layers)


@lru_cache(maxsize=16)
def _built(model: keras.Model, shape: Shape, dropout_layers: bool) -> keras.Model:
    """A model in some shape."""
    try:
        return surgery.changed(model, shape, dropout_layers=dropout_layers)
    except ModelError:
        if not dropout_layers:
            raise
        return surgery.changed(model, shape)


def _units(model: keras.Model) -> int:
    """Units of a model's output."""
    shape = output_shape(model)
    if shape is None and not is_graph(model):
        raise ModelError(
            f"{type(model).__name__} does not tell its inputs and its output",
            fix="Where it takes several inputs make it functional: keras.Model([a, b], net([a, b])).",
        )
    if not shape or not isinstance(shape[-1], int):
        expected = "one unit for each class"
        raise ModelError("the model's output is no row of classes", expected=expected, received=str(shape))
    return shape[-1]


def _fingerprint(source: Source) -> str:
    """Equal for equal models and code, compiled alike; weights count where no run makes them anew."""
    model, settings = source.model, source.settings
    optimizer = plain(settings.optimizer.get_config()) | {"excluded": copies.excluded(settings.optimizer)}
    loss, smoothing = objective.prepared(settings.loss, _units(model))
    made = {k: v for k, v in objective.settings(loss).items() if k != "name"}
    what = [canonical(model, numbers=True), type(settings.optimizer).__name__, optimizer, type(loss).__name__, made]
    eager = ["eager"] if settings.eager else []
    digest = hashlib.sha256(text([*what, smoothing, [m.name for m in settings.metrics], *eager]).encode())
    schedule = getattr(settings.optimizer, "_learning_rate", None)
    given = [objective.function(loss), type(settings.optimizer), schedule]
    if own := [*code.reached(model), *(v for v in given if code.is_own(v))]:
        digest.update(text(code.told(own)).encode())
    for kept in initial.kept(model):
        digest.update(np.ascontiguousarray(kept).tobytes())
    return digest.hexdigest()[:16]


def _loss_name(loss: Any) -> str:
    """What a user calls a loss."""
    return loss if isinstance(loss, str) else str(getattr(loss, "name", getattr(loss, "__name__", type(loss).__name__)))


def _told(layer: Any) -> str:
    """A layer in a word or two."""
    inner = getattr(layer, "layer", layer)
    width = next((getattr(inner, k) for k in ("units", "filters", "rate", "pool_size") if hasattr(inner, k)), None)
    own = type(layer).__name__ if inner is layer else f"{type(layer).__name__} {type(inner).__name__}"
    return own if width is None else f"{own} {width}"


def _check_input(model: keras.Model, features: Any) -> None:
    """Whether rows of this shape go into a model."""
    shapes = input_shapes(model)
    several = not isinstance(features, (int, np.integer)) and any(isinstance(s, tuple) for s in features)
    given = features if several else [(features,)] if isinstance(features, (int, np.integer)) else [tuple(features)]
    if not shapes:
        return
    if len(shapes) != len(given):
        raise ModelError(f"the model takes {len(shapes)} inputs", expected=f"{len(given)}, as the data has")
    for i, (shape, row) in enumerate(zip(shapes, given, strict=True)):
        if len(shape) == len(row) and all(a in (None, b) for a, b in zip(shape, row, strict=True)):
            continue
        fix = "Give it this input, or none at all: a Sequential model without keras.Input is built for the data."
        raise ModelError(
            f"the model's input{f' {model.inputs[i].name!r}' if several else ''} does not fit the data",
            expected=f"rows of shape {row}, as the data is encoded",
            received=f"an input of shape {shape}",
            fix="" if several else fix,
        )
