"""What a study leaves on disk: `study.json` and `history.parquet`."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from goodfit.data import inputs
from goodfit.models import obstacles
from goodfit.models.recipe import Recipe
from goodfit.study import sentences
from goodfit.study.comparison import Comparison
from goodfit.study.runs import score
from goodfit.study.selection import Choice
from goodfit.study.statistics import mean_interval
from goodfit.train.lane import CURVES, Trained

if TYPE_CHECKING:
    from goodfit.study.study import Study, Variant

METRICS = tuple(k for k in CURVES if k != "learning_rate")


def write(
    study: Study,
    variants: Mapping[str, Variant],
    comparisons: Mapping[str, Comparison],
    choice: Choice,
    final: Recipe,
    fresh: dict[str, Any] | None,
    test: dict[str, Any] | None,
) -> dict[str, Any]:
    """Write both files and return what `study.json` holds."""
    dataset = study.dataset
    chosen = variants[choice.value]
    out: dict[str, Any] = {
        "name": dataset.name,
        "task": dataset.task,
        "kind": dataset.kind,
        "classes": list(dataset.classes),
        "rows": len(dataset),
        "source": dataset.source,
        "target": dataset.target,
        "command": study.command,
        "version": study.version,
        "created": time.strftime("%Y-%m-%d %H:%M"),
        "seconds": round(study.clock, 1),
        "notes": [*dataset.notes, *study.encoder.notes, *(study.source.notes if study.source else ())],
        "one_by_one": obstacles.told({v.name: study.network(v.recipe, lanes=True) for v in variants.values()}),
        "splits": {"train": study.split[0], "validation": study.split[1], "test": int(dataset.test.sum())},
        "validation": str(study.validation),
        "validated": study.validation.told,
        "baseline": study.baseline,
        "leaks": [f.to_dict() for f in study.leaks],
        "features": inputs.size(study.x),
        "rope": study.options.rope,
        "variants": [_variant(v, study.base, comparisons.get(v.name)) for v in variants.values()],
        "chosen": {
            "variant": chosen.name,
            "epochs": chosen.epochs,
            "recipe": final.to_dict(),
            "reason": choice.reason,
            "epochs_reason": chosen.reason,
        },
        "fresh": fresh,
        "test": test,
        "calibration": {"temperature": study.temperature, "logits": study.logits},
    }
    out["sentences"] = sentences.verdict(out)
    out = sound(out)
    study.folder.write("study.json", json.dumps(out, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    study.folder.write("history.parquet", _curves(study))
    return out


def sound(value: Any) -> Any:
    """The same with JSON types only; what is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(k): sound(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [sound(v) for v in value]
    if isinstance(value, (np.integer, np.floating)):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _variant(variant: Variant, base: Recipe, comparison: Comparison | None) -> dict[str, Any]:
    """One entry of `variants`; metrics are taken where its weights are: at its chosen epoch."""
    metrics = {}
    for key in (*METRICS, *(k for k in _measured(variant.runs) if "/" not in k)):
        values = [_at(run, key, variant) for run in variant.runs]
        mean, low, high = mean_interval(values)
        metrics[key] = {"mean": mean, "low": low, "high": high}
    delta = None
    if comparison:
        delta = {"mean": comparison.effect, "low": comparison.low, "high": comparison.high, "p": comparison.p_holm}
    return {
        "name": variant.name,
        "treatment": None if variant.name == "base" else variant.name,
        "recipe": variant.recipe.to_dict(),
        "diff": {k: list(v) for k, v in base.diff(variant.recipe).items()},
        "seeds": [r.seed for r in variant.runs],
        "epochs_run": max(r.epochs_run for r in variant.runs),
        "best_epoch": variant.epochs,
        "still_improving": variant.improving,
        "metrics": metrics,
        "last": {k: float(np.mean([r.curves[k][-1] for r in variant.runs])) for k in METRICS},
        "delta": delta,
        "comparison": comparison.to_dict() if comparison else None,
        "verdict": comparison.verdict if comparison else None,
        "findings": [f.to_dict() for f in variant.findings],
    }


def _measured(runs: Sequence[Trained]) -> list[str]:
    """The curves of metrics that a model was compiled with, and of measures inside it (`measure/layer`)."""
    return list(dict.fromkeys(k for run in runs for k in run.curves if k not in CURVES))


def _at(run: Trained, key: str, variant: Variant) -> float:
    return score(run, run.best_epoch if variant.recipe.patience is not None else variant.epochs, key)


def _curves(study: Study) -> bytes:
    """A row per run and epoch, as Parquet."""
    events = list(study.known.values())
    runs = [Trained.from_dict(event["run"]) for event in events]
    keys = dict.fromkeys((*CURVES, *_measured(runs)))
    columns: dict[str, list[Any]] = {k: [] for k in ("variant", "stage", "seed", "epoch", *keys)}
    for event, run in zip(events, runs, strict=True):
        n = run.epochs_run
        columns["variant"] += [run.variant] * n
        columns["stage"] += [event["stage"]] * n
        columns["seed"] += [run.seed] * n
        columns["epoch"] += list(range(1, n + 1))
        for key in keys:
            columns[key] += run.curves[key].tolist() if key in run.curves else [None] * n
    buffer = io.BytesIO()
    pl.DataFrame(columns).fill_nan(None).write_parquet(buffer)
    return buffer.getvalue()
