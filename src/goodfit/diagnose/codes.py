"""Codes that a caller names, to stop or fail on. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable

from goodfit.diagnose.finding import CODES, Finding
from goodfit.errors import UsageError, near


def named(given: str | Iterable[str], option: str) -> frozenset[str]:
    """Codes as people write them, checked; `warning` stands for everything above `info`, `error` for the gravest.

    Args:
        given: Codes, or a text that lists them with commas; `-` may stand for `_`.
        option: Where they were given, for the message.

    Raises:
        UsageError: A code does not exist.
    """
    known = [*CODES, "warning", "error"]
    parts = given.split(",") if isinstance(given, str) else given
    wanted = frozenset(str(c).strip().lower().replace("-", "_") for c in parts) - {""}
    for code in sorted(wanted - set(known)):
        raise UsageError(f"{option}: there is no finding {code!r}", fix=near(code, known))
    return wanted


def meant(finding: Finding, wanted: frozenset[str]) -> bool:
    """Whether a finding is above `info` and one of those that were named."""
    return finding.severity != "info" and not wanted.isdisjoint((finding.code, finding.severity, "warning"))
