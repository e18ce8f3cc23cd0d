"""A file's bytes as clean UTF-8, or one line that says why not."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from pathlib import Path

import polars as pl

from goodfit.errors import DataError, UsageError

MAGIC = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file"),
    (b"PAR1", "a Parquet file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89HDF", "an HDF5 file"),
)
"""First bytes of common files that are no text."""

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, the longer before those they begin with."""


def read_bytes(path: Path) -> bytes:
    """The whole file, unpacked where it is gzip; an unreadable or empty one is a `DataError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read", received=error.strerror or str(error)) from None
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is a damaged gzip file", received=str(error)) from None
        if data[257:262] == b"ustar":
            raise DataError(
                f"{path} is a tar archive", expected="a file or a folder", fix="Unpack it and name what it holds."
            )
    if not data.strip(b"\0\xef\xbb\xbf\xff\xfe \t\r\n"):
        raise DataError(f"{path} is empty", expected="a header line and rows")
    return data


def utf8(path: Path, encoding: str | None = None) -> bytes:
    """A text file's content as UTF-8 without a byte order mark.

    Without `encoding` it must be UTF-8, or begin with a byte order mark that names what it is: a wrong guess
    would garble every accented word without a trace.
    """
    data = read_bytes(path)
    if encoding is not None:
        return _recoded(data, encoding, path)
    for mark, name in BOMS:
        if data.startswith(mark):
            return data[len(mark) :] if name == "utf-8" else _recoded(data, name, path)
    reject_binary(data, path)
    try:
        pl.Series([data], dtype=pl.Binary).cast(pl.String)
    except pl.exceptions.PolarsError:
        _reject_encoding(data, path)
    return data


def looked_through(path: Path) -> tuple[bytes, int] | None:
    """A large file's first bytes and the number of its quotes, all of it being UTF-8; read a block at a time.

    None for what has to be unpacked or recoded first.
    """
    decoder, quotes, lines, head = codecs.getincrementaldecoder("utf-8")(), 0, 0, b""
    with path.open("rb") as file:
        while block := file.read(1 << 24):
            if not head:
                head = block[:65536]
                if head[:2] == b"\x1f\x8b" or any(head.startswith(mark) for mark, _ in BOMS):
                    return None
                reject_binary(head, path)
            rest = decoder.getstate()[0]
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                _reject_encoding(rest + block, path, lines)
            quotes += block.count(b'"')
            lines += block.count(b"\n")
    return head, quotes


def reject_binary(data: bytes, path: Path) -> None:
    """Raise a `DataError` where the bytes are no text at all."""
    head = data[:65536]
    known = next((name for magic, name in MAGIC if head.startswith(magic)), None)
    odd = sum(head.count(c) for c in (*range(9), *range(14, 27), *range(28, 32)))
    if known is None and odd <= len(head) // 50 and 0 not in head:
        return
    raise DataError(
        f"{path} is a binary file",
        expected="text (CSV, TSV, JSONL) or Parquet",
        received=known or "bytes that are no text",
        fix="Save it as CSV (UTF-8) or Parquet.",
    )


def _recoded(data: bytes, encoding: str, path: Path) -> bytes:
    wide = re.match(r"utf_?(16|32)", encoding.lower().replace("-", "_"))
    if wide and 0 not in data and b"\n" in data and not data.startswith(tuple(mark for mark, _ in BOMS[1:])):
        raise DataError(
            f"{path} does not read as {encoding}",
            expected=f"{int(wide[1]) // 8} bytes a character, so a byte of 0 in every separator and line end",
            received="no byte of 0",
            fix="Name its real encoding with --encoding; UTF-8 needs none.",
        )
    try:
        return data.decode(encoding).removeprefix("\ufeff").encode()
    except LookupError:
        raise UsageError(f"unknown encoding {encoding!r}", expected="a name such as utf-8, cp1252 or gbk") from None
    except UnicodeError as error:
        at = getattr(error, "start", 0)
        raise DataError(
            f"{path} is not {encoding}",
            received=f"byte 0x{data[at]:02x} in line {data.count(10, 0, at) + 1}",
            fix="Name its real encoding with --encoding.",
        ) from None


def _reject_encoding(data: bytes, path: Path, before: int = 0) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        at, line = error.start, before + data.count(b"\n", 0, error.start) + 1
        begin = data.rfind(b"\n", 0, at) + 1
        around = data[max(begin, at - 20) : at + 10].split(b"\n")[0].decode("latin-1").strip()
        raise DataError(
            f"{path} is not UTF-8 text",
            received=f"byte 0x{data[at]:02x} in line {line} ({around!r} if it is Western European)",
            fix="Name its encoding, e.g. --encoding cp1252 (files from Windows and Excel), or save it as UTF-8.",
        ) from None
