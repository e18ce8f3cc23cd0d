"""Make runs of 4 to 30 epochs with a known fault or none, for `benchmarks/diagnosis.py`.

    python benchmarks/labelled_runs.py fit [fit-healthy] [judge] [healthy] [fresh] [--out FILE]

A judged run is a Keras `fit` that `goodfit.Doctor` watched: its log, and what the doctor saw before and inside. Two
things must agree before it gets a label: how it was made (the fault that was seeded) and what independent longer runs
of the same network show (other seeds and splits, 60 epochs, trained as lanes): a fault has to do harm there. A run that
was cut off early is `too_few_epochs` only if the longer runs get clearly better later, `overfitting` only if their
validation loss has clearly risen by then, and `healthy` only if they stand within 3 % of their best at that epoch.
What lies between is left out. The halves share no data set. `fit-healthy`, `healthy` and `fresh` are more healthy runs
on the fitting and on the judging half's data sets, labelled likewise, for rates of false alarms worth their name. Needs
`GOODFIT_DATA`; what was trained is kept beside the output and not trained again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np

import faults
from goodfit import data, encode
from goodfit.data.splits import validation_mask
from goodfit.doctor.callback import Doctor
from goodfit.encode.number import Number, floats
from goodfit.models import network
from goodfit.settings import data_folders
from goodfit.study import baseline
from goodfit.train.lane import TRAIN, VALIDATION, Lane, Trained, history
from goodfit.train.loop import Engine
from labels import EXTENSIONS

import keras  # isort: skip  (goodfit chooses its backend)

HALVES: dict[str, dict[str, tuple[str, str | None]]] = {
    "fit": {
        "digits": ("digits", None),
        "docstrings": ("docstrings", None),
        "breast-cancer": ("breast-cancer-wisconsin/wisc_bc_data.csv", "diagnosis"),
        "titanic": ("titanic/titanic.csv", "survived"),
        "sms-spam": ("sms-spam/sms_spam.csv", "type"),
        "wine": ("wine-quality-white/winequality-white.csv", "quality"),
    },
    "judge": {
        "adult": ("adult/adult_train.csv", "class"),
        "mushrooms": ("mushrooms/mushrooms.csv", "type"),
        "credit": ("credit-german/credit.csv", "default"),
        "fashion": ("fashion-mnist", None),
        "imdb": ("imdb", None),
        "reuters": ("reuters", None),
        "noticias": ("noticias-es/dataset_noticias.csv", "CATEGORÍA"),
    },
}
"""Data sets of each half: name to source and target."""

APART = 1_000
"""First seed of a half's first extension, and from there to that of the next."""

MOST_ROWS, LONG, SHORT, OTHERS = 2_000, 60, 30, 2
"""Rows used; epochs of the longer runs; most epochs of a run that is judged; longer runs of each kind."""

EACH = {"healthy": 3, "too_few_epochs": 1, "overfitting": 1}
"""Runs of each kind without a fault that are sought for each truth; a fault has `SEEDS`."""

SEEDS = 3
"""Runs of each fault."""


def data_sets(half: str) -> dict[str, tuple[str, str | None]]:
    """Data sets of a half or an extension: name to source and target."""
    return HALVES[EXTENSIONS[half].half if half in EXTENSIONS else half]


@dataclass(frozen=True, eq=False)
class Task:
    """One data set, encoded, and what its networks need to know."""

    group: str
    rows: Any
    used: np.ndarray

    @classmethod
    def of(cls, half: str, group: str) -> Task:
        """Read a data set and draw its rows."""
        source, target = data_sets(half)[group]
        paths = [f / source for f in data_folders() if (f / source).exists()]
        inside = str(paths[0]) if paths and group not in data.BUILT_IN else source
        rows = data.load(inside, target=target)
        free = np.flatnonzero(~rows.test)
        return cls(group, rows, np.sort(np.random.default_rng(0).permutation(free)[:MOST_ROWS]))

    @cached_property
    def encoder(self) -> Any:
        """Fitted on the rows used."""
        options: dict[str, Any] = {"text": {"max_features": 5000}, "image": {"rank": 1}}.get(self.rows.kind, {})
        return encode.make(self.rows, **options).fit(self.rows.rows[self.used])

    @cached_property
    def x(self) -> Any:
        """Encoded rows; texts are sparse."""
        return self.encoder.transform(self.rows.rows[self.used])

    @cached_property
    def raw(self) -> np.ndarray | None:
        """The same with every number as it came; None where nothing was scaled."""
        if self.rows.kind == "image":
            return np.asarray(self.x) * np.float32(255)
        if self.rows.kind != "table":
            return None
        frame, parts = self.rows.rows[self.used], []
        for name, codecs in self.encoder.codecs.items():
            for codec in codecs:
                values = floats(frame[name])
                plain = isinstance(codec, Number)
                parts.append(np.nan_to_num(values, nan=0.0)[:, None] if plain else codec.encode(frame[name]))
        whole = np.concatenate(parts, axis=1).astype(np.float32)
        return whole if np.abs(whole).max() > 10 else None

    @cached_property
    def y(self) -> np.ndarray:
        """Class indices."""
        return np.asarray(self.rows.labels[self.used])

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.rows.classes)

    @property
    def kinds(self) -> list[str]:
        """Kinds that can be made of it."""
        return [k for k in (*faults.SOUND, *faults.FAULTS) if k != "no scaling" or self.raw is not None]

    def arm(self, kind: str) -> str:
        """What a kind is trained by here: another one from data set to data set."""
        if kind in faults.ARMS:
            return kind
        at = [g for half in HALVES.values() for g in half].index(self.group) + [*faults.FAULTS, *faults.SOUND].index(
            kind
        )
        return list(faults.ARMS)[at % len(faults.ARMS)]

    def made(self, kind: str) -> faults.Made:
        """A kind's network."""
        return faults.make(kind, self.arm(kind), self.inputs(kind).shape[1], self.classes, self.rows.kind == "text")

    def inputs(self, kind: str) -> Any:
        """The rows that a kind is given."""
        return self.raw if kind == "no scaling" else self.x

    def held(self, kind: str, seed: int) -> np.ndarray:
        """The rows that a run is validated on."""
        return faults.validation_of(kind, self.y, validation_mask(self.rows, seed)[self.used])


# --- longer runs ----------------------------------------------------------------------------------------------------


def longer(task: Task, out: Path) -> dict[str, dict[str, np.ndarray]]:
    """The mean curves of each kind's longer runs."""
    kept = out / f"longer-{task.group}.json"
    if not kept.is_file():
        runs: list[Trained] = []
        apart = ("no scaling", "shuffled labels")  # other rows, other labels: a stream of their own
        for part in ([k for k in task.kinds if k not in apart], *([k] for k in apart if k in task.kinds)):
            engine = Engine(task.inputs(part[0]), faults.labels_of(part[0], task.y))
            runs += engine.train([_lane(task, kind, seed) for kind in part for seed in range(100, 100 + OTHERS)])
        kept.write_text(json.dumps([r.to_dict() for r in runs]))
    held = [Trained.from_dict(d) for d in json.loads(kept.read_text())]
    kinds = dict.fromkeys(r.variant for r in held)
    means = {k: history([r for r in held if r.variant == k]) for k in kinds}
    return {k: {c: np.mean(v, axis=0) for c, v in h.curves.items()} for k, h in means.items()}


def _lane(task: Task, kind: str, seed: int) -> Lane:
    made = task.made(kind)
    # Keras counts an output above a half whatever the loss; 0.5 itself would stand for the default of that loss.
    half = [keras.metrics.BinaryAccuracy(threshold=0.5001)] if task.classes == 2 else []
    net = network.of(
        made.model, made.optimizer, made.loss, task.classes, batch_size=made.batch_size, epochs=LONG, metrics=half
    )
    member = np.where(task.held(kind, seed), VALIDATION, TRAIN).astype(np.uint8)
    return Lane(kind, seed, net, member)


def truth(task: Task, kind: str, epochs: int, runs: dict[str, Any], linear: float | None) -> str | None:
    """What is wrong with a run of this kind and length: a fault, a code or `healthy`; None where it is not sure."""
    long, sound = runs[kind], runs[task.arm(kind)]
    loss, accuracy, train = long["val_loss"], long["val_accuracy"], long["train_loss"]
    best, here = int(np.nanargmin(loss)), epochs - 1
    good = float(sound["val_accuracy"].max())
    lost = good - float(np.nanmax(accuracy[max(0, here - 2) : here + 1]))
    # Where nobody beats the commonest class by much there is nothing that a fault could spoil.
    if kind in ("rate x100", "rate /1000", "no scaling", "dead ReLU", "sorted split", "shuffled labels"):
        worse = not np.isfinite(loss).all() or lost > 0.02
        return kind if worse else None
    if kind == "too small":
        return kind if accuracy.max() < good - 0.03 and long["train_accuracy"].max() < good - 0.03 else None
    if kind in ("wrong loss", "from_logits"):
        # Its number means something else whatever comes of it; the longer runs must have learned it, or lost by it.
        return kind if lost > 0.005 or train[here] < 0.9 * train[0] else None
    if here > best and loss[here] > 1.15 * loss[best] and train[here] < 0.8 * train[best]:
        return kind if kind == "too large" else "overfitting"
    if kind == "too large":
        return None
    behind = accuracy[here] < float(accuracy[best]) - 0.02
    if epochs <= 0.5 * (best + 1) and loss[here] > 1.15 * loss[best] and behind:
        return "too_few_epochs"
    fine = linear is None or float(accuracy[best]) > linear - 0.02
    return "healthy" if fine and loss[here] < 1.03 * loss[best] else None


# --- runs that are judged -------------------------------------------------------------------------------------------


def watched(task: Task, kind: str, seed: int, epochs: int) -> dict[str, Any]:
    """A Keras `fit` under the doctor: its curves, what is known around them, what was seen before and inside."""
    keras.utils.set_random_seed(seed)
    keras.backend.clear_session()
    made, held = task.made(kind), task.held(kind, seed)
    x, y = task.inputs(kind), faults.labels_of(kind, task.y)
    x = x.toarray().astype(np.float32) if hasattr(x, "toarray") else np.asarray(x)
    y = np.eye(task.classes, dtype=np.float32)[y] if made.one_hot else y
    doctor = Doctor(quiet=True)
    metric = "categorical_accuracy" if made.one_hot else "accuracy"
    made.model.compile(
        optimizer=made.optimizer, loss=made.loss, metrics=[keras.metrics.get(metric)] if made.one_hot else [metric]
    )
    made.model.fit(
        x[~held],
        y[~held],
        validation_data=(x[held], y[held]),
        epochs=epochs,
        batch_size=made.batch_size,
        verbose=0,
        callbacks=[doctor],
    )
    curves = {k.replace("categorical_", ""): c[0] for k, c in doctor.history.curves.items() if k != "learning_rate"}
    return {
        "made": kind,
        "arm": task.arm(kind),
        "seed": seed,
        "epochs": epochs,
        "learning_rate": made.learning_rate,
        "curves": {k: [float(f"{v:.7g}") for v in c] for k, c in curves.items()},
        "context": asdict(doctor._context),
        "before": [f.to_dict() for f in doctor._before],
        "points": doctor._points,
        "steps": doctor._steps(),
        "status": doctor.status,
    }


def judged(task: Task, half: str, out: Path) -> Iterator[dict[str, Any]]:
    """The labelled runs of one data set; epochs are drawn among those whose truth is sure."""
    kept = out / f"watched-{task.group}.jsonl"
    done, (_, which, more, _) = {}, EXTENSIONS.get(half, ("", 0, 0, ""))
    if kept.is_file():
        done = {(r["made"], r["seed"]): r for r in map(json.loads, kept.read_text().splitlines())}
    runs = longer(task, out)
    known = baseline.measure(task.x, task.y, task.held("adam", 100))
    with kept.open("a") as file:
        for kind in faults.SOUND if more else task.kinds:
            rng = np.random.default_rng([list(data_sets(half)).index(task.group), len(kind), ord(kind[0]), which])
            lengths: dict[str, list[int]] = {}
            for epochs in rng.permutation(np.arange(4, SHORT + 1)).tolist():
                told = truth(task, kind, epochs, runs, known["linear"])
                if told is not None:
                    lengths.setdefault(told, []).append(epochs)
            wanted = [(told, e) for told, some in lengths.items() for e in some[: EACH.get(told, SEEDS)]]
            if more:
                some = lengths.get("healthy", [])
                wanted = [("healthy", e) for e in rng.choice(some, more).tolist()] if some else []
            for seed, (told, epochs) in enumerate(sorted(wanted), start=APART * (which + 1) if more else 0):
                run = done.get((kind, seed))
                if run is None or run["epochs"] != epochs:
                    run = watched(task, kind, seed, epochs)
                    file.write(json.dumps(run) + "\n")
                    file.flush()
                if agrees(told, run):
                    yield {"half": half, "group": task.group, "truth": told, "linear": known["linear"], **run}


def agrees(told: str, run: dict[str, Any]) -> bool:
    """Whether a run's own validation loss does not contradict the label that other seeds give it."""
    own = np.asarray(run["curves"]["val_loss"], float)
    rise = own[-1] / np.nanmin(own) - 1
    return {"healthy": rise < 0.1, "overfitting": rise > 0.1, "too large": rise > 0.1}.get(told, True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("halves", nargs="+", choices=[*HALVES, *EXTENSIONS])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out" / "labelled-runs.jsonl")
    options = parser.parse_args()
    folder = options.out.parent
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in (
        ("compilation_cache_dir", str(folder / "compiled")),
        ("persistent_cache_min_compile_time_secs", 0),
    ):
        jax.config.update(f"jax_{name}", value)
    with options.out.open("w") as file:
        for half in options.halves:
            for group in data_sets(half):
                items = list(judged(Task.of(half, group), half, folder))
                for item in items:
                    file.write(json.dumps(item) + "\n")
                file.flush()
                counts = {t: sum(i["truth"] == t for i in items) for t in dict.fromkeys(i["truth"] for i in items)}
                print(group, counts, flush=True)


if __name__ == "__main__":
    main()
