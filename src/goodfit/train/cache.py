"""Compiled programs, kept on disk between processes: what JAX calls its persistent compilation cache.

JAX's own store writes in place, so that a process killed meanwhile leaves a torn file which is never written again, and
bounds its size only with a further package. This one writes whole files, checks what it reads, drops what was not used
for longest, and never fails: without a folder to write into, programs are compiled anew.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path

import jax

from goodfit import settings

MOST_BYTES = 256 << 20
"""What the folder may hold; a program takes about 100 kB."""

WORTH_KEEPING = 0.05
"""Seconds of compilation from which a program is kept."""


class Programs:
    """Compiled programs in a folder, by JAX's key: its `CacheInterface`.

    Args:
        path: The folder; made when first written into.
        most: Bytes it may hold, to a sixteenth.
    """

    def __init__(self, path: Path, most: int = MOST_BYTES):
        self._path = path  # the name that JAX's interface gives it
        self.most = most
        self.written = most  # since it was last looked at what there is

    def get(self, key: str) -> bytes | None:
        """A program, or None where there is none that can be read whole."""
        file = self._path / key
        try:
            data = file.read_bytes()
        except OSError:
            return None
        with suppress(OSError):  # a folder that cannot be written can be read all the same
            os.utime(file)
        return data[4:] if zlib.crc32(data[4:]).to_bytes(4, "big") == data[:4] else None

    def put(self, key: str, value: bytes) -> None:
        """Keep a program, if the folder can be written."""
        with suppress(OSError):
            self._path.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._path, prefix=".", delete=False) as file:
                file.write(zlib.crc32(value).to_bytes(4, "big") + value)
            os.replace(file.name, self._path / key)
            self.written += len(value)
            if self.written > self.most / 16:  # to look at all of them every time would take longer than compiling
                self.written = 0
                self.prune()

    def prune(self) -> None:
        """Drop what was not used for longest, until the rest is within bounds."""
        found = sorted(((s.st_mtime, s.st_size, p) for p in self._path.iterdir() for s in [p.stat()]), reverse=True)
        total = 0
        for _, size, file in found:
            total += size
            if total > self.most:
                file.unlink(missing_ok=True)


@cache
def keep_programs() -> bool:
    """Keep what is compiled from now on in the user's cache folder; returns whether it can be kept.

    Nothing is done where a cache is set up already (`JAX_COMPILATION_CACHE_DIR`), or where JAX has no such interface.
    """
    if jax.config.jax_compilation_cache_dir:
        return False
    try:
        from jax._src import compilation_cache
        from jax._src.compilation_cache_interface import CacheInterface

        assert not compilation_cache._cache_initialized
        store = type("Store", (Programs, CacheInterface), {})(settings.cache_folder() / "programs")
        jax.config.update("jax_compilation_cache_dir", str(store._path))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", WORTH_KEEPING)
        jax.config.update("jax_persistent_cache_enable_xla_caches", "none")  # they fail where they cannot write
        compilation_cache.reset_cache()  # what was asked before there was a folder
        compilation_cache._cache, compilation_cache._cache_initialized = store, True
    except (ImportError, AttributeError, AssertionError):
        return False
    return True
