"""Images to arrays between 0 and 1."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np

from goodfit.data.sources.image_folder import pillow
from goodfit.data.sources.memory import as_rows
from goodfit.encode.base import Encoder
from goodfit.errors import DataError


@final
class ImageEncoder(Encoder):
    """Images of one size, scaled to [0, 1], the channels last.

    Args:
        flat: Whether an image becomes one row of pixels (for dense networks), shape `(rows, pixels)`; otherwise
            `(rows, height, width, channels)`.
    """

    kind = "image"

    def __init__(self, *, flat: bool = False):
        self.flat = flat
        self.shape: tuple[int, ...] = ()
        self.low = 0.0
        self.high = 255.0

    def fit(self, rows: Any) -> Self:
        """Learn the size, and the range where the pixels are not bytes."""
        x = _images(rows)
        self.shape = x.shape[1:]
        if x.dtype != np.uint8:
            with np.errstate(invalid="ignore"):
                there = x[np.isfinite(x)]
            self.low, self.high = (float(there.min()), float(there.max())) if there.size else (0.0, 0.0)
        if self.low == self.high:
            raise DataError("all pixels are the same", expected="images")
        return self

    def transform(self, rows: Any) -> np.ndarray:
        """Scale images; those of another size are resized where they are bytes."""
        x = _images(rows) if len(rows) else np.empty((0, *self.shape), np.uint8)
        if x.shape[1:] != self.shape:
            x = self._resized(x)
        scaled = np.subtract(x, self.low, dtype=np.float32)
        scaled *= np.float32(1 / (self.high - self.low))
        if x.dtype.kind == "f":
            scaled = np.clip(np.nan_to_num(scaled), 0, 1)
        return scaled.reshape(len(x), -1) if self.flat else scaled

    def _resized(self, x: np.ndarray) -> np.ndarray:
        if x.dtype != np.uint8 or x.shape[3] not in (1, 3) or self.shape[2] not in (1, 3):
            raise DataError("images of another shape", expected=str(self.shape), received=str(x.shape[1:]))
        pil, mode = pillow(), "L" if self.shape[2] == 1 else "RGB"
        out = np.empty((len(x), *self.shape), np.uint8)
        for i, image in enumerate(x):
            whole = pil.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).convert(mode)
            small = whole.resize((self.shape[1], self.shape[0]), pil.Resampling.BILINEAR)
            out[i] = np.asarray(small).reshape(self.shape)
        return out

    @property
    def feature_names(self) -> list[str]:
        """`row, column, channel` of each pixel."""
        return [f"pixel {','.join(map(str, i))}" for i in np.ndindex(*self.shape)]

    def to_dict(self) -> dict[str, Any]:
        """Size and range."""
        return {"kind": self.kind, "flat": self.flat, "shape": list(self.shape), "low": self.low, "high": self.high}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """Back from `to_dict`."""
        encoder = cls(flat=d["flat"])
        encoder.shape, encoder.low, encoder.high = tuple(d["shape"]), d["low"], d["high"]
        return encoder


def _images(rows: Any) -> np.ndarray:
    """Rows as `(rows, height, width, channels)`."""
    x = as_rows(rows)
    if not isinstance(x, np.ndarray) or x.ndim not in (3, 4):
        raise DataError(
            "the rows are no images", expected="shape (rows, height, width) or (rows, height, width, channels)"
        )
    return x if x.ndim == 4 else x[..., None]
