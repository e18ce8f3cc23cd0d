"""A made-up study folder, drawn from a seeded generator: what the report and the terminal are tested on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

TREATMENTS = {  # name: (lowest validation loss, epoch where it lies, how steeply it rises, spread, changes)
    "base": (0.292, 4.0, 0.012, 0.010, {}),
    "dropout 0.5": (0.262, 7.0, 0.003, 0.008, {"dropout": [0.0, 0.5]}),
    "smaller 4": (0.281, 8.0, 0.004, 0.009, {"units": [[16, 16], [4, 4]]}),
    "l2 0.001": (0.300, 6.0, 0.004, 0.005, {"l2": [0.0, 0.001]}),
    "larger 64": (0.305, 3.0, 0.022, 0.012, {"units": [[16, 16], [64, 64]]}),
    "batch normalization": (0.330, 3.0, 0.040, 0.016, {"batch_normalization": [False, True]}),
    "lower learning rate": (0.291, 14.0, 0.001, 0.005, {"learning_rate": [0.001, 0.0003]}),
    "higher learning rate": (0.36, 2.0, 0.09, 0.03, {"learning_rate": [0.001, 0.01]}),
    "label smoothing 0.1": (0.301, 6.0, 0.010, 0.005, {"label_smoothing": [0.0, 0.1]}),
    "early stopping 2": (0.292, 4.0, 0.030, 0.006, {"patience": [None, 2]}),
    "l1 0.0001": (0.31, 7.0, 0.003, 0.006, {"l1": [0.0, 0.0001]}),
    "dropout 0.2": (0.283, 5.0, 0.015, 0.005, {"dropout": [0.0, 0.2]}),
    "adam": (0.290, 4.0, 0.028, 0.006, {"optimizer": ["rmsprop", "adam"]}),
    "linear": (0.295, 18.0, 0.001, 0.004, {"units": [[16, 16], []]}),
    "smaller 1": (0.35, 18.0, 0.001, 0.03, {"units": [[16, 16], [1]]}),
}
RECIPE = {
    "units": [16, 16], "activation": "relu", "l1": 0.0, "l2": 0.0, "dropout": 0.0, "batch_normalization": False,
    "optimizer": "rmsprop", "learning_rate": 0.001, "weight_decay": 0.0, "label_smoothing": 0.0, "batch_size": 512,
    "epochs": 20, "patience": None,
}  # fmt: skip
TOPICS = """
cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship cotton carcass
crude nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin strategic-metal livestock retail ipi
iron-steel rubber heat jobs lei bop zinc orange pet-chem dlr gas silver wpi hog lead
""".split()  # noqa: SIM905
HOSTILE = "<script>alert('x')</script> & <b>bold</b> \x00 \u202e reversed"
REVIEW = (
    "I went in expecting very little, and for the first half hour that is what I got: a slow, talky drama with one "
    "good joke. Then something happens on the train, and everything before it turns out to matter. Not a great film, "
    "perhaps, but I have not been able to get it out of my head. "
)


def curves(name: str, seed: int, epochs: int, stage: str = "search") -> pl.DataFrame:
    """The rows of `history.parquet` for one run."""
    rng = np.random.default_rng([seed, sum(map(ord, name)), len(stage)])
    level, best, rise, spread, _ = TREATMENTS[name]
    shared = np.random.default_rng([seed, 7]).normal(0, 0.006)  # what a seed does to all variants alike
    e = np.arange(1, epochs + 1)
    fall = 0.40 * np.exp(-e / (0.30 * best))
    val_loss = level + shared + rng.normal(0, spread) + fall + rise * np.maximum(e - best, 0) ** 1.1
    val_loss = val_loss + rng.normal(0, 0.003, epochs)
    train_loss = 0.02 + 0.55 * np.exp(-e / (0.75 * best)) + 0.03 / rise**0.2 + rng.normal(0, 0.002, epochs)
    val_accuracy = 0.895 - 0.28 * fall - 0.42 * (level + shared - 0.272) - 0.004 * np.maximum(e - best, 0) ** 0.7
    val_accuracy = val_accuracy + rng.normal(0, 0.0025, epochs)
    train_accuracy = 1 - 0.30 * train_loss
    return pl.DataFrame(
        {
            "variant": [name] * epochs, "stage": [stage] * epochs, "seed": [seed] * epochs, "epoch": e,
            "loss": train_loss + 0.05, "accuracy": train_accuracy - 0.02,
            "train_loss": train_loss, "train_accuracy": train_accuracy,
            "val_loss": val_loss, "val_accuracy": val_accuracy, "learning_rate": [0.001] * epochs,
        }
    )  # fmt: skip


def mean_interval(x: np.ndarray) -> dict[str, float | None]:
    """Mean with a rough 95% interval; without one for a single number."""
    half = 2.05 * x.std(ddof=1) / len(x) ** 0.5 if len(x) > 1 else None
    mean = float(x.mean())
    return {"mean": mean, "low": mean - half if half else None, "high": mean + half if half else None}


def compared(base: np.ndarray, other: np.ndarray, arms: int) -> dict[str, Any]:
    """A comparison by the keys of `Comparison`."""
    from scipy.stats import ttest_rel

    d = other - base
    if len(d) < 2:
        return {"effect": float(d.mean()), "low": None, "high": None, "p": None, "n": 1, "verdict": "undecided"}
    m = mean_interval(d)
    p = float(ttest_rel(other, base).pvalue) if d.any() else 1.0
    inside = max(abs(m["low"]), abs(m["high"])) < 0.01
    verdict = (
        "equivalent" if inside else "undecided" if m["low"] < 0 < m["high"] else "better" if m["mean"] > 0 else "worse"
    )
    return {
        "effect": m["mean"], "low": m["low"], "high": m["high"], "p": p, "p_holm": min(1.0, arms * p),
        "wins": float(np.mean(d > 0)), "wins_low": max(0.0, float(np.mean(d > 0)) - 0.1),
        "wins_high": min(1.0, float(np.mean(d > 0)) + 0.1), "n": len(d), "rope": 0.01,
        "verdict": verdict if len(d) > 5 else "undecided", "more_seeds": 12 if verdict == "undecided" else None,
        "split": "resampled", "names": ["base", "other"], "message": "A sentence that says it all.",
    }  # fmt: skip


def build(
    folder: Path,
    *,
    classes: int = 2,
    variants: int = 5,
    seeds: int = 29,
    epochs: int = 20,
    kind: str = "text",
    stop: str = "",
    no_change: bool = False,
) -> dict[str, Any]:
    """Write a study folder and return its `study.json`.

    Args:
        folder: Where to.
        classes: How many classes; 46 bear the topics of Reuters.
        variants: How many variants, base included.
        seeds: Paired seeds of each.
        epochs: Epochs of each run.
        kind: `text` or `table`.
        stop: `search` (stopped before the comparison) or `fresh` (before the test), for an unfinished study.
        no_change: Base is chosen.
    """
    names = list(TREATMENTS)[:variants]
    runs = {n: [curves(n, s, epochs) for s in range(seeds)] for n in names}
    chosen = "base" if no_change or variants < 2 else "dropout 0.5"
    runs_again = {"base": [curves("base", 1000 + s, epochs, "fresh") for s in range(seeds)]} if stop != "search" else {}
    if variants > 1 and runs_again:
        treated = [curves("dropout 0.5", 1000 + s, min(8, epochs), "fresh") for s in range(seeds)]
        runs_again["chosen"] = [r.with_columns(variant=pl.lit("chosen")) for r in treated]
    told, at = [], {}
    for n in names:
        mean = np.mean([r["val_loss"].to_numpy() for r in runs[n]], axis=0)
        at[n] = int(mean.argmin())
        values = {m: np.array([r[m][at[n]] for r in runs[n]]) for m in ("val_accuracy", "val_loss", "train_loss")}
        base_values = told[0]["values"] if told else values["val_accuracy"]
        result = (
            compared(base_values, values["val_accuracy"], variants - 1) if n != "base" and stop != "search" else None
        )
        diff = TREATMENTS[n][4]
        told.append(
            {
                "name": n, "treatment": None if n == "base" else n, "diff": diff, "seeds": list(range(seeds)),
                "recipe": RECIPE | {k: d[1] for k, d in diff.items()}, "epochs_run": epochs, "best_epoch": at[n] + 1,
                "metrics": {k: mean_interval(v) for k, v in values.items()}, "comparison": result,
                "delta": {"mean": result["effect"], **{k: result[k] for k in ("low", "high", "p")}} if result else None,
                "verdict": result["verdict"] if result else None, "values": values["val_accuracy"],
                "findings": [
                    {
                        "code": "overfitting", "severity": "warning", "epoch": at[n] + 2, "confidence": 0.97,
                        "evidence": {
                            "lowest_val_loss": 0.2921, "last_val_loss": float(mean[-1]),
                            "rise": float(mean[-1] / 0.2921 - 1),
                            "seeds_that_rise": seeds, "gap": float("nan"), "note": None,
                        },
                        "message": f"Overfitting from epoch {at[n] + 2}: validation loss rises.",
                        "remedies": ["dropout 0.5", "smaller 4", "l2 0.001"],
                    }
                ]
                if TREATMENTS[n][2] > 0.01
                else [],
            }
        )  # fmt: skip
    for v in told:
        del v["values"]
    labels = (
        ["negative", "positive"]
        if classes == 2
        else TOPICS[:classes]
        if classes <= 46
        else list(map(str, range(classes)))
    )
    study: dict[str, Any] = {
        "name": "imdb", "source": "IMDB Dataset.csv", "kind": kind, "target": "sentiment",
        "task": "binary" if classes == 2 else "multiclass", "classes": labels, "rows": 49581,
        "command": 'goodfit fit "IMDB Dataset.csv" --target sentiment --out imdb', "created": "2026-05-04T10:11:12",
        "version": "0.1.0", "seconds": 83.4, "validation": "holdout:0.2", "splits": {"train": 31732, "validation": 7933, "test": 9916},
        "baseline": {"accuracy": 0.502, "linear": 0.884},
        "notes": ["418 rows stood twice; they never stand on two sides of a split.", "1 empty text was left out."],
        "sentences": [
            "The base network overfits from epoch 5; dropout 0.5 helps.",
            "After epoch 4 its validation loss rises while its training loss goes on falling, in all 29 seeds.",
            f"{variants - 1} treatments were tried on {seeds} paired seeds.",
            "dropout 0.5 gains 0.8 points of validation accuracy on fresh seeds (95% interval 0.6 to 1.1).",
            "smaller 4 is equivalent to base; larger 64 makes no difference that matters.",
            "On 9,916 rows never used before, the chosen network is right on 88.7% (95% interval 88.1% to 89.3%).",
        ],
        "variants": told,
        "chosen": {
            "variant": chosen, "epochs": 8,
            "recipe": RECIPE | {k: d[1] for k, d in TREATMENTS[chosen][4].items()} | {"epochs": 8},
            "reason": "the simplest recipe within one standard error of the best",
            "epochs_reason": "the earliest epoch within one standard error of the lowest mean validation loss",
        },
        "fresh": None, "test": None,
    }  # fmt: skip
    if "chosen" in runs_again:
        base, other = (np.array([r["val_accuracy"][-1] for r in runs_again[n]]) for n in ("base", "chosen"))
        study["fresh"] = {
            "base": f"base, {epochs} epochs", "other": "dropout 0.5, 8 epochs",
            "seeds": list(range(1000, 1000 + seeds)), "comparison": compared(base, other, 1),
        }  # fmt: skip
    if stop:
        study["sentences"] = study["sentences"][:1] if stop == "fresh" else []
        study["chosen"] = study["chosen"] if stop == "fresh" else None
    else:
        study["test"] = make_test(classes, labels, kind)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    pl.concat([r for stage in (runs, runs_again) for rs in stage.values() for r in rs]).write_parquet(
        folder / "history.parquet"
    )
    return study


def make_test(classes: int, labels: list[str], kind: str) -> dict[str, Any]:
    """The `test` entry: confusion that adds up, mistakes with texts that would do harm unescaped."""
    rng = np.random.default_rng(classes)
    sizes = np.maximum(9916 * rng.dirichlet(np.full(classes, 0.4 if classes > 12 else 9.0)), 8).astype(int)
    confusion = np.zeros((classes, classes), int)
    for i in range(classes):
        lure = rng.dirichlet(np.full(classes, 0.15))
        lure[i] = 0
        share = 0.113 if classes == 2 else rng.uniform(0.08, 0.4)
        p = share * lure / max(lure.sum(), 1e-9)
        p[i] = 1 - p.sum()
        confusion[i] = rng.multinomial(sizes[i], p)
    accuracy = float(np.trace(confusion) / confusion.sum())
    texts = [HOSTILE, REVIEW * 6, "Lo peor que he visto. ¡Qué desastre! 😱", "עברית: סרט נהדר", REVIEW]
    if kind == "table":
        texts = ["age 39 · workclass State-gov · education Bachelors · hours-per-week 40 · native-country ?", HOSTILE]
    errors = [
        {
            "row": 17 * i + 3, "text": texts[i % len(texts)], "truth": labels[i % classes],
            "predicted": labels[(i + 1) % classes], "probability": 0.9994 - 0.004 * i,
        }
        for i in range(12)
    ]  # fmt: skip
    return {
        "accuracy": accuracy, "low": accuracy - 0.0063, "high": accuracy + 0.0063, "loss": 0.2784, "looks": 1,
        "rows": int(confusion.sum()),
        "base": {"accuracy": accuracy - 0.0094, "low": accuracy - 0.0161, "high": accuracy - 0.0035, "loss": 0.3312},
        "difference": {"effect": 0.0094, "low": 0.0058, "high": 0.0131, "p": 0.0000004, "test": "mcnemar"},
        "confusion": confusion.tolist(), "errors": errors,
    }  # fmt: skip
