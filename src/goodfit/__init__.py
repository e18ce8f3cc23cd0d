"""Is my Keras network over- or underfitting, what would really help, and how sure is that?"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "Doctor": "goodfit.doctor.callback",
    "Finding": "goodfit.diagnose.finding",
    "GoodfitError": "goodfit.errors",
    "History": "goodfit.history",
    "Predictor": "goodfit.predictor",
    "Recipe": "goodfit.models.recipe",
    "Study": "goodfit.study.study",
    "check": "goodfit.checkup",
    "diagnose": "goodfit.diagnose",
    "fit": "goodfit.job",
}

__all__ = ["__version__", *_WHERE]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: reading a log must not load Keras."""
    if name not in _WHERE:
        raise AttributeError(f"module 'goodfit' has no attribute {name!r}")
    module = import_module(_WHERE[name])
    value = getattr(module, name, module)  # `diagnose` is a package that can be called
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
