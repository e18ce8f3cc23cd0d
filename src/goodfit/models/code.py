"""What code does, as plain values: equal in every process for the same code, whatever its comments and its place."""

from __future__ import annotations

import dis
import marshal
import sys
from binascii import a2b_base64
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import keras
import numpy as np

_LIBRARIES = {"keras", "goodfit", "builtins", *sys.stdlib_module_names}
_UNTOLD = {"__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__", "__static_attributes__"}
_UNTOLD |= {"__annotations__", "__annotate__", "__annotations_cache__", "__abstractmethods__", "_abc_impl"}
_COUNTED = {"name", "seed", "_init_seed", "build_config"}
"""What Keras may number or draw anew with each object."""


def told(values: Iterable[Any]) -> list[Any]:
    """All of somebody's own code among values, and what it uses: functions, classes, objects; nested lists of texts.

    Libraries count by name, plain values and arrays by themselves, other objects by their class.
    """
    seen: dict[int, Any] = {}
    return [_value(value, seen) for value in values]


def reached(model: keras.Model) -> list[Any]:
    """The classes, functions and objects that a model is made of and that are somebody's own."""
    models = [m for m in model._flatten_layers() if isinstance(m, keras.Model)]
    parts = {id(p): p for p in (*model._flatten_layers(), *(o for m in models for o in getattr(m, "operations", ())))}
    found = []
    for part in parts.values():
        found += [type(part)] if is_own(part) else []
        found += [v for v in vars(part).values() if is_own(v) and not isinstance(v, keras.Operation)]
    return found


def is_own(value: Any) -> bool:
    """Whether a function or class, or an object's class, is somebody's own: of no library that is installed."""
    value = value.func if isinstance(value, partial) else value
    value = value.__func__ if isinstance(value, MethodType) else getattr(value, "__wrapped__", value)
    value = value if isinstance(value, (type, FunctionType, ModuleType)) else type(value)
    module = value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", None) or "builtins")
    if module.partition(".")[0] in _LIBRARIES:
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is None or not {"site-packages", "dist-packages"} & set(Path(file).parts)


def of_lambda(config: dict[str, Any]) -> list[Any]:
    """Keras's config of a lambda, which holds its code with the lines where it stands."""
    return told([marshal.loads(a2b_base64(config["code"])), config["defaults"], config["closure"]])


def _value(value: Any, seen: dict[int, Any]) -> Any:
    inner = partial(_value, seen=seen)
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return repr(value)
    if isinstance(value, tuple):
        return [inner(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted((inner(v) for v in value), key=str)
    if isinstance(value, CodeType):
        return _code(value, seen)
    if isinstance(value, (np.ndarray, np.generic, keras.Variable)) or keras.ops.is_tensor(value):
        array = keras.ops.convert_to_numpy(value)
        return [str(array.dtype), str(array.shape), array.tobytes().hex()]
    if id(value) in seen:
        return f"again {list(seen).index(id(value))}"
    seen[id(value)] = value
    if isinstance(value, list):
        return [inner(v) for v in value]
    if isinstance(value, dict):
        return sorted(([inner(k), inner(v)] for k, v in value.items() if k not in _COUNTED), key=str)
    if isinstance(value, (staticmethod, classmethod, MethodType)):
        return inner(value.__func__)
    if isinstance(value, property):
        return [inner(f) for f in (value.fget, value.fset, value.fdel)]
    if isinstance(value, partial):
        return [inner(v) for v in (value.func, value.args, value.keywords)]
    if isinstance(value, FunctionType) and is_own(value):
        return _function(value, seen)
    if isinstance(value, type) and is_own(value):
        members = {k: v for k, v in vars(value).items() if k not in _UNTOLD}
        return [value.__qualname__, *map(inner, value.__bases__), *([k, inner(members[k])] for k in sorted(members))]
    if isinstance(value, (type, FunctionType)):
        return f"{value.__module__}.{value.__qualname__}"
    wrapped = getattr(value, "__wrapped__", None)  # by `jax.jit`, say
    return [inner(type(value)), inner(wrapped) if callable(wrapped) else _inside(value, seen)]


def _inside(value: Any, seen: dict[int, Any]) -> Any:
    """What an object holds: one of somebody's own its attributes, one of Keras's its config."""
    if isinstance(value, (keras.Operation, keras.optimizers.Optimizer)):
        return []
    if is_own(value):
        return _value(getattr(value, "__dict__", {}), seen)
    try:
        return _value(value.get_config(), seen)
    except (AttributeError, TypeError, NotImplementedError):
        return []


def _function(function: FunctionType, seen: dict[int, Any]) -> list[Any]:
    """Its code, its defaults, and what it finds around it: closures, globals."""
    inner = partial(_value, seen=seen)
    codes = _codes(function.__code__)
    names = sorted({i.argval for code in codes for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"})
    around = {name: function.__globals__[name] for name in names if name in function.__globals__}
    for name, module in [*around.items()]:
        if isinstance(module, ModuleType):
            asked = sorted({n for code in codes for n in code.co_names if is_own(module) and hasattr(module, n)})
            around[name] = {n: getattr(module, n) for n in asked}
    closures = [inner(_content(cell)) for cell in function.__closure__ or ()]
    given = [inner(function.__defaults__), inner(function.__kwdefaults__)]
    return [_code(function.__code__, seen, function.__doc__), given, closures, inner(around)]


def _code(code: CodeType, seen: dict[int, Any], doc: str | None = None) -> list[Any]:
    """Everything that a code object does, without its names for people and its lines."""
    constants = [_value(c, seen) for c in code.co_consts if doc is None or c != doc]
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return [
        code.co_code.hex(),
        getattr(code, "co_exceptiontable", b"").hex(),
        str((code.co_argcount, code.co_kwonlyargcount, code.co_flags, arguments, code.co_names)),
        constants,
    ]


def _codes(code: CodeType) -> list[CodeType]:
    """A code object and those of the functions within it."""
    return [code, *(c for inner in code.co_consts if isinstance(inner, CodeType) for c in _codes(inner))]


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None
