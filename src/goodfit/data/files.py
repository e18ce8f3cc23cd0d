"""Which source reads a path: by extension, else by content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from goodfit.data.sources import decode, delimited, idx, image_folder, jsonl, labelled_lines, npz, parquet, text_folder
from goodfit.data.sources.raw import Raw
from goodfit.errors import DataError, beside

READERS: dict[str, Callable[[Path, str | None], Raw]] = {
    ".csv": delimited.read,
    ".tsv": delimited.read,
    ".tab": delimited.read,
    ".jsonl": jsonl.read,
    ".ndjson": jsonl.read,
    ".json": jsonl.read,
    ".parquet": parquet.read,
    ".pq": parquet.read,
    ".npz": npz.read,
}
"""Extension to reader."""

KNOWN = "CSV, TSV, JSONL, Parquet, .npz, IDX, or a folder with one folder of .txt files or images per class"


def open_path(path: Path, encoding: str | None = None, image_size: tuple[int, int] | None = None) -> Raw:
    """Read a file or folder, whatever it is."""
    if path.is_dir():
        return _open_folder(path, encoding, image_size)
    if not path.exists():
        raise DataError(f"{path} does not exist", expected="a file, a folder or a built-in name", fix=beside(path))
    if idx.fits(path):
        return idx.read(path)
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


def _open_folder(path: Path, encoding: str | None, image_size: tuple[int, int] | None) -> Raw:
    if idx.fits(path):
        return idx.read(path)
    texts, images = (len(text_folder.walk(path, s)[0]) for s in (text_folder.SUFFIXES, image_folder.SUFFIXES))
    if texts or images:
        more = texts >= images
        raw = text_folder.read(path, encoding) if more else image_folder.read(path, image_size)
        if fewer := min(texts, images):
            were = "file was" if fewer == 1 else "files were"
            kinds = ("image", "texts") if more else (".txt", "images")
            raw.notes.append(f"{fewer:,} {kinds[0]} {were} left out: most files are {kinds[1]}.")
        return raw
    inside = sorted(p for p in path.iterdir() if not p.name.startswith("."))
    tables = [p.name for p in inside if p.suffix.lower() in READERS]
    shown = ", ".join(p.name + ("/" if p.is_dir() else "") for p in inside[:5])
    raise DataError(
        f"{path} is a folder without classes",
        expected="one folder per class with .txt files or images inside, train/ and test/ above if there are both",
        received=shown + (", ..." if len(inside) > 5 else "") if inside else "an empty folder",
        fix=f"Name the file itself: {path / tables[0]}" if tables else "",
    )


def flat_folder(
    path: Path, encoding: str | None, image_size: tuple[int, int] | None
) -> pl.DataFrame | np.ndarray | None:
    """Texts or images that lie in one folder without classes, sorted by name; None where there are none."""
    files = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
    texts = [p for p in files if p.suffix.lower() in text_folder.SUFFIXES]
    images = [p for p in files if p.suffix.lower() in image_folder.SUFFIXES]
    if texts and len(texts) >= len(images):
        return pl.DataFrame({"file": [p.name for p in texts], "text": [text_folder.text(p, encoding) for p in texts]})
    if not images or idx.fits(path):
        return None
    notes: list[str] = []
    found, good = image_folder.load(images, image_size, notes)
    if not good.all():
        raise DataError(f"{images[good.argmin()]} is a damaged image")
    return found
