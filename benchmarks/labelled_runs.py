"""Make runs of 4 to 30 epochs with a known fault or none, for `benchmarks/diagnosis.py`.

    python benchmarks/labelled_runs.py fit [judge] [--out benchmarks/out/labelled-runs.jsonl]

Two things must agree before a run gets a label: how it was made (the fault that was seeded) and what independent
longer runs of the same recipe show (other seeds, 60 epochs). A run that was cut off early is `too_few_epochs` only if
the longer runs get clearly better later, one with a large network `overfitting` only if their validation loss has
clearly risen by then, and `healthy` only if they stand within 3 % of their best at that epoch. What lies between is
left out. The halves share no data set. Needs `GOODFIT_DATA`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from goodfit import data, encode
from goodfit.data.splits import validation_mask
from goodfit.models import network
from goodfit.models.recipe import Recipe
from goodfit.settings import data_folders
from goodfit.study import baseline
from goodfit.train.lane import TRAIN, VALIDATION, Lane, Trained, history
from goodfit.train.loop import Engine

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
        "imdb": ("imdb", None),
        "reuters": ("reuters", None),
        "noticias": ("noticias-es/dataset_noticias.csv", "CATEGORÍA"),
    },
}
"""Data sets of each half: name to source and target."""

MOST_ROWS, LONG, SHORT, SEEDS, OTHERS, EACH = 3_000, 60, 30, 6, 2, 8
"""Rows used; epochs of the longer runs and of the runs judged; seeds of each; runs kept for each truth and set."""


def recipes(classes: int, text: bool) -> dict[str, Recipe]:
    """What is trained: sound networks, and one with each fault."""
    units = (16, 16) if classes < 10 else (64, 64)
    base = Recipe(units=units, batch_size=512 if text else 64, epochs=SHORT)
    return {
        "base": base,
        "adam": base.but(optimizer="adam"),
        "dropout": base.but(dropout=0.4),
        "large": base.but(units=(128, 128) if text else (512, 512)),
        "small": base.but(units=(1,) if classes == 2 else (2,)),
        "rate x100": base.but(learning_rate=0.1),
        "rate /1000": base.but(learning_rate=1e-6),
    }


def trained(half: str, group: str, out: Path) -> tuple[dict[Any, Trained], dict[str, Any]]:
    """Every recipe on one data set with the short seeds (0, 1, ...) and the long ones (100, 101, ...), and the context.

    Kept in a file, so that labels can be drawn anew without training.
    """
    kept = out / f"raw-{group}.json"
    if kept.is_file():
        held = json.loads(kept.read_text())
        return {(r["variant"], r["seed"]): Trained.from_dict(r) for r in held["runs"]}, held["context"]
    source, target = HALVES[half][group]
    paths = [f / source for f in data_folders() if (f / source).exists()]
    rows = data.load(str(paths[0]) if paths and target else source, target=target)
    rng = np.random.default_rng(0)
    used = np.sort(rng.permutation(np.flatnonzero(~rows.test))[:MOST_ROWS])
    raw, text = rows.rows[used], rows.kind == "text"
    encoder = encode.make(rows, **({"max_features": 5000} if text else {})).fit(raw)
    x, y, classes = encoder.transform(raw), rows.labels[used], len(rows.classes)
    seeds = [*range(SEEDS), *range(100, 100 + OTHERS)]
    members = {s: np.where(validation_mask(rows, s)[used], VALIDATION, TRAIN).astype(np.uint8) for s in seeds}
    known = baseline.measure(x, y, members[100] == VALIDATION)
    context = {
        "classes": classes,
        "majority": known["accuracy"],
        "linear": known["linear"],
        "rows": int((members[0] == TRAIN).sum()),
        "validation_rows": int((members[0] == VALIDATION).sum()),
        "regularised": False,
    }
    engine, runs = Engine(x, y), []
    for epochs, part in ((SHORT, seeds[:SEEDS]), (LONG, seeds[SEEDS:])):
        runs += engine.train(
            [
                Lane(name, seed, network.from_recipe(recipe.but(epochs=epochs), x.shape[1], classes), members[seed])
                for name, recipe in recipes(classes, text).items()
                for seed in part
            ]
        )
    kept.write_text(json.dumps({"runs": [r.to_dict() for r in runs], "context": context}))
    return {(r.variant, r.seed): r for r in runs}, context


def mean(runs: dict[Any, Trained], name: str, key: str) -> np.ndarray:
    """The mean curve of a recipe's longer runs."""
    return np.mean(history([r for (n, s), r in runs.items() if n == name and s >= 100])[key], axis=0)


def label(name: str, epochs: int, runs: dict[Any, Trained], linear: float | None) -> tuple[str, list[str]] | None:
    """The truth about a run of this recipe and length, and codes as good as it; None where the longer runs disagree."""
    loss, accuracy, train = (mean(runs, name, k) for k in ("val_loss", "val_accuracy", "train_loss"))
    good_loss, good_accuracy = mean(runs, "base", "val_loss"), mean(runs, "base", "val_accuracy")
    best, here = int(np.nanargmin(loss)), epochs - 1
    reached = float(accuracy[best])
    if name == "rate x100":
        hurt = (
            not np.isfinite(loss).all()
            or loss.min() > 1.15 * good_loss.min()
            or accuracy.max() < good_accuracy.max() - 0.02
        )
        return ("learning_rate_too_high", ["diverged"]) if hurt else None
    if name == "rate /1000":
        slow = good_loss[:epochs].min() < 0.9 * loss[here] and good_accuracy[:epochs].max() > accuracy[here] + 0.01
        return ("learning_rate_too_low", []) if slow else None
    if name == "small":
        worse = accuracy.max() < good_accuracy.max() - 0.03
        return ("underfitting", ["too_few_epochs"] if epochs < 0.5 * (best + 1) else []) if worse else None
    if here > best and loss[here] > 1.15 * loss[best] and train[here] < 0.8 * train[best]:
        return "overfitting", []
    if epochs <= 0.5 * (best + 1) and loss[here] > 1.15 * loss[best] and accuracy[here] < reached - 0.02:
        return "too_few_epochs", []
    sound = linear is None or reached > linear - 0.02
    return ("healthy", []) if sound and loss[here] < 1.03 * loss[best] else None


def agrees(truth: str, run: Trained, epochs: int) -> bool:
    """Whether a run's own validation loss does not contradict the label that other seeds give it."""
    own = run.curves["val_loss"][:epochs]
    rise = own[-1] / np.nanmin(own) - 1
    return {"healthy": rise < 0.1, "overfitting": rise > 0.1}.get(truth, True)


def labelled(half: str, group: str, out: Path) -> Iterator[dict[str, Any]]:
    """The labelled runs of one data set, at most `EACH` for each truth (three times as many healthy ones)."""
    runs, context = trained(half, group, out)
    made = recipes(context["classes"], text=context["rows"] > 0)
    rng = np.random.default_rng(0)
    found: dict[str, list[dict[str, Any]]] = {}
    for name, recipe in made.items():
        for seed in range(SEEDS):
            for epochs in rng.permutation(np.arange(4, SHORT + 1))[:6].tolist():
                told = label(name, epochs, runs, context["linear"])
                if told is None or not agrees(told[0], runs[name, seed], epochs):
                    continue
                curves = {k: [float(f"{v:.7g}") for v in c[:epochs]] for k, c in runs[name, seed].curves.items()}
                item = {"half": half, "group": group, "made": name, "seed": seed, "truth": told[0], "also": told[1]}
                facts = {**context, "learning_rate": recipe.learning_rate}
                found.setdefault(told[0], []).append({**item, "context": facts, "curves": curves})
    for truth, items in found.items():
        few = rng.permutation(len(items))[: EACH * (3 if truth == "healthy" else 1)]
        yield from (items[i] for i in sorted(few.tolist()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("halves", nargs="+", choices=sorted(HALVES))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out" / "labelled-runs.jsonl")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w") as file:
        for half in options.halves:
            for group in HALVES[half]:
                items = list(labelled(half, group, options.out.parent))
                for item in items:
                    file.write(json.dumps(item) + "\n")
                file.flush()
                counts = {t: sum(i["truth"] == t for i in items) for t in dict.fromkeys(i["truth"] for i in items)}
                print(group, counts, flush=True)


if __name__ == "__main__":
    main()
