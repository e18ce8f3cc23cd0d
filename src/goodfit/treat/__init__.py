"""Treatments: what may help an over- or underfitting network. One file each; see `Treatment`.

>>> from goodfit import treat
>>> from goodfit.models.recipe import Recipe
>>> treat.get("dropout 0.5").apply(Recipe()).dropout
0.5
"""

from __future__ import annotations

from goodfit.treat.base import Treatment
from goodfit.treat.registry import all, get, propose

__all__ = ["Treatment", "all", "get", "propose"]
