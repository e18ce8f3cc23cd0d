"""What epochs and compilations have taken, and what follows from it: the time left, and when lanes leave a program."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np

from goodfit.models.network import Network

FIXED = 2e4
"""What a run-epoch costs beside its weights, in weights; only structures not yet trained are guessed by it."""


class _Compilation:
    """Seconds that this process has traced and compiled for, from JAX's own measurements."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        jax.monitoring.register_event_duration_secs_listener(self._heard)

    def _heard(self, name: str, seconds: float, **kwargs: object) -> None:
        if name.startswith("/jax/core/compile/"):
            end = time.perf_counter()
            while self.spans and self.spans[-1][0] >= end - seconds:  # a part of what has ended now
                self.spans.pop()
            self.spans.append((end - seconds, end))

    def since(self, start: float) -> float:
        """Seconds of it since a time."""
        return sum(end - max(begin, start) for begin, end in reversed(self.spans) if end > start)


_compilation = _Compilation()


@dataclass(frozen=True)
class Part:
    """A chunk, as far as its time goes.

    Attributes:
        structure: Its network's structure.
        size: Lanes that its program is compiled for.
        weights: Weights of a lane.
        epochs: The most epochs any lane trains.
    """

    structure: str
    size: int
    weights: int
    epochs: int

    @classmethod
    def of(cls, networks: Sequence[Network], size: int) -> Part:
        """A chunk of lanes, by their networks."""
        first = networks[0]
        return cls(first.structure, size, first.model.count_params(), max(n.epochs for n in networks))


class Pace:
    """Keeps what each program's epochs and compilation took, in seconds."""

    def __init__(self) -> None:
        self.epochs: dict[tuple[str, int], float] = {}
        self.compilations: dict[tuple[str, int], float] = {}
        self.work: dict[tuple[str, int], float] = {}

    def epoch_done(self, part: Part, size: int, began: float) -> None:
        """An epoch of a chunk, now of `size` lanes, has ended; it began at `time.perf_counter()`'s `began`."""
        key = part.structure, size
        compiling = _compilation.since(began)
        took = max(time.perf_counter() - began - compiling, 1e-6)
        settled = key in self.epochs and not compiling
        self.epochs[key] = (self.epochs[key] + took) / 2 if settled else took
        self.compilations[key] = self.compilations.get(key, 0.0) + compiling
        self.work[key] = (FIXED + part.weights) * size

    def epoch(self, part: Part, size: int | None = None) -> float:
        """Seconds of an epoch: measured, or by the nearest that was; 0 where none was."""
        size = size or part.size
        if (part.structure, size) in self.epochs:
            return self.epochs[part.structure, size]
        alike = [key for key in self.epochs if key[0] == part.structure] or list(self.epochs)
        if not alike:
            return 0.0
        near = min(alike, key=lambda key: abs(np.log(key[1] / size)))
        return self.epochs[near] * (FIXED + part.weights) * size / self.work[near]

    def compilation(self, part: Part, size: int | None = None) -> float:
        """Seconds until a program runs: 0 if it has run, else what another of its structure, or any, took."""
        size = size or part.size
        if (part.structure, size) in self.compilations:
            return 0.0
        alike = [v for key, v in self.compilations.items() if key[0] == part.structure] or [*self.compilations.values()]
        return max(alike, default=0.0)

    def left(self, part: Part, size: int, epoch: int, later: Sequence[Part]) -> float:
        """Seconds left after an epoch of a chunk, now of `size` lanes, with other chunks to come."""
        return self.epoch(part, size) * (part.epochs - epoch) + self.ahead(later)

    def ahead(self, parts: Sequence[Part]) -> float:
        """Seconds that chunks will take which have not begun."""
        new = {(p.structure, p.size): self.compilation(p) for p in parts}
        return sum(self.epoch(p) * p.epochs for p in parts) + sum(new.values())

    def gain(self, part: Part, size: int, fewer: int) -> float:
        """Seconds that an epoch would save with `fewer` lanes in place of `size`."""
        return max(0.0, self.epoch(part, size) - self.epoch(part, fewer))


def fewer(size: int, active: int) -> int:
    """The smallest size that a chunk of `size` lanes is halved to for `active` of them: few sizes, few compilations."""
    while size > 1 and -(-size // 2) >= max(active, 1):
        size = -(-size // 2)
    return size
