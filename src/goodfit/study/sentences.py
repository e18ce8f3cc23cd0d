"""The verdict in plain sentences."""

from __future__ import annotations

import shlex
from typing import Any

from goodfit.diagnose.rules import too_few_epochs
from goodfit.study.comparison import too_few
from goodfit.words import count

NOT_FEWER_EPOCHS = ("diverged", "learning_rate_too_low", "too_few_epochs", "underfitting")
"""Findings beside which it is no advice to train fewer epochs, wherever the lowest loss lies."""


def verdict(study: dict[str, Any]) -> list[str]:
    """What a reader should know, most important first; the first sentence is the headline.

    Args:
        study: What `study.json` holds, without `sentences`.
    """
    found = study.get("leaks") or []
    errors, warnings = ([leak(f) for f in found if f["severity"] == s] for s in ("error", "warning"))
    out = [*errors, _headline(study), *warnings, *_wrong(study), *_tried(study), *_choice(study), *_fresh(study)]
    out += [*_test(study), *(study.get("one_by_one") or [])]
    return [s for s in out if s]


def unchanged(study: dict[str, Any]) -> bool:
    """Whether the network that was chosen and the untreated base are one and the same once they are trained again."""
    base, chosen = study["variants"][0]["recipe"], study["chosen"]
    kept = chosen["epochs"] == base["epochs"] or base.get("patience") is not None
    return chosen["variant"] == "base" and kept


def leak(finding: dict[str, Any]) -> str:
    """A column that gives the target away, and how to leave it out."""
    columns = finding["evidence"].get("columns") or finding["evidence"]["identifiers"]
    void = " Until then no result means anything." if finding["severity"] == "error" else ""
    return f"{finding['message'].rstrip('.')} (--drop {shlex.quote(','.join(columns))}).{void}"


def beyond(budget: float, need: float, seeds: int, *, treated: bool, images: bool) -> str:
    """A budget that is not enough for what is trained in any case, in seconds, and what takes less."""
    less = "fewer --epochs, or a smaller --image-size, take less" if images else "fewer --epochs take less"
    what = count(seeds, "seed") + " and one treatment" * treated
    return f"{_time(budget)} is not enough: about {_time(need)} are needed for {what}; {less}."


def _headline(study: dict[str, Any]) -> str:
    base, chosen = study["variants"][0], study["chosen"]
    asked = base["recipe"]["epochs"]
    what = _ailment(base)
    unsure = any(v["verdict"] == "undecided" for v in study["variants"][1:])
    beats = "nothing that was tried is shown to beat it" if unsure else "nothing that was tried beats it"
    if len(study["variants"]) == 1:
        beats = "no treatment was tried"
    if chosen["variant"] == "base" and chosen["epochs"] == asked:
        return f"The base network {what}; {beats}, so it stays as it is."
    if chosen["variant"] == "base" and any(f["code"] in NOT_FEWER_EPOCHS for f in base["findings"]):
        return f"The base network {what}; {beats}."
    if chosen["variant"] == "base":
        better = f"it should train {count(chosen['epochs'], 'epoch')}, not {asked}"
        return f"The base network {what}; {beats}, but {better}."
    taken = f"'{chosen['variant']}' with {count(chosen['epochs'], 'epoch')}"
    gain = study["fresh"]["comparison"] if study["fresh"] else {}
    if gain.get("verdict") == "better":
        return f"The base network {what}; {taken} does {100 * gain['effect']:.2f} points better."
    if gain.get("verdict") == "equivalent":
        return f"The base network {what}; {taken} does as well."
    if gain.get("verdict") in ("worse", "diverged"):
        how = "it is worse" if gain["verdict"] == "worse" else "it diverges"
        return f"The base network {what}; {taken} was chosen, but fresh seeds say {how}: keep the base."
    return f"The base network {what}; {taken} looks best, but that is not established."


def _ailment(base: dict[str, Any]) -> str:
    found = [f for f in base["findings"] if f["severity"] != "info"]
    if not found:
        early = [f["epoch"] for f in base["findings"] if f["code"] == "too_few_epochs"]
        but = f", but its validation loss was still falling after {count(early[0], 'epoch')}" if early else ""
        return f"shows nothing wrong{but}"
    first = found[0]
    since = f" from epoch {first['epoch']}" if first["epoch"] and first["code"] != "too_few_epochs" else ""
    names = {
        "overfitting": "overfits",
        "underfitting": "underfits",
        "diverged": "diverges",
        "oscillation": "oscillates",
        "learning_rate_too_high": "has too high a learning rate",
        "learning_rate_too_low": "has too low a learning rate",
        "too_few_epochs": "is trained too short",
        "too_many_epochs": "is trained too long",
    }
    return names.get(first["code"], f"shows {first['code'].replace('_', ' ')}") + since


def _wrong(study: dict[str, Any]) -> list[str]:
    return [f["message"] for f in study["variants"][0]["findings"] if f["severity"] != "info"]


def _tried(study: dict[str, Any]) -> list[str]:
    base, *others = study["variants"]
    if not others:
        return _improving([base])
    seeds = len(base["seeds"])
    out = [
        f"Tried on the same {seeds} seed{'s' * (seeds != 1)}, each variant at its own best epoch: "
        + ", ".join(f"'{v['name']}'" for v in others)
        + (f"; {study['validated']}" if study.get("validated") else "")
        + "."
    ]
    for word, lead in (
        ("better", "Better than the base"),
        ("equivalent", "As good as the base"),
        ("worse", "Worse than the base"),
        ("undecided", "Undecided"),
        ("diverged", "Diverged, and rejected"),
    ):
        group = sorted((v for v in others if v["verdict"] == word), key=lambda v: -v["delta"]["mean"])
        if group:
            out.append(f"{lead}: " + ", ".join(_delta(v) for v in group) + ".")
    longer = any(v["recipe"]["epochs"] > base["recipe"]["epochs"] for v in others)
    return [*out, too_few(seeds), *_improving(others if longer else [base, *others])]


def _improving(variants: list[dict[str, Any]]) -> list[str]:
    """Variants, often those that hold a network back, that were judged before they were done."""
    found: dict[int, list[str]] = {}
    for v in variants:
        if v.get("still_improving"):
            found.setdefault(v["recipe"]["epochs"], []).append(f"'{v['name']}'")
    out = []
    for asked, names in found.items():
        *most, last = names
        who = f"{', '.join(most)} and {last} were" if most else f"{last} was"
        more = f"more epochs could change this (--epochs {asked + too_few_epochs.more(asked)}, say)"
        out.append(f"{who} still improving when {'their' if most else 'its'} {count(asked, 'epoch')} ended; {more}.")
    return out


def _delta(variant: dict[str, Any]) -> str:
    d, c = variant["delta"], variant.get("comparison") or {}
    lost = f"{c['diverged'][1]} of {c['n']} runs" if c.get("diverged") and c["diverged"][1] else ""
    if variant["verdict"] == "diverged":
        return f"'{variant['name']}' ({lost})"
    interval = (
        "" if d["low"] is None or abs(d["low"]) == float("inf") else f" ({_points(d['low'])} to {_points(d['high'])})"
    )
    return f"'{variant['name']}' {_points(d['mean'])} points{interval}{f', {lost} diverged' if lost else ''}"


def _choice(study: dict[str, Any]) -> list[str]:
    chosen = study["chosen"]
    reason = chosen["epochs_reason"]
    return [chosen["reason"], f"Epochs of '{chosen['variant']}': {reason[:1].lower()}{reason[1:]}"]


def _fresh(study: dict[str, Any]) -> list[str]:
    return ["On fresh seeds: " + study["fresh"]["comparison"]["message"]] if study["fresh"] else []


def _test(study: dict[str, Any]) -> list[str]:
    test = study["test"]
    if not test:
        return ["There is no test set, so nothing was tested."]
    rows = f"{test['rows']:,} rows"
    d = test["difference"]
    once = "looked at once in this study" if test["looks"] == 1 else f"looked at {test['looks']} times"
    said = (
        f"Test accuracy {test['accuracy']:.4f} (95 % interval {test['low']:.4f} to {test['high']:.4f}, {rows}, {once})"
    )
    if unchanged(study):
        return [f"{said}."]
    return [
        f"{said}; the untreated base {test['base']['accuracy']:.4f}, a difference of {_points(d['effect'])} points "
        f"({_points(d['low'])} to {_points(d['high'])}, McNemar p = {d['p']:.2g})."
    ]


def _time(seconds: float) -> str:
    """`90 s`, `17 min`, `2.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def _points(value: float) -> str:
    return f"{round(100 * value, 2) + 0:+.2f}"  # no -0.00
