"""Answers that are kept as long as what was asked about."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

A = TypeVar("A")
R = TypeVar("R")


def once(function: Callable[[A], R]) -> Callable[[A], R]:
    """A function of one object that is computed once for each; its answer must not refer to the object."""
    known: WeakKeyDictionary[A, R] = WeakKeyDictionary()

    @wraps(function)
    def asked(about: A) -> R:
        if about not in known:
            known[about] = function(about)
        return known[about]

    return asked
