"""Which source reads a path: by extension, else by content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from goodfit.data.sources import decode, delimited, jsonl, labelled_lines, parquet, text_folder
from goodfit.data.sources.raw import Raw
from goodfit.errors import DataError, near

READERS: dict[str, Callable[[Path, str | None], Raw]] = {
    ".csv": delimited.read,
    ".tsv": delimited.read,
    ".tab": delimited.read,
    ".jsonl": jsonl.read,
    ".ndjson": jsonl.read,
    ".json": jsonl.read,
    ".parquet": parquet.read,
    ".pq": parquet.read,
}
"""Extension to reader."""

KNOWN = "CSV, TSV, JSONL, Parquet, or a folder with one folder of .txt files per class"


def open_path(path: Path, encoding: str | None = None) -> Raw:
    """Read a file or folder, whatever it is."""
    if path.is_dir():
        return _open_folder(path, encoding)
    if not path.exists():
        raise DataError(f"{path} does not exist", expected="a file, a folder or a built-in name", fix=_beside(path))
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    reader = READERS.get(suffixes[-1] if suffixes else "") or _by_content(path, encoding)
    return reader(path, encoding)


def _by_content(path: Path, encoding: str | None) -> Callable[[Path, str | None], Raw]:
    head = decode.read_bytes(path)[:65536]
    if head.startswith(b"PAR1"):
        return parquet.read
    if encoding is None and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        decode.reject_binary(head, path)
    if head.lstrip()[:1] == b"{":
        return jsonl.read
    if labelled_lines.fits(head):
        return labelled_lines.read
    separator = delimited.sniff(head)
    if separator in head.split(b"\n")[0].decode(errors="replace"):
        return delimited.read
    raise DataError(
        f"{path} is of no known kind", expected=KNOWN, received=f"{path.suffix or 'no extension'} and no columns inside"
    )


def _open_folder(path: Path, encoding: str | None) -> Raw:
    raw = text_folder.read(path, encoding)
    if len(raw.rows):
        return raw
    inside = sorted(p for p in path.iterdir() if not p.name.startswith("."))
    tables = [p.name for p in inside if p.suffix.lower() in READERS]
    shown = ", ".join(p.name + ("/" if p.is_dir() else "") for p in inside[:5])
    raise DataError(
        f"{path} is a folder without classes",
        expected="one folder per class with .txt files inside (and train/ and test/ above, if there are both)",
        received=shown + (", ..." if len(inside) > 5 else "") if inside else "an empty folder",
        fix=f"Name the file itself: {path / tables[0]}" if tables else "",
    )


def _beside(path: Path) -> str:
    try:
        return near(path.name, sorted(p.name for p in path.parent.iterdir() if not p.name.startswith(".")))
    except OSError:
        return ""
