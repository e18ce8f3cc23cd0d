"""TensorBoard event files: TFRecord frames of protobuf messages, read with the standard library and NumPy only.

Formats: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/event.proto and `summary.proto`,
`tensor.proto` beside it; the frame is length (8 bytes), its checksum (4), the message, its checksum (4).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from goodfit.errors import LogError
from goodfit.logs.base import Format, Log, Table
from goodfit.logs.names import STEP

Field = tuple[int, int, int | bytes]


class TensorBoard(Format):
    """Scalars of one event file; files of one run (`train/`, `validation/`) are joined by the folder search."""

    name = "TensorBoard events"

    def matches(self, log: Log) -> bool:
        """A frame whose message begins with a wall time, as all events do."""
        if len(log.head) < 24:
            return False
        length, tag = struct.unpack("<Q", log.head[:8])[0], log.head[12]
        return 9 <= length < 2**31 and tag == 0x09

    def read(self, log: Log) -> list[Table]:
        """One table with a row for each step."""
        rows: dict[int, dict[str, float]] = {}
        whole = True
        for message in _frames(log.data):
            if message is None:
                whole = False
                break
            step, scalars = _event(message)
            for tag, number in scalars:
                rows.setdefault(step, {})[tag] = number
        names = dict.fromkeys(t for row in rows.values() for t in row)
        if not names:
            raise LogError("the event file holds no scalars", received=str(log.path))
        columns: dict[str, list[float | None]] = {n: [rows[s].get(n) for s in sorted(rows)] for n in names}
        return [
            Table(
                {STEP: [float(s) for s in sorted(rows)], **columns},
                notes=[] if whole else ["the event file breaks off"],
            )
        ]


def _frames(data: bytes) -> Iterator[bytes | None]:
    """The messages of a TFRecord file; None where it breaks off."""
    at = 0
    while at < len(data):
        if at + 12 > len(data):
            yield None
            return
        (length,) = struct.unpack_from("<Q", data, at)
        if at + 16 + length > len(data):
            yield None
            return
        yield data[at + 12 : at + 12 + length]
        at += 16 + length


def _fields(message: bytes) -> Iterator[Field]:
    """Number, wire type and content of each field of a protobuf message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        content: int | bytes
        if wire == 0:
            content, at = _varint(message, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            content, at = message[at : at + size], at + size
        elif wire == 2:
            size, at = _varint(message, at)
            content, at = message[at : at + size], at + size
        else:
            return
        yield key >> 3, wire, content


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer and where it ends."""
    number = shift = 0
    while at < len(message):
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return number, at


def _event(message: bytes) -> tuple[int, list[tuple[str, float]]]:
    """Step and scalars of an `Event`: field 2 is the step, field 5 the summary."""
    step, scalars = 0, []
    for number, _, content in _fields(message):
        if number == 2 and isinstance(content, int):
            step = content
        elif number == 5 and isinstance(content, bytes):
            scalars += [
                s for n, _, part in _fields(content) if n == 1 and isinstance(part, bytes) and (s := _scalar(part))
            ]
    return step, scalars


def _scalar(message: bytes) -> tuple[str, float] | None:
    """Tag and number of a `Summary.Value`: field 1 is the tag, 2 a float, 8 a tensor; None for no scalar."""
    tag, number = "", None
    for field, wire, content in _fields(message):
        if field == 1 and isinstance(content, bytes):
            tag = content.decode("utf-8", errors="replace")
        elif field == 2 and wire == 5 and isinstance(content, bytes) and len(content) == 4:
            number = struct.unpack("<f", content)[0]
        elif field == 8 and isinstance(content, bytes):
            number = _tensor(content)
    return None if number is None or not tag else (tag, float(number))


def _tensor(message: bytes) -> float | None:
    """The number in a `TensorProto` of one element: field 1 is its type, 4 raw bytes, 5 floats, 6 doubles, 7 ints."""
    kinds = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}
    kind, raw, number = "", b"", None
    for field, wire, content in _fields(message):
        if field == 1 and isinstance(content, int):
            kind = kinds.get(content, "")
        elif field == 4 and isinstance(content, bytes):
            raw = content
        elif field in (5, 6) and isinstance(content, bytes):
            size, code = (4, "<f") if field == 5 else (8, "<d")
            number = struct.unpack(code, content)[0] if len(content) == size else None
        elif field in (7, 10) and wire == 0 and isinstance(content, int):
            number = float(content)
    if kind and raw and len(raw) == np.dtype(kind).itemsize:
        number = float(np.frombuffer(raw, kind)[0])
    return number
