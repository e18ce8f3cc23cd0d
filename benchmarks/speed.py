"""Lanes against Keras on its backends, and the n-gram counter against scikit-learn: one table of ratios.

    python benchmarks/speed.py [--size fast|regular|large] [--only NAME,...] [--peers jax,tensorflow,torch]

Every workload is measured in one run in which goodfit and the peers take turns; figures are medians over turns, and
accuracy stands beside speed. `README.md` beside this file says what each workload is. After each workload two files
are written into out/: speed.json, a row a workload against its fastest peer, and speed-peers.json, all peers with
compile times and the machine. `--only` leaves the rows of other workloads of the same size as they are. IMDB and
fashion-mnist are taken from GOODFIT_DATA; without them built-in sets stand in, and the notes say so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from worker import PEERS, Worker, alone, environment
from workloads import LANED, NAMES, SIZES, STUDIES, Size, texts, tokenise, write

OUT = Path(__file__).parent / "out"
CONTRACT = ("workload", "peer", "ratio", "ours", "theirs", "accuracy", "peer_accuracy")
COLD_EPOCHS = 4


@dataclass(frozen=True)
class Row:
    """A workload against a peer.

    Attributes:
        workload, peer: Names.
        ours, theirs: Seconds of a run's epoch or of all, as `note` says; bytes for `memory`.
        accuracy, peer_accuracy: Validation accuracy of a run's best epoch, mean over runs; None where nothing trains.
        compile, peer_compile: Seconds that the first epoch took longer than the later ones, where it is left out.
        note: What was measured.
    """

    workload: str
    peer: str
    ours: float
    theirs: float
    accuracy: float | None = None
    peer_accuracy: float | None = None
    compile: float | None = None
    peer_compile: float | None = None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON form, with the ratio."""
        d = asdict(self)
        return {"workload": d.pop("workload"), "peer": d.pop("peer"), "ratio": self.theirs / self.ours, **d}


def median(found: Iterable[float]) -> float:
    return float(np.median(list(found)))


class Bench:
    """What all workloads are measured with."""

    def __init__(self, size: Size, peers: list[str], folder: Path):
        self.size, self.peers, self.folder = size, peers, folder
        self.file = folder / "workload.npz"
        self.caches = 0

    def cache(self) -> Path:
        """An empty cache folder."""
        self.caches += 1
        return self.folder / f"cache-{self.caches}"

    def laned(self, name: str) -> list[Row]:
        """Seconds per run and epoch, training and validation, compilation apart."""
        workload = LANED[name]
        what = write(workload, self.size, self.file)
        epochs, lanes, networks = self.size.epochs, workload["lanes"], list(workload["networks"])
        workers = {peer: Worker(peer, self.file, self.cache()) for peer in (None, *self.peers)}
        first: dict[str | None, float] = {}
        took: dict[str | None, list[float]] = {peer: [] for peer in workers}
        accuracy: dict[str | None, list[float]] = {peer: [] for peer in workers}
        for turn in range(self.size.rounds + 1):  # the first compiles
            for peer, worker in workers.items():
                request = {"network": networks[0], "networks": networks, "lanes": lanes, "seed": turn}
                answer = worker.ask(**request, epochs=epochs if turn else 1)
                if not turn:
                    first[peer] = answer["epochs"][0] * (1 if peer else lanes)
                    continue
                took[peer] += answer["epochs"]
                last = answer["accuracy"]
                accuracy[peer].append(last if peer else last[networks[0]][-1])
        for worker in workers.values():
            worker.close()
        return [
            Row(
                name,
                f"Keras on {peer}",
                median(took[None]),
                median(took[peer]),
                median(accuracy[None]),
                median(accuracy[peer]),
                max(0.0, first[None] - lanes * median(took[None])),
                max(0.0, first[peer] - median(took[peer])),
                f"seconds per run and epoch, {lanes} lanes; accuracy of the best of {epochs} epochs; {what}",
            )
            for peer in self.peers
        ]

    def study(self, name: str) -> list[Row]:
        """Seconds of all runs of a study from the start of the process, against one `fit` after the other."""
        workload, size = STUDIES[name], self.size
        what = write(workload, size, self.file)
        networks, lanes = list(workload["networks"]), workload["lanes"]
        ask = {"networks": networks, "lanes": lanes, "epochs": size.study_epochs}
        ours: list[dict[str, Any]] = []
        took: dict[str, dict[str, list[float]]] = {peer: {n: [] for n in networks} for peer in self.peers}
        reached: dict[str, list[float]] = {peer: [] for peer in self.peers}
        left = size.study_epochs - size.peer_epochs
        with ExitStack() as stack:
            workers = {p: stack.enter_context(Worker(p, self.file, self.cache())) for p in self.peers}
            for seed in range(size.peer_runs):  # in turns: the whole study, and a run of each variant of every peer
                ours.append(alone(None, self.file, self.cache(), seed=seed * lanes, **ask))
                for peer, worker in workers.items():
                    for network in networks:
                        run = worker.ask(network=network, seed=seed, epochs=size.peer_epochs, fresh=True)
                        took[peer][network].append(run["seconds"] + left * median(run["epochs"][1:]))
                        reached[peer].append(run["accuracy"])
        accuracy = np.mean([curve[size.peer_epochs - 1] for study in ours for curve in study["accuracy"].values()])
        note = (
            f"seconds of {len(networks) * lanes} runs of {size.study_epochs} epochs, compilation and goodfit's imports "
            f"included, median of {len(ours)} studies; the peer's from {size.peer_runs} runs a variant of "
            f"{size.peer_epochs} epochs; accuracy of the best of {size.peer_epochs} epochs; {what}"
        )
        return [
            Row(
                name,
                f"Keras on {peer}",
                median(study["since"] for study in ours),
                lanes * sum(float(np.mean(seconds)) for seconds in took[peer].values()),
                float(accuracy),
                float(np.mean(reached[peer])),
                note=note,
            )
            for peer in self.peers
        ]

    def tokenise(self) -> list[Row]:
        """Seconds to (1,2)-grams of raw texts."""
        from sklearn.feature_extraction.text import CountVectorizer

        found, what = texts(self.size.texts)
        ours, theirs = [], []
        for _ in range(self.size.rounds):
            began = time.perf_counter()
            grams, _ = tokenise(found)
            ours.append(time.perf_counter() - began)
            began = time.perf_counter()
            vectorizer = CountVectorizer(ngram_range=(1, 2))
            vectorizer.fit_transform(found)
            theirs.append(time.perf_counter() - began)
        note = f"seconds; {grams:,} n-grams, scikit-learn {len(vectorizer.vocabulary_):,}; {what}"
        return [Row("tokenise", "scikit-learn", median(ours), median(theirs), note=note)]

    def cold_start(self) -> list[Row]:
        """Seconds of one run from the start of its process until it is trained."""
        workload = LANED["imdb_16"]
        what = write(workload, self.size, self.file)
        networks = list(workload["networks"])
        found: dict[str | None, list[dict[str, Any]]] = {peer: [] for peer in (None, *self.peers)}
        warm = []
        for seed in range(self.size.rounds):
            request = {"network": networks[0], "networks": networks, "lanes": 1, "seed": seed, "epochs": COLD_EPOCHS}
            cache = self.cache()
            for peer, answers in found.items():
                answers.append(alone(peer, self.file, cache, **request))
            warm.append(alone(None, self.file, cache, **request)["since"])
        accuracy = median(a["accuracy"][networks[0]][-1] for a in found[None])
        return [
            Row(
                "cold_start",
                f"Keras on {peer}",
                median(a["since"] for a in found[None]),
                median(a["since"] for a in found[peer]),
                accuracy,
                median(a["accuracy"] for a in found[peer]),
                note=f"seconds from the start of the process, imports and compilation with an empty cache included, to "
                f"{COLD_EPOCHS} epochs of one run; {median(warm):.2f} s where goodfit's cache is filled; {what}",
            )
            for peer in self.peers
        ]

    def memory(self) -> list[Row]:
        """Peak memory above that after the imports: all lanes of goodfit against one run of the peer."""
        workload = LANED["imdb_16"]
        networks, lanes, epochs = list(workload["networks"]), workload["lanes"], self.size.epochs
        request = {"network": networks[0], "networks": networks, "seed": 0, "epochs": epochs}
        write(workload, replace(self.size, text=self.size.text // 50), self.file)
        least = alone(None, self.file, self.cache(), lanes=1, **request)
        what = write(workload, self.size, self.file)
        ours = alone(None, self.file, self.cache(), lanes=lanes, **request)
        above, compiler = ours["peak"] - ours["imports"], least["peak"] - least["imports"]
        if not ours["peak"]:
            print("memory: left out, this system does not tell a process's peak", file=sys.stderr)
            return []
        needed = ours["data"] + ours["weights"]
        rows = []
        for peer in self.peers:
            theirs = alone(peer, self.file, self.cache(), **request)
            note = (
                f"bytes at most above those after the imports, {lanes} lanes against one run; rows and weights are "
                f"{needed:,}, and goodfit holds {above / needed:.2f} times these; {compiler:,} of it, mostly the "
                f"compiler's, with one lane on a fiftieth of the rows too: {(above - compiler) / needed:.2f} times "
                f"without; {what}"
            )
            rows.append(
                Row(
                    "memory",
                    f"Keras on {peer}",
                    above,
                    theirs["peak"] - theirs["imports"],
                    ours["accuracy"][networks[0]][-1],
                    theirs["accuracy"],
                    note=note,
                )
            )
        return rows

    def measure(self, name: str) -> list[Row]:
        """A workload's rows, one a peer, the peer that goodfit leads least first."""
        if name in LANED:
            rows = self.laned(name)
        elif name in STUDIES:
            rows = self.study(name)
        else:
            rows = getattr(self, name)()
        return sorted(rows, key=lambda row: row.theirs)


def machine() -> dict[str, Any]:
    """What it was measured on."""
    info = Path("/proc/cpuinfo")
    flags = (
        next((line for line in info.read_text().splitlines() if line.startswith("flags")), "") if info.exists() else ""
    )
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "architecture": platform.machine(),
        "avx512": "avx512f" in flags.split(),
        "python": platform.python_version(),
        "peers": PEERS,
    }


def save(rows: list[Row], measured: list[str], size: str) -> None:
    """Write both files; rows of workloads that were not measured now stay if they are of the same size."""
    OUT.mkdir(exist_ok=True)
    path = OUT / "speed-peers.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    old = kept.get("rows", []) if kept.get("size") == size else []
    table = [row for row in old if row["workload"] not in measured] + [row.to_dict() for row in rows]
    table.sort(key=lambda row: NAMES.index(row["workload"]))  # stable: the fastest peer stays first
    path.write_text(json.dumps({"size": size, "machine": machine(), "rows": table}, indent=1))
    fastest: dict[str, dict[str, Any]] = {}
    for row in table:
        fastest.setdefault(row["workload"], {key: row[key] for key in CONTRACT})
    (OUT / "speed.json").write_text(json.dumps(list(fastest.values()), indent=1))


HEADS = ("workload", "peer", "ours", "theirs", "ratio", "accuracy", "its", "compile", "its")
WIDTHS = (12, 20, 10, 10, 8, 9, 8, 8, 8)


def line(row: Row) -> str:
    """A row for people."""
    d = row.to_dict()
    unit = (lambda x: f"{x / 2**20:.0f} MiB") if row.workload == "memory" else (lambda x: f"{x:.4g}")
    cells = [row.workload, row.peer, unit(row.ours), unit(row.theirs), f"{d['ratio']:.1f}"]
    for value, digits in ((row.accuracy, 4), (row.peer_accuracy, 4), (row.compile, 1), (row.peer_compile, 1)):
        cells.append("" if value is None else f"{value:.{digits}f}")
    return table_line(cells)


def table_line(cells: Iterable[str]) -> str:
    return " ".join(f"{c:<{w}}" if i < 2 else f"{c:>{w}}" for i, (c, w) in enumerate(zip(cells, WIDTHS, strict=True)))


def chosen(text: str, known: Iterable[str], what: str, parser: argparse.ArgumentParser) -> list[str]:
    """Names from an option, each of which has to be known."""
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in known:
            parser.error(f"unknown {what} {name!r}; there is {', '.join(known)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="regular")
    parser.add_argument("--only", default=",".join(NAMES), help="workloads, separated by commas")
    parser.add_argument("--peers", default=",".join(PEERS), help="Keras backends, separated by commas")
    options = parser.parse_args()
    names = chosen(options.only, NAMES, "workload", parser)
    peers = chosen(options.peers, PEERS, "peer", parser)
    for peer in peers:
        environment(peer)
    print(table_line(HEADS), flush=True)
    rows: list[Row] = []
    for i, name in enumerate(names, start=1):
        with tempfile.TemporaryDirectory() as folder:
            found = Bench(SIZES[options.size], peers, Path(folder)).measure(name)
        rows += found
        save(rows, names[:i], options.size)
        for row in found:
            print(line(row), flush=True)
        if found:
            print(f"  {found[0].note}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
