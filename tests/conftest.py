import os
from pathlib import Path

import pytest

from goodfit.settings import prefer_jax

os.environ.setdefault("KERAS_BACKEND", "jax")
# Tests compile a lot and run little: let XLA not try hard.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")
prefer_jax()


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Tests leave the user's cache alone."""
    os.environ["GOODFIT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, or a skip."""
    folders = [Path(p) for p in os.environ.get("GOODFIT_DATA", "").split(os.pathsep) if p]
    for folder in folders:
        if (folder / "imdb").is_dir():
            return folder
    pytest.skip("GOODFIT_DATA names no folder with the real data sets")
