"""Who watches a study."""

from __future__ import annotations

from typing import Protocol

from goodfit.train.lane import Progress


class View(Protocol):
    """Who watches a study."""

    def stage(self, text: str) -> None:
        """A new stage begins."""

    def progress(self, stage: str, progress: Progress) -> None:
        """An epoch is done."""


class Silent:
    """Nobody watches."""

    def stage(self, text: str) -> None:
        """Say nothing."""

    def progress(self, stage: str, progress: Progress) -> None:
        """Say nothing."""
