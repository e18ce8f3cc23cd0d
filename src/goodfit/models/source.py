"""Where a user's own Keras model comes from: an object, a function, a `.keras` file, or `path/to/file.py:function`."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import inspect
import sys
import traceback
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from goodfit.errors import ModelError, first_line, first_paragraph, near
from goodfit.models import compiled, initial
from goodfit.models.compiled import Settings
from goodfit.models.walk import is_graph

_FORMATS = (".keras", ".h5", ".hdf5")
_OPTIONS = ("class_weight", "batch_size", "epochs")
"""What a function may give besides the model, as arguments of `fit`."""


@dataclass(frozen=True, eq=False)
class Source:
    """A user's model with all that was said about its training.

    Attributes:
        model: The model, built.
        settings: How it was compiled.
        name: What to call it.
        where: As it was given, to be read again; empty for an object or a function.
        class_weight: Weight of each class by index; None where none was given.
        batch_size: As in `fit`; None where none was given.
        epochs: As in `fit`; None where none was given.
        notes: Plain sentences on what was taken for granted.
    """

    model: keras.Model
    settings: Settings
    name: str
    where: str = ""
    class_weight: Mapping[int, float] | None = None
    batch_size: int | None = None
    epochs: int | None = None
    notes: tuple[str, ...] = ()


def load_model(
    spec: Any, *, input_shape: Sequence[int | None] | Callable[[keras.Model], Sequence[int | None]] | None = None
) -> Source:
    """Take a Keras model from wherever it is, with its compile settings.

    A function, named or given, takes no arguments and returns a model, or a model and a dict of `fit`'s
    `class_weight`, `batch_size` and `epochs`.

    Args:
        spec: A `keras.Model`, a function that makes one, the path of a `.keras` or `.h5` file, or
            `path/to/file.py:function`.
        input_shape: The shape of one encoded row, or a function that gives it for a model; asked for where a model
            was not told its input, to build it.

    Raises:
        ModelError: There is no such model, or none that can be trained to tell classes apart.
    """
    where, notes = "", list[str]()
    if isinstance(spec, (str, Path)):
        where = str(spec)
        model, options, name = _from_path(where, notes)
    elif isinstance(spec, keras.Model):
        model, options, name = spec, {}, spec.name
    elif callable(spec):
        name = getattr(spec, "__name__", type(spec).__name__)
        model, options = _made(spec, name)
    else:
        raise ModelError(
            "this is no Keras model",
            expected="a keras.Model (Keras 3), a function that makes one, a .keras file, or file.py:function",
            received=f"{type(spec).__module__}.{type(spec).__name__}",
        )
    _build(model, input_shape)
    _check(model)
    settings = compiled.read(model)
    same = [v.path for v in initial.unknown(model) if len(v.shape) > 1]
    if same:
        more = f" and {len(same) - 1} more" if len(same) > 1 else ""
        notes.append(f"Every run starts with the same {same[0]}{more}: no random initializer is known.")
    return Source(model, settings, name, where, notes=(*notes, *settings.notes), **options)


def _from_path(where: str, notes: list[str]) -> tuple[keras.Model, dict[str, Any], str]:
    """A model from a file, the `fit` options that came with it, and its name."""
    path, colon, function = where.rpartition(":")
    if not colon or not path.endswith(".py"):
        path, function = where, ""
    file = Path(path).expanduser()
    if not file.is_file():
        expected = "a .keras file, or a Python file and a function as in model.py:build"
        if file.suffix.lower() not in (*_FORMATS, ".py"):
            raise ModelError(f"{where!r} names no model", expected=expected)
        beside = [p.name for p in file.parent.glob(f"*{file.suffix}")] if file.parent.is_dir() else []
        hint = near(file.name, beside) if beside else ""
        raise ModelError(f"model file {path} does not exist", expected=expected, fix=hint)
    if file.suffix == ".py":
        model, options = _made(_function(file, function), where, file)
        return model, options, f"{file.name}:{function}"
    if file.suffix.lower() not in _FORMATS:
        raise ModelError(f"{where!r} is no model", expected="a .keras file, or file.py:function", received=file.suffix)
    if file.suffix.lower() == ".keras" and not zipfile.is_zipfile(file):
        fix = "Save the model anew: model.save(path)."
        raise ModelError(
            f"{path} cannot be loaded: damaged, or no Keras file", expected="the zip archive that Keras writes", fix=fix
        )
    try:
        with warnings.catch_warnings():  # about the optimizer's state, which nobody needs
            warnings.simplefilter("ignore")
            model = keras.saving.load_model(file)
    except Exception as error:
        own = "custom" in str(error).lower() or "could not locate" in str(error).lower()
        fix = f"Give the Python file that makes it instead: {file.stem}.py:build." if own else ""
        raise ModelError(f"{path} cannot be loaded as a Keras model", received=first_line(error), fix=fix) from None
    kept = sorted({v.path.split("/")[0] for v in model.non_trainable_variables if v.path.endswith(("kernel", "ings"))})
    notes.append(
        f"Each run draws new initial weights by its seed; those in {file.name} are not used"
        + (f", but for frozen layers ({', '.join(kept[:3])}{', ...' if len(kept) > 3 else ''})." if kept else ".")
    )
    return model, {}, file.name


def _function(file: Path, name: str) -> Callable[[], Any]:
    """A function of a Python file, which is run for it."""
    text = file.read_text("utf-8", errors="replace")
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        said = getattr(error, "msg", "") or first_line(error)
        raise ModelError(f"{file}{f', line {line}' if line else ''}: {said}") from None
    known = [n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    known = [n for n in known if not n.startswith("_")] or known
    if not name:
        raise ModelError(
            f"{file} is a Python file without the name of a function",
            expected="file.py:function",
            fix=f"Write {file}:{known[0] if known else 'build'}, say.",
        )
    module = _run(file)
    found = getattr(module, name, None)
    if found is None:
        raise ModelError(f"{file} has no function {name!r}", fix=near(name, known))
    if not callable(found) or isinstance(found, keras.Model):
        return lambda: found
    return found


def _run(file: Path) -> Any:
    """A Python file as a module; what it prints goes to stderr."""
    name = f"goodfit_model_{file.stem}_{abs(hash(str(file.resolve()))):x}"
    found = importlib.util.spec_from_file_location(name, file)
    assert found is not None  # it ends in .py
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    sys.path.insert(0, str(file.resolve().parent))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            found.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise _failed(f"{file} fails", error, file) from None
    finally:
        with contextlib.suppress(ValueError):  # the file may have taken it out itself
            sys.path.remove(str(file.resolve().parent))
    return module


def objects(file: str | Path) -> dict[str, Any]:
    """The classes and functions of a Python file by name, for models that are made of them; the file is run.

    Raises:
        ModelError: There is no such file, or it fails.
    """
    path = Path(file).expanduser()
    if not path.is_file() or path.suffix != ".py":
        what = f"{file} is no Python file" if path.is_file() else f"{file} does not exist"
        raise ModelError(what, expected="the .py file that defines the model's own layers")
    return {name: value for name, value in vars(_run(path)).items() if callable(value) and not name.startswith("__")}


def _made(function: Callable[..., Any], name: str, file: Path | None = None) -> tuple[keras.Model, dict[str, Any]]:
    """What a function gives: a model, and options of `fit`."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        parameters = {}.values()
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in optional]
    if needed:
        raise ModelError(
            f"{name} needs arguments: {', '.join(needed)}",
            expected="a function without arguments that returns a compiled keras.Model",
            fix="Give them defaults, or write a function around it.",
        )
    try:
        with contextlib.redirect_stdout(sys.stderr):
            made = function()
    except (Exception, SystemExit) as error:
        raise _failed(f"{name} fails", error, file) from None
    model, options = made if isinstance(made, tuple) and len(made) == 2 else (made, {})
    if not isinstance(model, keras.Model) or not isinstance(options, Mapping):
        raise ModelError(
            f"{name} gives no Keras model",
            expected="a keras.Model (Keras 3), or one and a dict of class_weight, batch_size, epochs",
            received=f"{type(made).__module__}.{type(made).__name__}",
        )
    for option in options:
        if option not in _OPTIONS:
            raise ModelError(f"{name}: unknown option {option!r}", fix=near(str(option), _OPTIONS))
    return model, dict(options)


def _failed(what: str, error: BaseException, file: Path | None) -> ModelError:
    """An error in a user's own code, with the line of the file where it happened."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if file and Path(f.filename) == file.absolute()]
    at = f" in line {own[-1].lineno}" if own else ""
    received = ": ".join(dict.fromkeys((type(error).__name__, first_paragraph(error))))
    return ModelError(f"{what}{at}", received=received)


def _build(model: keras.Model, input_shape: Any) -> None:
    """Build a model that was not told its input."""
    if model.built and (not is_graph(model) or model.inputs):
        return
    fix = "Begin it with keras.Input(shape), or call it once on a row."
    if input_shape is None:
        raise ModelError(f"the model {model.name!r} is not built: nothing tells the shape of its input", fix=fix)
    shape = input_shape(model) if callable(input_shape) else input_shape
    try:
        if is_graph(model):
            model.build((None, *shape))
        else:
            model(np.zeros((1, *shape), np.float32))  # Keras builds the layers of such a model by calling it
    except Exception as error:
        raise ModelError(f"the model {model.name!r} cannot be built", received=first_line(error), fix=fix) from None


def _check(model: keras.Model) -> None:
    """What every model needs, whatever the data."""
    outputs = keras.tree.flatten(getattr(model, "outputs", None) or [])
    if len(outputs) > 1:
        raise ModelError(
            "the model has several outputs",
            expected="one output of classes",
            received=f"{len(outputs)}: {', '.join(map(str, model.output_names))}",
            fix="Give the part that tells the classes: keras.Model(model.inputs, model.outputs[0]), compiled.",
        )
    fixed = [t for t in keras.tree.flatten(getattr(model, "inputs", None) or []) if t.shape[0] is not None]
    if fixed:
        raise ModelError(
            f"the model takes batches of {fixed[0].shape[0]} rows only",
            expected="an input of any number of rows",
            fix="Make its input with keras.Input(shape=...), without batch_size.",
        )
    if not model.trainable_variables:
        raise ModelError("the model has no trainable weights", fix="Set trainable = True on what is to be trained.")
