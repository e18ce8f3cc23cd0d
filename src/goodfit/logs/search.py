"""`read`: from paths to histories, the format found by content, folders searched, seeds of a variant joined."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from goodfit.errors import LogError, beside
from goodfit.history import History
from goodfit.logs.base import Format, Log, Table
from goodfit.logs.formats import FORMATS
from goodfit.logs.mlflow import is_run, read_run
from goodfit.logs.names import STEP
from goodfit.logs.runs import histories
from goodfit.logs.tensorboard import TensorBoard

_SKIPPED = {"node_modules", "site-packages", "__pycache__"}
_LARGE = 64 * 2**20
"""A file of this many bytes in a folder is data, and not looked into."""
_SEED = re.compile(r"(seed|repeat|fold)[ _=-]?\d+", re.I)
_CHECKPOINT = re.compile(r"checkpoint-(\d+)$")
_TRAIN, _VAL = {"train", "training"}, {"validation", "val", "valid", "eval"}


def read(*paths: str | os.PathLike[str]) -> list[History]:
    """Read training logs of any known format.

    Args:
        paths: Files, or folders that are searched.

    Returns:
        A history for each variant: runs are kept apart unless they are seeds of one (a column or parameter `seed`, or
        paths that differ in `seed <number>` only). `meta` holds `source`, `format`, `notes` and what else the log says.

    Raises:
        LogError: A path does not exist, is no log, or a folder holds none.
    """
    found = [h for path in paths for h in _read(Path(path))]
    return _joined(found)


def _read(path: Path) -> list[History]:
    """All runs of one file or folder."""
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise LogError("there is no such log", expected="a file or a folder", received=str(path), fix=beside(path))
    if path.stat().st_size == 0:
        raise LogError("the log is empty", received=str(path))
    log = Log(path)
    try:
        kind = _format(log)
    except OSError as error:
        raise LogError("the log cannot be read", received=f"{path} ({error.strerror})") from None
    if kind is None:
        raise LogError(
            "the file is no training log that goodfit knows",
            expected="curves of a loss or an accuracy as " + ", ".join(f.name for f in FORMATS),
            received=str(path),
        )
    return _told(kind.read(log), str(path), kind.name)


def _format(log: Log) -> Format | None:
    """The first format that knows this content."""
    return next((f for f in FORMATS if f.matches(log)), None)


def _told(tables: Iterable[Table], source: str, kind: str) -> list[History]:
    """Histories of a log's tables, or one clear error where none has curves."""
    out = [h for t in tables for h in histories(t, source=source, format=kind)]
    if not out:
        raise LogError("the log holds no loss and no accuracy", received=source)
    return out


def _folder(root: Path) -> list[History]:
    """All logs under a folder; files of other kinds are passed over."""
    out: list[History] = []
    events: list[Path] = []
    states: dict[Path, list[Path]] = {}
    broken: LogError | None = None
    for path in _walk(root):
        try:
            if path.is_dir():
                tables = read_run(path)
                out += _told(tables, str(path.parent), "MLflow runs") if tables else []
                continue
            log = Log(path)
            kind = _format(log) if 0 < path.stat().st_size < _LARGE else None
            if isinstance(kind, TensorBoard):
                events.append(path)
            elif kind is not None and _CHECKPOINT.search(path.parent.name):
                states.setdefault(path.parent.parent, []).append(path)
            elif kind is not None:
                out += _told(kind.read(log), str(path), kind.name)
        except LogError as error:
            broken = broken or error
        except OSError:
            continue
    for trainer, files in states.items():
        # Each checkpoint repeats the history of those before it; beside the folder's own state none adds anything.
        if not (trainer / files[0].name).is_file():
            out += _read(max(files, key=_step))
    out += _event_runs(events)
    if not out:
        raise broken or LogError("the folder holds no training log", received=str(root))
    return sorted(out, key=lambda h: h.meta["source"])


def _step(path: Path) -> int:
    """The step of a checkpoint folder's name."""
    named = _CHECKPOINT.search(path.parent.name)
    return int(named[1]) if named else 0


def _walk(root: Path) -> Iterator[Path]:
    """Files under a folder in order of their names, and folders that are one MLflow run."""
    for folder, inner, files in os.walk(root):
        here = Path(folder)
        if is_run(here):
            inner.clear()
            yield here
            continue
        inner[:] = sorted(d for d in inner if not d.startswith(".") and d not in _SKIPPED)
        yield from (here / f for f in sorted(files) if not f.startswith("."))


def _event_runs(files: Iterable[Path]) -> list[History]:
    """TensorBoard's files, those of one run joined: `train/` beside `validation/`, and files of one folder."""
    runs: dict[Path, list[Table]] = {}
    reader = TensorBoard()
    for file in files:
        side = file.parent.name.lower()
        split = "train" if side in _TRAIN else "val" if side in _VAL else ""
        try:
            tables = reader.read(Log(file))
        except LogError:
            continue  # an event file that holds a graph only
        for table in tables:
            if split:
                table.columns = {c if c == STEP else f"{split}/{c}": v for c, v in table.columns.items()}
        runs.setdefault(file.parent.parent if split else file.parent, []).extend(tables)
    out = []
    for folder, tables in runs.items():
        for table in _merged(tables):
            out += histories(table, source=str(folder), format=reader.name)
    return out


def _merged(tables: list[Table]) -> list[Table]:
    """Tables of one folder as few runs: what logs other curves or goes on at later steps belongs to the same run."""
    out: list[dict[float, dict[str, float | None]]] = []
    for table in tables:
        steps = table.columns[STEP]
        rows: dict[float, dict[str, float | None]] = {
            float(s or 0): {c: v[i] for c, v in table.columns.items() if c != STEP and v[i] is not None}
            for i, s in enumerate(steps)
        }
        for known in out:
            clash = any(set(rows[s]) & set(known[s]) for s in rows if s in known)
            back = (
                known and min(rows) < max(known) and any(set(r) & set(k) for r in rows.values() for k in known.values())
            )
            if not clash and not back:
                for s, row in rows.items():
                    known.setdefault(s, {}).update(row)
                break
        else:
            out.append(rows)
    tables_out = []
    for i, rows in enumerate(out):
        order = sorted(rows)
        names = dict.fromkeys(c for s in order for c in rows[s])
        columns: dict[str, list[float | None]] = {c: [rows[s].get(c) for s in order] for c in names}
        notes = [n for t in tables for n in t.notes] if i == 0 else []
        tables_out.append(Table({STEP: list(order), **columns}, f"run {i + 1}" if len(out) > 1 else "", notes=notes))
    return tables_out


def _joined(found: list[History]) -> list[History]:
    """Runs that are seeds of one variant as one history."""
    groups: dict[Any, list[History]] = {}
    for i, h in enumerate(found):
        source = _SEED.sub(r"\1*", h.meta["source"])
        many = source != h.meta["source"] or ("seed" in h.meta and "variant" in h.meta)
        key = (source, h.meta.get("variant", h.variant), tuple(sorted(h.curves))) if many else i
        groups.setdefault(key, []).append(h)
    out = []
    for group in groups.values():
        if len(group) == 1:
            out.append(group[0])
            continue
        whole = History.stack(group, group[0].meta.get("variant", group[0].variant))
        if len(set(whole.seeds.tolist())) < whole.runs:
            whole.seeds[:] = range(whole.runs)
        sources = {_SEED.sub(r"\1*", h.meta["source"]) for h in group}
        whole.meta.update(
            source=sources.pop() if len(sources) == 1 else group[0].meta["source"],
            run=whole.variant,
            notes=list(dict.fromkeys(n for h in group for n in h.meta["notes"])),
        )
        out.append(whole)
    return out
