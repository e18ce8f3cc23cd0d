"""The study folder: an append-only journal that survives `kill -9`, and the files made from it.

`journal.jsonl` holds one JSON object a line, each written with one call and synced before training goes on. Its first
line says what is studied; opening the folder for anything else is an error. A torn last line (the process died while
writing it) is cut off on opening. Everything else in the folder can be made again from it.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from goodfit.errors import StudyError, first_line

JOURNAL = "journal.jsonl"


class Folder:
    """A study's folder, opened for one study. As a context it is opened again if need be, and closed at the end.

    Args:
        path: The folder; made if it is not there.
        identity: What fixes the study's numbers, as JSON holds it: a tuple is a list. A folder that holds a study with
            another identity is refused.

    Raises:
        StudyError: The folder holds another study or other files, is in use, or cannot be written.
    """

    def __init__(self, path: str | Path, identity: dict[str, Any]):
        self.path = Path(path)
        self.identity = json.loads(json.dumps(identity))
        self.within = 0
        self.open()

    def open(self) -> None:
        """Lock the folder and read its journal."""
        self.events: list[dict[str, Any]] = []
        with writing(self.path):
            if self.path.exists() and not self.path.is_dir():
                raise StudyError(f"{self.path} is a file", expected="a folder for the study", fix="Name another --out.")
            self.path.mkdir(parents=True, exist_ok=True)
            journal = self.path / JOURNAL
            strange = [p.name for p in self.path.iterdir() if not p.name.startswith(".")]
            if strange and not journal.exists():
                raise StudyError(
                    f"{self.path} is not empty and holds no study",
                    expected="an empty or new folder, or this study's own",
                    received=", ".join(sorted(strange)[:3]) + (", ..." if len(strange) > 3 else ""),
                    fix="Name another --out.",
                )
            self._file = journal.open("ab", buffering=0)  # a failed write must not be tried again on closing
        try:
            self._lock()
            self._read(journal)
            if len(self.events) == 1 and self.events[0].get("identity") != self.identity:
                self._file.truncate(0)  # nothing was done in it yet
                self.events = []
            if not self.events:
                self.append({"event": "study", "identity": self.identity})
            elif (held := self.events[0].get("identity")) != self.identity:
                raise StudyError(
                    f"{self.path} holds another study",
                    expected="this study's own folder, or a new one",
                    received=_difference(held or {}, self.identity),
                    fix="Name another --out, or give the options that study was started with.",
                )
        except StudyError:
            self.close()
            raise

    @property
    def closed(self) -> bool:
        """Whether others may use it."""
        return self._file.closed

    def __enter__(self) -> Folder:
        if self.closed:
            self.open()
        self.within += 1
        return self

    def __exit__(self, *error: object) -> None:
        self.within -= 1
        if not self.within:
            self.close()

    def append(self, *events: dict[str, Any]) -> None:
        """Write events to the journal, all or none, and sync."""
        data = "".join(json.dumps(e, ensure_ascii=False, allow_nan=False) + "\n" for e in events).encode()
        with writing(self.path):
            before = os.fstat(self._file.fileno()).st_size
            if self._file.write(data) != len(data):  # the disk took a part of it
                self._file.truncate(before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        self.events.extend(events)

    def find(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """The events of a kind whose fields have these values."""
        return [e for e in self.events if e["event"] == event and all(e.get(k) == v for k, v in fields.items())]

    def write(self, name: str, data: bytes | str) -> Path:
        """Write a file of the folder as a whole: a reader sees the old one or the new one."""
        path = self.path / name
        with writing(self.path):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(path.name + ".part")
            part.write_bytes(data.encode() if isinstance(data, str) else data)
            part.replace(path)
        return path

    def close(self) -> None:
        """Let go of the journal and its lock."""
        self._file.close()

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # no such locks on Windows
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
                raise StudyError(
                    f"{self.path} is in use by another goodfit process", fix="Wait for it to end."
                ) from None

    def _read(self, journal: Path) -> None:
        data = journal.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            self._file.truncate(len(whole))
        self.events = list(parse(whole.splitlines(), journal))


def parse(lines: Iterable[bytes], journal: Path) -> Iterable[dict[str, Any]]:
    """The events of a journal's lines."""
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line)
            event["event"]
        except (ValueError, TypeError, KeyError):
            raise StudyError(
                f"{journal} is damaged in line {number}",
                expected="one JSON object a line",
                fix="Start the study anew in another folder.",
            ) from None
        yield event


@contextmanager
def writing(path: Path) -> Any:
    """Turn the system's refusals to write into a `StudyError`."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            what, fix = "the disk is full", "Make room and give the same command again: it goes on where it was."
        else:
            what, fix = f"{path} cannot be written: {error.strerror or first_line(error)}", "Name another --out."
        raise StudyError(what, fix=fix) from None


def read_study(path: str | Path) -> dict[str, Any]:
    """`study.json` of a folder.

    Raises:
        StudyError: There is none, or it is not one.
    """
    file = Path(path) / "study.json"
    if not file.is_file():
        started = (Path(path) / JOURNAL).is_file()
        raise StudyError(
            f"{path} holds no finished study" if started else f"{path} holds no study",
            expected="a folder that goodfit fit has written",
            fix="Give its goodfit fit command again: it goes on where it was." if started else "",
        )
    try:
        study = json.loads(file.read_text("utf-8"))
        for variant in study["variants"]:
            variant["name"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise StudyError(f"{file} is damaged", fix="Give the study's command again to write it anew.") from None
    return dict(study)


def _difference(held: dict[str, Any], identity: dict[str, Any]) -> str:
    """The first thing in which two identities differ, for a message."""
    for key in identity:
        if held.get(key) != identity[key]:
            a, b = held.get(key), identity[key]
            if isinstance(a, dict) and isinstance(b, dict):
                return _difference(a, b)
            known = {"fingerprint": "other data", "model": "another model, or one compiled otherwise"}
            return known.get(key) or f"{key} {_short(a)} there, {_short(b)} here"
    return "other options"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
