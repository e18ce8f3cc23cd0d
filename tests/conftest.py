import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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


@pytest.fixture(autouse=True, scope="module")
def _forget():
    """What a module's tests compiled is not kept to the end: it would be gigabytes."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
        gc.collect()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, or a skip."""
    folders = [Path(p) for p in os.environ.get("GOODFIT_DATA", "").split(os.pathsep) if p]
    for folder in folders:
        if (folder / "imdb").is_dir():
            return folder
    pytest.skip("GOODFIT_DATA names no folder with the real data sets")


class Killed(BaseException):
    """Stands for a kill."""


@pytest.fixture
def killed(monkeypatch) -> Callable[[int], AbstractContextManager[None]]:
    """A study in this context is killed when it has written down more than so many runs; it has to be."""
    from goodfit.study.folder import Folder

    @contextmanager
    def after(runs: int) -> Iterator[None]:
        append, seen = Folder.append, []

        def append_and_die(self, *events):
            append(self, *events)
            seen.extend(e["event"] for e in events)
            if seen.count("run") > runs:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(Folder, "append", append_and_die)
            with pytest.raises(Killed):
                yield

    return after
