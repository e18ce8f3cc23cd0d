"""The recipes: what the chosen variant changes, and every other one."""

from __future__ import annotations

from typing import Any

from goodfit.report.html import details, esc, paragraph, section, table
from goodfit.report.sections import Build


def render(build: Build) -> str:
    """The difference between base and the chosen recipe; all variants' changes; both recipes in full."""
    source, texts = build.source, build.texts
    base, other = source.variant(source.base), source.variant(source.rival)
    if not base.get("recipe") and not other.get("diff"):
        return ""
    diff = {k: d for k, d in (other.get("diff") or {}).items() if isinstance(d, list) and len(d) == 2}
    parts = []
    if source.chosen == source.base:
        parts.append(paragraph(texts("recipe.unchanged")))
    if diff:
        head = [texts("recipe.field"), source.base, source.rival]
        rows = [[_field(k), _value(build, a), _value(build, b)] for k, (a, b) in diff.items()]
        parts.append(table(head, rows, texts("recipe.caption", other=source.rival), words=(0, 1, 2)))
    parts.append(details(texts("recipe.variants"), _variants(build)))
    parts.append(details(texts("recipe.full"), _full(build, base, other)))
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


def _full(build: Build, base: dict[str, Any], other: dict[str, Any]) -> str:
    columns = [v for v in (base, other) if v.get("recipe")]
    if not columns:
        return ""
    fields = list(dict.fromkeys(k for v in columns for k in v["recipe"]))
    rows = [[_field(k), *(_value(build, v["recipe"].get(k)) for v in columns)] for k in fields]
    head = [build.texts("recipe.field"), *(v["name"] for v in columns)]
    return table(head, rows, build.texts("recipe.full_caption"), words=range(len(head)))


def _field(name: str) -> str:
    return f"<code>{esc(name)}</code>"


def _value(build: Build, x: Any) -> str:
    if x == []:
        return esc(build.texts("recipe.no_layers"))
    return esc(build.value(x)) if x is not None else esc(build.texts("recipe.off"))
