"""Curves to findings: what is wrong with a training, from which epoch, how sure, and what may help. NumPy only.

`goodfit.diagnose(history)` is short for `goodfit.diagnose.curves(history)`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from goodfit.diagnose.context import Context
from goodfit.diagnose.curves import curves, status
from goodfit.diagnose.finding import CODES, SEVERITIES, Finding

__all__ = ["CODES", "SEVERITIES", "Context", "Finding", "curves", "status"]


class _Callable(ModuleType):
    """The package as a function, since both have the same name."""

    def __call__(self, history: Any, *, context: Context | None = None) -> list[Finding]:
        return curves(history, context=context)


sys.modules[__name__].__class__ = _Callable
