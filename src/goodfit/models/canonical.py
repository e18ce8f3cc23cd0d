"""A Keras model's config as a text that is equal for equal models, whatever their layers happen to be called."""

from __future__ import annotations

import json
from typing import Any

import keras

from goodfit.models import code
from goodfit.models.swap import PENALTIES, swapped_rate


def text(value: Any) -> str:
    """Anything as JSON; functions and objects by their names."""
    return json.dumps(value, sort_keys=True, default=lambda v: getattr(v, "__qualname__", type(v).__qualname__))


def canonical(model: keras.Model, *, numbers: bool = False) -> Any:
    """A model's config without its layers' names, which count up, and but for `numbers` without what lanes may vary."""
    try:
        config = model.get_config()
    except (NotImplementedError, TypeError):
        return id(model)
    return _canonical(config, {}, numbers)


def plain(config: Any) -> Any:
    """Any other config, an optimizer's say, without what Keras counts and without places of files."""
    return _canonical(config, {}, True)


def _canonical(config: Any, names: dict[str, str], numbers: bool) -> Any:
    if isinstance(config, dict):
        if config.get("class_name") == "__lambda__":
            return code.of_lambda(config["config"])
        if isinstance(config.get("layers"), list):  # a graph
            own = [layer.get("config", {}).get("name") for layer in config["layers"]]
            names = {**names, **{str(n): f"layer {i}" for i, n in enumerate(own)}}
            if not numbers:
                config = {**config, "layers": [_without_rate(layer) for layer in config["layers"]]}
        out = {}
        for k, v in config.items():
            if k in {"name", "seed", "build_config"}:
                continue
            if k == "module" and "class_name" in config and not str(v).startswith("keras"):
                continue  # of a user's file, named after its place
            if not numbers and k.endswith("_regularizer") and k != "activity_regularizer" and _lane_penalty(v):
                v = None
            out[k] = _canonical(v, names, numbers)
        return out
    if isinstance(config, (list, tuple)):
        return [_canonical(v, names, numbers) for v in config]
    return names.get(config, config) if isinstance(config, str) else config


def _without_rate(layer: dict[str, Any]) -> dict[str, Any]:
    rate = swapped_rate(layer)
    return {**layer, "config": {**layer["config"], rate: None}} if rate else layer


def _lane_penalty(config: Any) -> bool:
    kinds = {kind.__name__ for kind in PENALTIES}
    return config is None or (isinstance(config, dict) and config.get("class_name") in kinds)
