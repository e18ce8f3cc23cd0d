"""Histories as JSON: Keras's `History.history`, lists and dicts of them, records, printed dicts."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from goodfit.errors import LogError
from goodfit.logs.base import DAMAGED, Format, Log, Table, value
from goodfit.logs.names import canonical
from goodfit.logs.table import LABELS, SEEDS, parted


class KerasJSON(Format):
    """A dict of curves; or a list of epochs; or a dict or list of such, each a run."""

    name = "history as JSON"

    def matches(self, log: Log) -> bool:
        """Text that begins like JSON and names a loss or an accuracy."""
        named = re.search(r"""["'](\w|[/ .-])*(loss|acc)""", log.text, re.IGNORECASE)
        return log.text.lstrip()[:1] in ("{", "[") and named is not None

    def read(self, log: Log) -> list[Table]:
        """One table a run; of a file that breaks off the curves up to there."""
        document, notes = _document(log)
        tables = list(_runs(document))
        if not tables and isinstance(document, list):
            tables = _records(document)
        if not tables:
            raise LogError(
                "the JSON holds no curves", expected='{"loss": [...], "val_loss": [...]}', received=str(log.path)
            )
        for table in tables:
            table.notes[:0] = notes
        return tables


def _document(log: Log) -> tuple[Any, list[str]]:
    """The file's content as JSON, as JSON lines, as a printed Python dict, or what can be saved of it."""
    if log.json is not None:
        return log.json, []
    lines, bad = [], 0
    for line in log.lines:
        try:
            lines.append(json.loads(line))
        except (ValueError, RecursionError):
            bad += 1
    if lines and len(lines) >= bad and all(isinstance(x, dict) for x in lines):
        return lines, [f"{bad} of {bad + len(lines)} lines could not be read and were left out"] if bad else []
    try:
        plain = re.sub(r"\b(?:np\.float\d+|array|np\.array)\(([^()]*)\)", r"\1", log.text)
        return ast.literal_eval(re.sub(r"\b(nan|inf)\b", "1e999", plain).strip()), []
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    return _saved(log.text), [DAMAGED]


def _saved(text: str) -> dict[str, list[Any]]:
    """Whatever `"name": [numbers` stand in damaged JSON, cut to the shortest."""
    found: dict[str, list[Any]] = {}
    for name, body in re.findall(r"""["']([^"'\n]+)["']\s*:\s*\[([^\]\[{}"']*)""", text):
        cells = [c.strip() for c in body.split(",")]
        if body and text.find(body) + len(body) >= len(text.rstrip()):
            cells = cells[:-1]  # the number at the break may have lost digits
        numbers = [value(c) for c in cells]
        if numbers and canonical(name)[0]:
            found.setdefault(name, numbers)
    shortest = min((len(v) for v in found.values()), default=0)
    return {k: v[:shortest] for k, v in found.items()}


def _runs(item: Any, name: str = "") -> Iterator[Table]:
    """Every dict of curves inside a document, however deep."""
    if isinstance(item, list):
        histories = [x for x in item if _curves(x)] if all(isinstance(x, dict) for x in item) else []
        for i, x in enumerate(histories):
            facts = _facts(x)
            said = [
                str(x[k])
                for k in x
                if k not in _curves(x) and isinstance(x[k], str | int) and k not in (*SEEDS, "epochs")
            ]
            label = " ".join([name, *said]).strip()
            yield Table(_curves(x), f"{label} {i + 1}".strip(), {**facts, "variant": label} if label else facts)
    elif isinstance(item, dict):
        curves = _curves(item)
        if curves:
            yield Table(curves, name, _facts(item))
            return
        for key, inner in item.items():
            if isinstance(inner, dict | list):
                yield from _runs(inner, name if key in ("history", "History") else f"{name} {key}".strip())


def _facts(item: dict[str, Any]) -> dict[str, Any]:
    """What a dict of curves says beside them."""
    seed = next((item[k] for k in SEEDS if isinstance(item.get(k), int)), None)
    return {} if seed is None else {"seed": seed}


def _curves(item: Any) -> dict[str, list[float | None]]:
    """The curves in a dict, `{"loss": [..]}` or pandas's `{"loss": {"0": ..}}`; empty where there are none."""
    if not isinstance(item, dict):
        return {}
    out = {}
    for key, column in item.items():
        cells = list(column.values()) if isinstance(column, dict) else column
        if isinstance(cells, list) and cells and all(c is None or isinstance(c, str | int | float) for c in cells):
            numbers = [value(c) for c in cells]
            if any(n is not None for n in numbers) and canonical(str(key))[0]:
                out[str(key)] = numbers
    longest = max((len(v) for v in out.values()), default=0)
    if not any(canonical(k)[0].endswith(("loss", "accuracy")) for k in out):
        return {}
    return {k: v + [None] * (longest - len(v)) for k, v in out.items()}


def _records(items: Iterable[Any]) -> list[Table]:
    """Epochs as dicts, `[{"epoch": 1, "loss": ..}, ...]`."""
    rows = [x for x in items if isinstance(x, dict)]
    rows = [{**{k: v for k, v in x.items() if not isinstance(v, dict)}, **_flat(x)} for x in rows]
    names = dict.fromkeys(str(k) for x in rows for k in x)
    labels = {n: [str(x.get(n, "")) for x in rows] for n in names if n.lower() in LABELS}
    columns = {n: [value(x.get(n)) for x in rows] for n in names if n not in labels}
    if not any(canonical(n)[0].endswith(("loss", "accuracy")) for n in columns):
        return []
    return parted(Table(columns), labels)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Nested dicts, `{"train": {"loss": ..}}`, as `train/loss`."""
    return {f"{k}/{j}": v for k, inner in row.items() if isinstance(inner, dict) for j, v in inner.items()}
