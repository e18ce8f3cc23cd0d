"""What libraries written in C and Rust print of damaged bytes, kept from people who are told in one line."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back what comes to stderr, Polars's panics among it, and show it afterwards unless something was raised.

    Warnings are not shown at all.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            before = os.dup(2)
        except OSError:  # there is no stderr
            yield
            return
        os.dup2(held.fileno(), 2)
        try:
            yield
            sys.stderr.flush()
            held.seek(0)
            os.write(before, held.read())
        finally:
            os.dup2(before, 2)
            os.close(before)
