"""What each treatment did, against base, over paired seeds."""

from __future__ import annotations

from typing import Any

from goodfit.report import numbers
from goodfit.report.figures import intervals
from goodfit.report.html import esc, figure, paragraph, plot, section, table
from goodfit.report.sections import Build
from goodfit.report.source import contrast, held_back

SIGNS = {"better": "▲", "worse": "▼", "equivalent": "=", "undecided": "?", "diverged": "✕"}


def render(build: Build) -> str:
    """The interval plot and the table."""
    source, texts = build.source, build.texts
    if not source.variants:
        return ""
    parts = []
    if data := intervals.intervals(source):
        drawn = intervals.draw(data, build.colours, source.chosen, texts)
        build.figures["forest"] = drawn
        caption = texts("forest.caption", rope=f"{100 * data.rope:g}")
        parts.append(
            figure(texts("forest.title"), caption, plot("forest", texts("forest.title"), int(drawn.layout.height)))
        )
    else:
        tried = any("effect" in contrast(v) for v in source.variants)
        parts.append(paragraph(texts("comparison.no_interval" if tried else "comparison.none"), "note"))
    return section("comparison", texts("comparison.title"), *parts, _table(build), _metrics(build))


def _metrics(build: Build) -> str:
    """The validation metrics that a model was compiled with, of every variant; empty without any."""
    usual = ("val_loss", "val_accuracy")
    keys = dict.fromkeys(k for v in build.source.variants for k in v.get("metrics") or {})
    own = [k for k in keys if k.startswith("val_") and k not in usual]
    if not own:
        return ""
    rows = [[esc(v["name"]), *(_metric(v, k, numbers.loss) for k in own)] for v in build.source.variants]
    head = [build.texts("column.variant"), *own]
    return table(head, rows, build.texts("comparison.metrics"), words=(0,))


def verdict(build: Build, found: dict[str, Any], improving: bool = False) -> str:
    """A verdict as a sign and a word, so that no colour is needed to tell; and what would decide or change it."""
    word = found.get("verdict")
    if not word:
        return numbers.MISSING
    sign = SIGNS.get(str(word), "")
    said = esc(build.texts.word("verdict", str(word)))
    more = [build.texts.many("comparison.more", found["more_seeds"])] if numbers.known(found.get("more_seeds")) else []
    lost = (found.get("diverged") or [0, 0])[1]
    more += [build.texts("comparison.diverged", runs=lost, n=found["n"])] if lost else []
    more += [build.texts("comparison.improving")] if improving else []
    below = "".join(f'<small class="below">{esc(text)}</small>' for text in more)
    return f'<span class="verdict-word"><i aria-hidden="true">{sign}</i>{said}</span>{below}'


def _table(build: Build) -> str:
    source, texts = build.source, build.texts
    fresh = build.study.get("fresh") or {}
    columns = ["variant", "seeds", "epoch", "accuracy", "loss", "effect", "p", "wins", "verdict"]
    if not fresh.get("comparison") and not any(contrast(v) for v in source.variants):
        del columns[5:]
    rows, kinds = [], []
    for v in source.variants:
        found = contrast(v)
        is_base = v["name"] == source.base
        rows.append(
            [
                esc(v["name"]),
                build.count(len(v.get("seeds") or [])),
                build.count(v.get("best_epoch")),
                _metric(v, "val_accuracy", numbers.accuracy),
                _metric(v, "val_loss", numbers.loss),
                *(
                    _effect(build, found, bool(v.get("still_improving")))
                    if not is_base
                    else [_quiet(texts("comparison.reference")), "", "", ""]
                ),
            ]
        )
        kinds.append("chosen" if v["name"] == source.chosen else "base" if is_base else "")
    if fresh.get("comparison"):
        found = fresh["comparison"]
        where = f'<small class="below">{esc(texts("comparison.fresh"))}</small>'
        name = f"{esc(fresh.get('other') or '')} {where}"
        seeds = build.count(found.get("n") or len(fresh.get("seeds") or []))
        rows.append([name, seeds, "", "", "", *_effect(build, found)])
        kinds.append("fresh")
    head, rows = [texts(f"column.{c}") for c in columns], [r[: len(columns)] for r in rows]
    splits = {str(contrast(v).get("split")) for v in source.variants} & {"resampled", "fixed"}
    caption = " ".join(texts(f"comparison.{key}") for key in ("caption", *sorted(splits)))
    caption = f"{caption} {held_back(source.comparisons, texts)}".strip()
    return table(head, rows, caption, words=(0, 8), kinds=kinds)


def _metric(v: dict[str, Any], key: str, form: Any) -> str:
    m = (v.get("metrics") or {}).get(key) or {}
    return _with_interval(form(m.get("mean")), numbers.around(m, key, form))


def _effect(build: Build, found: dict[str, Any], improving: bool = False) -> list[str]:
    if found.get("verdict") == "diverged":
        return [numbers.MISSING] * 3 + [verdict(build, found)]
    p = found["p_holm"] if numbers.known(found.get("p_holm")) else found.get("p")
    between = numbers.interval(found.get("low"), found.get("high"), numbers.points)
    return [
        _with_interval(numbers.points(found.get("effect")), between),
        esc(numbers.probability(p)),
        _with_interval(
            esc(numbers.percent(found.get("wins"))),
            esc(numbers.interval(found.get("wins_low"), found.get("wins_high"), numbers.percent)),
        ),
        verdict(build, found, improving),
    ]


def _with_interval(value: str, between: str) -> str:
    return f"{value} {_quiet(between)}" if between != numbers.MISSING else value


def _quiet(text: str) -> str:
    return f"<small>{text}</small>"
