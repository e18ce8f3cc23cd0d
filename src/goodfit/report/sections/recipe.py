"""The recipes: what the chosen variant changes, and every other one."""

from __future__ import annotations

from typing import Any

from goodfit.report.html import details, esc, paragraph, section, table
from goodfit.report.sections import Build


def render(build: Build) -> str:
    """What the chosen network changes in base; all variants' changes; both recipes in full."""
    source, texts = build.source, build.texts
    base = source.variant(source.base).get("recipe") or {}
    final = (build.study.get("chosen") or {}).get("recipe") or source.variant(source.chosen).get("recipe") or {}
    parts = []
    if base and final:
        changed = [k for k in dict.fromkeys((*base, *final)) if base.get(k) != final.get(k)]
        rows = [[_field(k), _value(build, base.get(k)), _value(build, final.get(k))] for k in changed]
        head = [texts("recipe.field"), source.base, texts("recipe.chosen")]
        parts.append(
            table(head, rows, texts("recipe.caption"), words=range(3)) if rows else paragraph(texts("recipe.unchanged"))
        )
    parts.append(details(texts("recipe.variants"), _variants(build)))
    parts.append(details(texts("recipe.full"), _full(build, {source.base: base, texts("recipe.chosen"): final})))
    return section("recipe", texts("recipe.title"), *parts)


def _variants(build: Build) -> str:
    rows = [
        [
            esc(v["name"]),
            ", ".join(f"{_field(k)} {_value(build, d[0])} → {_value(build, d[1])}" for k, d in v["diff"].items()),
        ]
        for v in build.source.variants
        if v.get("diff")
    ]
    head = [build.texts("column.variant"), build.texts("recipe.changes")]
    return table(head, rows, build.texts("recipe.variants_caption"), words=(0, 1)) if rows else ""


def _full(build: Build, recipes: dict[str, dict[str, Any]]) -> str:
    columns = {name: recipe for name, recipe in recipes.items() if recipe}
    if not columns:
        return ""
    fields = list(dict.fromkeys(k for recipe in columns.values() for k in recipe))
    rows = [[_field(k), *(_value(build, recipe.get(k)) for recipe in columns.values())] for k in fields]
    head = [build.texts("recipe.field"), *columns]
    return table(head, rows, build.texts("recipe.full_caption"), words=range(len(head)))


def _field(name: str) -> str:
    return f"<code>{esc(name)}</code>"


def _value(build: Build, x: Any) -> str:
    if x == []:
        return esc(build.texts("recipe.no_layers"))
    return esc(build.value(x)) if x is not None else esc(build.texts("recipe.off"))
