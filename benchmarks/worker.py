"""Processes that take turns: the peers' environments, and a process that trains when it is asked to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
PEERS = {
    "jax": ["keras==3.15.1", "jax==0.10.2"],
    "tensorflow": ["keras==3.15.1", "tensorflow-cpu==2.21.0"],
    "torch": ["keras==3.15.1", "torch==2.13.0"],
}
"""Keras's backends, and what their environments hold."""


def environment(peer: str) -> Path:
    """The interpreter of a peer's own environment, made and filled on first use."""
    folder = HERE.parent / f".venv-{peer}"
    python, ready = folder / "bin" / "python", folder / "ready"
    wanted = "\n".join(PEERS[peer])
    if not ready.exists() or ready.read_text() != wanted:
        print(f"installing {', '.join(PEERS[peer])} into {folder.name}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS[peer]]
        subprocess.run(command, check=True)
        ready.write_text(wanted)
    return python


class Worker:
    """A process that loads a workload and answers requests; `peer` None is goodfit itself.

    Args:
        peer: One of `PEERS`, or None.
        workload: The file of `workloads.write`.
        cache: goodfit's cache folder: an empty one makes its first compilation a cold one.
    """

    def __init__(self, peer: str | None, workload: Path, cache: Path):
        backend = peer or "jax"
        variables = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "GOODFIT_CACHE": str(cache)}
        python, script = (environment(peer), "peer.py") if peer else (sys.executable, "lanes.py")
        self.name = f"{script} on {backend}"
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the worker
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [str(python), str(HERE / script), str(workload)],
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Let it train; returns its answer, with `since`: seconds from the start of the process."""
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: the error is told below
        for line in self.process.stdout:
            if line.startswith("{"):  # libraries print too
                return {**json.loads(line), "since": time.perf_counter() - self.started}
        self.process.wait()
        self.errors.seek(0)
        raise SystemExit(f"{self.name} failed:\n{self.errors.read()[-3000:]}")

    def close(self) -> None:
        """End it."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def alone(peer: str | None, workload: Path, cache: Path, **request: Any) -> dict[str, Any]:
    """One request to a process of its own."""
    with Worker(peer, workload, cache) as worker:
        return worker.ask(**request)
