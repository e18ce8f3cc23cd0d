"""One folder of images per class, with or without `train/` and `test/` above."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from goodfit.data.sources.raw import Raw
from goodfit.data.sources.text_folder import walk
from goodfit.errors import DataError, UsageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
"""Image files that are read."""

DEFAULT = (128, 128)
"""Height and width where sizes differ and none of them is that of most images."""

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
    if len(good) < len(files):
        bad = next(files[i].name for i in range(len(files)) if i not in set(good))
        notes.append(f"{len(files) - len(good):,} damaged images were left out (the first: {bad}).")
    raw = Raw(images, pl.Series("label", [labels[i] for i in good]), "label", notes=notes, name=path.resolve().name)
    raw.test = None if test is None else test[good]
    return raw


def load(files: list[Path], size: tuple[int, int] | None, notes: list[str]) -> tuple[np.ndarray, list[int]]:
    """The images that can be decoded, all of one size, and their positions in `files`."""
    image = pillow()
    sizes, modes, good = Counter[tuple[int, int]](), set(), []
    for i, file in enumerate(files):
        try:
            with image.open(file) as opened:
                sizes[(opened.height, opened.width)] += 1
                modes.add(opened.mode)
                good.append(i)
        except (OSError, ValueError, SyntaxError, image.DecompressionBombError):
            continue
    if not good:
        raise DataError(f"none of the {len(files):,} image files can be decoded", received=str(files[0]))
    if size is None:
        (most, count), different = sizes.most_common(1)[0], len(sizes)
        size = most if count * 2 > len(good) else DEFAULT
        if different > 1:
            notes.append(f"Images of {different:,} sizes were brought to {size[0]} x {size[1]}.")
    mode = "L" if modes <= {"1", "L"} else "RGB"
    if len(good) * size[0] * size[1] * len(mode) > LARGEST:
        raise DataError(
            f"{len(good):,} images of {size[0]} x {size[1]} do not fit into memory",
            fix="Make them smaller: --image-size 64.",
        )
    images = np.empty((len(good), *size, len(mode)), np.uint8)
    kept: list[int] = []
    for i in good:
        try:
            with image.open(files[i]) as opened:
                images[len(kept)] = pixels(opened, size, mode)
            kept.append(i)
        except (OSError, ValueError, SyntaxError):
            continue
    return images[: len(kept)], kept


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
