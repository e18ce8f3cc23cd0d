"""One folder of images per class, with or without `train/` and `test/` above."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from goodfit import memory
from goodfit.data.sources.quiet import quiet
from goodfit.data.sources.raw import Raw
from goodfit.data.sources.text_folder import walk
from goodfit.errors import DataError, UsageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
"""Image files that are read."""

DEFAULT = (128, 128)
"""Height and width where sizes differ and none of them is that of most images."""

SMALL = 64
"""Pixels a side that are advised where there is no memory for more."""

LARGEST = 8e9
"""Bytes of all images together that are held in memory."""


def read(path: Path, size: tuple[int, int] | None = None) -> Raw:
    """Images of one size as uint8, shape `(rows, height, width, channels)`; damaged ones are left out and counted.

    Args:
        path: The folder.
        size: Height and width; the size of most images where None.
    """
    files, labels, test, notes = walk(path, SUFFIXES)
    if not files:
        return Raw(np.empty((0, 0)))
    images, good = load(files, size, notes)
    if not good.all():
        count = int((~good).sum())
        were = "1 damaged image was" if count == 1 else f"{count:,} damaged images were"
        notes.append(f"{were} left out (the first: {files[good.argmin()].name}).")
    raw = Raw(images, pl.Series("label", labels).filter(pl.Series(good)), "label", notes=notes)
    raw.name = path.resolve().name
    raw.test = None if test is None else test[good]
    return raw


@quiet()
def load(files: list[Path], size: tuple[int, int] | None, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The images that can be decoded, all of one size, and which of `files` these are, bool `(files,)`."""
    image = pillow()
    sizes, modes, good = Counter[tuple[int, int]](), set(), np.zeros(len(files), bool)
    for i, file in enumerate(files):
        with suppress(Exception), image.open(file) as opened:  # whatever damaged bytes make Pillow raise
            sizes[(opened.height, opened.width)] += 1
            modes.add(opened.mode)
            good[i] = True
    count = int(good.sum())
    if size is None:
        most, times = max(sizes.items(), key=lambda item: item[1], default=(DEFAULT, 0))
        size = most if times * 2 > count else DEFAULT
        if len(sizes) > 1:
            notes.append(f"Images of {len(sizes):,} sizes were brought to {size[0]} x {size[1]}.")
    mode = "L" if modes <= {"1", "L"} else "RGB"
    require_room(count, size, count * size[0] * size[1] * len(mode), LARGEST)
    images, kept = np.empty((count, *size, len(mode)), np.uint8), 0
    for i in np.flatnonzero(good).tolist():
        good[i] = False
        with suppress(Exception), image.open(files[i]) as opened:
            images[kept] = pixels(opened, size, mode)
            good[i] = True
            kept += 1
    if not kept:
        raise DataError(f"none of the {len(files):,} image files can be decoded", received=str(files[0]))
    return images[:kept], good


def require_room(count: int, size: tuple[int, ...], need: int, most: float = float("inf")) -> None:
    """Check that images can be held; small ones are left to the plan of what is trained on them.

    Args:
        count: How many.
        size: Height and width.
        need: Bytes of all.
        most: Bytes that are held at the most, however much memory there is.

    Raises:
        DataError: They cannot.
    """
    there, large = memory.available(), max(size[:2]) > SMALL
    if need > most or (large and need > there):
        more = ", or give more memory (--memory)" if need <= most else ""
        raise DataError(
            f"{count:,} images of {size[0]} x {size[1]} do not fit into memory",
            expected=memory.shown(need),
            received=memory.shown(int(min(there, most))),
            fix=f"Make them smaller (--image-size {SMALL}){more}." if large else "Take a sample of them.",
        )


def pixels(opened: Any, size: tuple[int, int], mode: str) -> np.ndarray:
    """A Pillow image, turned upright as its camera noted, as uint8 `(height, width, channels)`."""
    from PIL import ImageOps

    image = ImageOps.exif_transpose(opened).convert(mode)
    if (image.height, image.width) != size:
        image = image.resize((size[1], size[0]), pillow().Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8).reshape(*size, len(mode))


def pillow() -> Any:
    """`PIL.Image`, loaded only where images are read."""
    try:
        from PIL import Image
    except ImportError:
        raise UsageError("images in folders need Pillow", fix="Install it: pip install pillow") from None
    return Image
