"""Environment variables: read when asked for, validated, in one place.

| variable | what it sets |
|---|---|
| `GOODFIT_DATA` | folders with data sets (separated as in `PATH`), looked into before any download |
| `GOODFIT_CACHE` | the cache folder (default: the user's cache folder of the system) |
| `GOODFIT_NATIVE` | `0` turns the C++ kernels off, for comparison |
| `KERAS_BACKEND` | Keras's own; `jax` where goodfit trains |
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path

from goodfit.errors import ModelError, UsageError


def data_folders() -> list[Path]:
    """The folders of `GOODFIT_DATA`; a folder that does not exist is an error."""
    folders = [Path(p).expanduser() for p in os.environ.get("GOODFIT_DATA", "").split(os.pathsep) if p]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(
                "GOODFIT_DATA names a folder that does not exist",
                expected="one or more existing folders",
                received=str(folder),
                fix="Correct or unset GOODFIT_DATA.",
            )
    return folders


def cache_folder() -> Path:
    """The folder for what can be made again (compiled programs, the docstrings set, texts too large for memory)."""
    from platformdirs import user_cache_dir

    return Path(os.environ.get("GOODFIT_CACHE") or user_cache_dir("goodfit")).expanduser()


def native_wanted() -> bool:
    """Whether the C++ kernels may be used (`GOODFIT_NATIVE` is not `0`)."""
    value = os.environ.get("GOODFIT_NATIVE", "1")
    if value not in {"0", "1"}:
        raise UsageError("GOODFIT_NATIVE is not understood", expected="0 or 1", received=repr(value))
    return value == "1"


YNN = "xla_cpu_experimental_ynn_fusion_type"
"""XLA's name of a fusion that sums wrongly on CPUs in jaxlib 0.10: see `goodfit.train.soundness`."""


def prefer_jax() -> None:
    """Make Keras choose JAX, where nobody has chosen another backend; call it before the first `import keras`.

    Where jaxlib has a fusion that gives wrong sums it also turns that off, as long as XLA has not read its flags yet.
    """
    if "keras" not in sys.modules and not os.environ.get("KERAS_BACKEND"):
        os.environ["KERAS_BACKEND"] = "jax"
    flags = os.environ.get("XLA_FLAGS", "")
    if has_ynn() and YNN not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --{YNN}=".strip()


def has_ynn() -> bool:
    """Whether jaxlib has that fusion; XLA ends the process at a flag it does not know."""
    return version("jaxlib").startswith("0.10.")


def require_jax() -> None:
    """Check that Keras runs on JAX.

    Raises:
        ModelError: It runs on another backend.
    """
    import keras

    if keras.backend.backend() != "jax":
        raise ModelError(
            "goodfit trains on Keras's JAX backend",
            expected="KERAS_BACKEND=jax",
            received=f"KERAS_BACKEND={keras.backend.backend()}",
            fix="Set KERAS_BACKEND=jax before keras is imported; goodfit.diagnose works on any backend.",
        )
