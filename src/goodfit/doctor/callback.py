"""`Doctor`: the Keras callback that watches somebody's own training."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TextIO

import keras
import numpy as np

from goodfit.diagnose import Context, curves, status
from goodfit.diagnose.causes import causes_first
from goodfit.diagnose.codes import meant, named
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.internals import Internals, internals
from goodfit.diagnose.preflight.network import Network, array
from goodfit.doctor.arguments import Arguments
from goodfit.doctor.examine import context, examine, keeps_last
from goodfit.doctor.log import Log
from goodfit.doctor.probe import ROWS, Probe
from goodfit.history import History

LIVE = {"diverged", "learning_rate_too_high", "overfitting"}
"""Codes of curves that are told while training goes on; the others wait for its end, which they judge."""

FREE, SHARE = 1.0, 0.03
"""Seconds in all, or the share of the training's time, that looking after epochs may take: epochs beyond are passed
over, and what happened in them is seen at the next look or at the end."""


def _guarded(hook: Callable[..., None]) -> Callable[..., None]:
    """A failure inside the doctor ends its watch, never the training."""

    @functools.wraps(hook)
    def guarded(self: Doctor, *args: Any, **kwargs: Any) -> None:
        if self._off:
            return
        try:
            hook(self, *args, **kwargs)
        except Exception as error:
            self._off = True
            self._say(f"the doctor stopped watching ({type(error).__name__}: {error}); the training is not affected.")

    return guarded


class Doctor(keras.callbacks.Callback):
    """Watch a training and say what is wrong, as it happens and at the end.

    Before the first step it checks the model, its compile settings and the arrays given to `fit`; after each epoch the
    curves, and gradients, weights and units on a few rows. It changes nothing: the same training without it gives the
    same weights. What it says goes to stderr, one line each.

    ```python
    model.fit(x, y, validation_split=0.2, epochs=20, callbacks=[goodfit.Doctor()])
    ```

    Args:
        stop_on: Codes of findings that end the training when they are found above `info`; `error` and `warning` stand
            for all of that severity (`warning` for both).
        log: A CSV file for the curves and measures, which `goodfit diagnose` reads.
        data: `(x, y)`: some rows as `fit` takes them, for a `fit` on a generator or `tf.data.Dataset`, which cannot be
            looked into.
        internals: Whether to look inside the network.
        quiet: Say nothing; `findings` holds it all.
        stream: Where to say it; stderr where None.

    Attributes:
        findings: What was found, the main cause first.
        history: The curves so far.
        status: `healthy`, or the code of the main finding above `info`.
        label: What stands before every line, to tell trainings apart.
        told: What was told already; doctors that share it do not repeat each other.

    Raises:
        UsageError: `stop_on` names a code that does not exist.
    """

    async_safe = True  # there are no hooks on batches, so Keras need not wait for each step

    def __init__(
        self,
        *,
        stop_on: str | Iterable[str] = (),
        log: str | os.PathLike[str] | None = None,
        data: tuple[Any, Any] | None = None,
        internals: bool = True,
        quiet: bool = False,
        stream: TextIO | None = None,
    ):
        super().__init__()
        self.stop_on = named(stop_on, "stop_on")
        self.log = None if log is None else os.fspath(log)
        self.data, self.internals, self.quiet, self.stream = data, internals, quiet, stream
        self.label = ""
        self.told: set[tuple[str, str]] = set()
        self._off = False
        self._begin()

    def _begin(self) -> None:
        """Forget the training before."""
        self.findings: list[Finding] = []
        self._before: list[Finding] = []
        self._points: list[dict[str, float]] = []
        self._logs: list[dict[str, float]] = []
        self._context = Context()
        self._given = Arguments()
        self._probe: Probe | None = None
        self._writer: Log | None = None
        self._later: list[str] = []
        self._unbuilt = False
        self._looked = 0
        self._looking = 0.0
        self._started = time.perf_counter()

    @property
    def history(self) -> History:
        """The curves so far, one run."""
        keys = dict.fromkeys(k for row in self._logs for k in row)
        return History({k: np.array([row.get(k, np.nan) for row in self._logs]) for k in keys}, meta={"source": "fit"})

    @property
    def status(self) -> str:
        """`healthy`, or the code of the main finding above `info`."""
        return status(self.findings)

    @_guarded
    def before_fit(self, model: Any, arguments: dict[str, Any]) -> None:
        """Check what can be checked before `fit` even begins: Keras itself may refuse what is wrong.

        Args:
            model: The model.
            arguments: What `fit` was called with, by name.
        """
        self._tell(examine(model, Arguments.of(arguments)))

    @_guarded
    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Check model and arrays, and look inside for the first time."""
        self._begin()
        given = Arguments.of_fit(self.model)
        if self.data is not None:
            given = replace(given, x=self.data[0], y=self.data[1])
        self._given, self._context = given, context(self.model, given)
        if self.log is not None:
            self._writer = Log(self.log)
        self._unbuilt = not Network.built(self.model)
        output = None
        if self.internals and not self._unbuilt:
            self._probe = Probe(self.model, *given.sample(ROWS))
            output = self._probe.output()
            self._points.append({"epoch": 0, **self._probe.measure()})
        self._before = examine(self.model, given, output)
        self._tell(self._before)
        self._assess(live=True)
        self._started = time.perf_counter()

    @_guarded
    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Say what was found, now that Keras's progress bar has ended its line."""
        self._flush()

    @_guarded
    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Take the epoch's values, look inside, and judge."""
        row = {k: float(v) for k, v in (logs or {}).items() if np.ndim(v) == 0}
        if "learning_rate" not in row and (rate := self._rate()) is not None:
            row["learning_rate"] = rate
        self._logs.append(row)
        if self._unbuilt:
            self._look_at_last()
        began = time.perf_counter()
        pause = self._looking > max(FREE, SHARE * (began - self._started))
        measures = {} if pause else self._measures()
        self._points.append({"epoch": epoch + 1, "loss": row.get("loss", np.nan), **measures})
        if self._writer is not None:
            self._writer.write(epoch + 1, {**row, **measures})
        if not pause or not np.isfinite(row.get("loss", 0.0)):
            self._assess(live=True)
        self._looking += time.perf_counter() - began

    @_guarded
    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Judge the training as a whole and sum it up."""
        asked = self._given.epochs
        if asked is not None and len(self._logs) < asked and keeps_last(self._given):
            self._context = replace(self._context, keeps_last=True)
        if self._logs and self._looked < len(self._logs):
            self._points[-1] |= self._measures()
        self._assess(live=False)
        self._flush()
        if self._logs:
            self._sum_up()
        self._probe = None

    def _measures(self) -> dict[str, float]:
        """What shows inside the network now."""
        epochs, self._looked = len(self._logs) - self._looked, len(self._logs)
        return {} if self._probe is None else self._probe.measure(epochs)

    def _look_at_last(self) -> None:
        """Check a model that only its first step has built, and look inside from now on."""
        self._unbuilt, self._looked = False, len(self._logs)
        self._context = context(self.model, self._given)
        if self.internals:
            self._probe = Probe(self.model, *self._given.sample(ROWS))
        self._before = examine(self.model, self._given)
        self._tell(self._before, "now that the model is built: ")

    def _assess(self, *, live: bool) -> None:
        """Judge curves and internals; what is new above `info` is told, and may end the training."""
        epoch = len(self._logs)
        record = Internals.of(self._points, steps=self._steps(), chance=self._context.chance) if self._points else None
        inside = internals(record) if record is not None else []
        drawn = curves(self.history, context=self._context) if self._logs else []
        if live:
            drawn = [f for f in drawn if f.code in LIVE | self.stop_on]
        found = causes_first(drawn, inside, self._before, learned=record is not None and record.learned)
        new = [f for f in [*inside, *drawn] if f in found]
        self.findings = found
        if live:
            self._tell(new, f"epoch {epoch}: " if epoch else "", once=True)
        wanted = [f for f in self.findings if meant(f, self.stop_on)]
        if live and wanted and not self.model.stop_training:
            self.model.stop_training = True
            self._later.append(f"the training is stopped: {wanted[0].code}.")

    def _tell(self, found: Iterable[Finding], when: str = "", *, once: bool = False) -> None:
        """Say each finding above `info` once; during an epoch it waits for the progress bar.

        With `once` a code is told once only: its numbers change from epoch to epoch, and it is the same finding.
        """
        for f in found:
            key = (f.code, "" if once else f.message)
            if f.severity != "info" and key not in self.told:
                self.told.add(key)
                self._later.append(f"{when}{f.severity}: {f.code}: {f.message}")
        if not when:
            self._flush()

    def _flush(self) -> None:
        for line in self._later:
            self._say(line)
        self._later = []

    def _sum_up(self) -> None:
        epochs = len(self._logs)
        self._say(f"{epochs} epoch{'s' if epochs > 1 else ''} watched: {self.status}.")
        for f in self.findings:
            tries = f" Try: {', '.join(f.remedies).replace('_', ' ')}." if f.remedies else ""
            if f.severity != "info":
                self._say(f"  {f.severity}: {f.code}: {f.message}{tries}")
        notes = list(dict.fromkeys(f.code for f in self.findings if f.severity == "info"))
        if notes:
            self._say(f"  worth knowing (goodfit explain CODE): {', '.join(notes)}.")

    def _say(self, line: str) -> None:
        if not self.quiet:
            print(f"goodfit: {self.label}{' '.join(line.split()) if line[:1] != ' ' else line}",
                  file=self.stream or sys.stderr, flush=True)  # fmt: skip

    def _rate(self) -> float | None:
        rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
        return None if rate is None else float(array(rate))

    def _steps(self) -> int | None:
        steps = (self.params or {}).get("steps")
        return int(steps) if steps else None
