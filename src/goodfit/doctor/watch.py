"""Every `fit` of a Keras script under the doctor, without a change to the script.

Keras is patched at the moment the script imports it, whether as `keras` or as `tensorflow.keras`: one class stands
behind both.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any


class Watch(MetaPathFinder):
    """Waits for Keras to be imported and puts a `Doctor` into every `fit`.

    Args:
        stop_on: Codes of findings that end a training.
        log: A CSV file for the first `fit`; the others get a number before its extension.

    Attributes:
        fits: How many trainings were watched.
    """

    def __init__(self, stop_on: Iterable[str] = (), log: Path | None = None):
        self.stop_on, self.log, self.fits = stop_on, log, 0
        self._told: set[tuple[str, str]] = set()
        sys.meta_path.insert(0, self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Keras's own spec, with the patch after its execution; nothing for any other module.

        TensorFlow asks for the spec without loading Keras, so it is answered until Keras is loaded.
        """
        if name != "keras" or self not in sys.meta_path:
            return None
        others = [f for f in sys.meta_path if f is not self and hasattr(f, "find_spec")]
        spec = next((s for f in others if (s := f.find_spec(name, path, target)) is not None), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def executed(module: ModuleType) -> None:
                execute(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                    self.patch(module.Model)

            spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec

    def patch(self, model: type) -> None:
        """Let this class's `fit` be watched."""
        original: Callable[..., Any] = model.fit  # type: ignore[attr-defined]
        signature = inspect.signature(original)

        @functools.wraps(original)
        def fit(self_: Any, *args: Any, **kwargs: Any) -> Any:
            bound = self._watched(signature, self_, args, kwargs)
            return original(self_, *args, **kwargs) if bound is None else original(*bound.args, **bound.kwargs)

        model.fit = fit  # type: ignore[attr-defined]

    def _watched(
        self, signature: inspect.Signature, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> inspect.BoundArguments | None:
        """The arguments with a doctor among the callbacks; None where they are wrong, for Keras to say so itself."""
        try:
            bound = signature.bind(model, *args, **kwargs)
            given = bound.arguments.get("callbacks")
            doctor, callbacks = self._doctor(given)
        except Exception:
            return None
        if doctor is not None:
            doctor.before_fit(model, dict(bound.arguments))
            bound.arguments["callbacks"] = callbacks
        return bound

    def _doctor(self, given: Any) -> tuple[Any, Any]:
        """A doctor, and the callbacks with it at the end; no doctor where the script has one."""
        from goodfit.doctor.callback import Doctor

        before = getattr(given, "callbacks", given)
        before = list(before) if isinstance(before, list | tuple) else [] if before is None else [before]
        if any(isinstance(c, Doctor) for c in before):
            return None, given
        self.fits += 1
        log = self.log
        if log is not None and self.fits > 1:
            log = log.with_name(f"{log.stem}-{self.fits}{log.suffix}")
        doctor = Doctor(stop_on=self.stop_on, log=log)
        doctor.label = f"fit {self.fits}: " if self.fits > 1 else ""
        doctor.told = self._told
        if hasattr(given, "append") and hasattr(given, "callbacks"):  # Keras's CallbackList
            doctor.set_params(getattr(given, "params", None))
            doctor.set_model(getattr(given, "model", None))
            given.append(doctor)
            return doctor, given
        return doctor, [*before, doctor]
