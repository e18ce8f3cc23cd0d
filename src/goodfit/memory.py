"""How much memory there is: what the system has to give, or less where somebody asked for less."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_most: ContextVar[int | None] = ContextVar("most", default=None)

PROGRAMS = 256 << 20
"""Bytes that are left for compiling programs, and for what was compiled."""

GROUPS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
)
"""Files of Linux's control groups, versions 2 and 1: the limit, what is used, and what of that can be given back."""


@contextmanager
def at_most(amount: int | None) -> Iterator[None]:
    """Plan with this many bytes for the whole process; None leaves the plan to the system."""
    before = _most.set(amount)
    try:
        yield
    finally:
        _most.reset(before)


def available() -> int:
    """Bytes that may still be taken without swapping; a guess of 4 GB where the system does not tell."""
    found = _available()
    most = _most.get()
    return max(0, found if most is None else min(found, most - resident()))


def resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


def shown(amount: int) -> str:
    """Bytes for people: `1.3 GB (1,300,000,000 bytes)`."""
    size, unit = (amount / 1e9, "GB") if amount >= 1e9 else (amount / 1e6, "MB")
    return f"{size:.1f} {unit} ({amount:,} bytes)"


def option(need: int) -> str:
    """The option that gives the process so many bytes more than it holds, rounded up: `--memory 390MB`."""
    whole = resident() + need
    return f"--memory {-(-whole // 10**8) / 10:g}GB" if whole >= 1e10 else f"--memory {-(-whole // 10**6)}MB"


def _available() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        try:
            found = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, AttributeError):
            return 4 << 30
    return min(found, *(_left(*names) for names in GROUPS))


def _left(limit: str, used: str, given_back: str, root: Path = Path("/sys/fs/cgroup")) -> int:
    """What a control group has left; without a limit, more than any machine has."""
    try:
        most = int((root / limit).read_text())
        lines = (root / limit).with_name("memory.stat").read_text().splitlines()
        back = next(int(line.split()[1]) for line in lines if line.split()[0] == given_back)
        return most - int((root / used).read_text()) + back
    except (OSError, ValueError, StopIteration, IndexError):
        return 1 << 62
