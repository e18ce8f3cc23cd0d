"""The learning rate of an optimizer, be it a number or a schedule."""

from __future__ import annotations

from typing import Any

import keras

from goodfit.models import copies

_LEVELS = ("initial_learning_rate", "warmup_target", "end_learning_rate", "values")
"""What a schedule's config calls its learning rates."""


def highest(optimizer: keras.optimizers.Optimizer) -> float:
    """The learning rate, or the highest that its schedule names; the first of a schedule of the user's own."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    rate = optimizer.get_config()["learning_rate"]
    if isinstance(rate, dict):
        levels = [v for k, v in _named(rate).items() if v is not None and k != "end_learning_rate"]
        rate = max((max(v) if isinstance(v, list) else v for v in levels), default=optimizer._learning_rate(0))
    return float(f"{float(rate):.6g}")  # 0.001, not the float32 nearest to it


def can_change(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether the learning rate is a number, or a schedule of Keras's that can be scaled."""
    rate = optimizer.get_config().get("learning_rate")
    own = type(optimizer).__name__ in ("LossScaleOptimizer", "MultiOptimizer")
    return not own and (not isinstance(rate, dict) or bool(_named(rate)))


def changed(optimizer: keras.optimizers.Optimizer, rate: float, decay: float) -> keras.optimizers.Optimizer:
    """A fresh optimizer with another learning rate (a schedule is scaled as a whole) and weight decay."""
    config = optimizer.get_config()
    now = highest(optimizer)
    if rate != now and can_change(optimizer):
        if isinstance(config["learning_rate"], dict):
            own = config["learning_rate"]
            scaled = {k: _times(v, rate / now) for k, v in _named(own).items()}
            config["learning_rate"] = {**own, "config": {**own["config"], **scaled}}
        else:
            config["learning_rate"] = rate
    if decay != float(config.get("weight_decay") or 0.0):
        config["weight_decay"] = decay
    return copies.optimizer(optimizer, config)


def _named(schedule: dict[str, Any]) -> dict[str, Any]:
    """The learning rates in a stock schedule's config."""
    stock = str(schedule.get("module", "")).startswith("keras.")
    return {k: schedule["config"][k] for k in _LEVELS if k in schedule.get("config", {})} if stock else {}


def _times(value: Any, factor: float) -> Any:
    if value is None:
        return None
    return [v * factor for v in value] if isinstance(value, list) else value * factor
