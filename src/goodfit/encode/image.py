"""Images to arrays between 0 and 1."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np

from goodfit.data.sources.image_folder import pillow, require_room
from goodfit.data.sources.memory import as_rows
from goodfit.encode.base import Encoder
from goodfit.errors import DataError

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a grey image (ITU-R BT.601)."""


@final
class ImageEncoder(Encoder):
    """Images of one size, by default scaled to [0, 1], the channels last.

    Args:
        size: Height and width that images are brought to; None leaves them.
        channels: 1 for grey images, 3 for colour; None leaves them.
        rank: Axes of an encoded image: 3 for `(height, width, channels)`, 2 for `(height, width)` of grey ones, 1 for a
            row of pixels.
        scaled: Whether to scale; a model that scales by itself takes pixels as they are.
    """

    kind = "image"

    def __init__(
        self,
        *,
        size: tuple[int, int] | None = None,
        channels: int | None = None,
        rank: int = 3,
        scaled: bool = True,
    ):
        self.size, self.rank, self.scaled = size, rank, scaled
        self.channels = 1 if rank == 2 else channels
        self.shape: tuple[int, ...] = ()
        self.bytes = True
        self.low = 0.0
        self.high = 255.0

    def fit(self, rows: Any) -> Self:
        """Learn the size, and the range where the pixels are not bytes."""
        x = _images(rows)
        self.shape = (*(self.size or x.shape[1:3]), self.channels or x.shape[3])
        self.bytes = x.dtype == np.uint8
        require_room(len(x), self.shape, 4 * len(x) * int(np.prod(self.shape)))
        if self.shape[:2] != x.shape[1:3]:
            sizes = [" x ".join(map(str, s[:2])) for s in (x.shape[1:], self.shape)]
            self.notes = (f"Images of {sizes[0]} were brought to {sizes[1]} for the network.",)
        if not self.bytes:
            with np.errstate(invalid="ignore"):
                there = x[np.isfinite(x)]
            self.low, self.high = (float(there.min()), float(there.max())) if there.size else (0.0, 0.0)
        if self.low == self.high:
            raise DataError("all pixels are the same", expected="images")
        return self

    def transform(self, rows: Any) -> np.ndarray:
        """Bring images to the size and scale them."""
        x = _images(rows) if len(rows) else np.empty((0, *self.shape), np.uint8)
        if x.shape[1:] != self.shape:
            x = self._resized(x)
        if self.scaled:
            pixels = np.subtract(x, self.low, dtype=np.float32)
            pixels *= np.float32(1 / (self.high - self.low))
        else:
            pixels = x.astype(np.float32)
        if x.dtype.kind == "f":
            pixels = np.clip(np.nan_to_num(pixels), *((0, 1) if self.scaled else (self.low, self.high)))
        shapes = {1: (len(x), x[0].size if len(x) else int(np.prod(self.shape))), 2: x.shape[:3], 3: x.shape}
        return pixels.reshape(shapes[self.rank])

    def _resized(self, x: np.ndarray) -> np.ndarray:
        """Images of another size or with other channels, bilinear; bytes stay bytes, other numbers become float32."""
        fits = x.shape[3] == self.shape[2] or {x.shape[3], self.shape[2]} == {1, 3}
        if (x.dtype == np.uint8) != self.bytes or not fits:
            raise DataError("images of another shape", expected=str(self.shape), received=str(x.shape[1:]))
        if x.shape[3] == 3 and self.shape[2] == 1:
            grey = x @ np.array(LUMA, np.float32)
            x = (np.rint(grey).astype(np.uint8) if self.bytes else grey)[..., None]
        elif x.shape[3] == 1:
            x = np.broadcast_to(x, (*x.shape[:3], self.shape[2]))
        if x.shape[1:] == self.shape:
            return x
        pil, size = pillow(), (self.shape[1], self.shape[0])
        out = np.empty((len(x), *self.shape), np.uint8 if self.bytes else np.float32)
        for image, small in zip(x, out, strict=True):
            for c in range(image.shape[2]):
                whole = pil.fromarray(np.ascontiguousarray(image[:, :, c], dtype=out.dtype))
                small[:, :, c] = np.asarray(whole.resize(size, pil.Resampling.BILINEAR))
        return out

    @property
    def feature_names(self) -> list[str]:
        """`row, column, channel` of each pixel."""
        return [f"pixel {','.join(map(str, i))}" for i in np.ndindex(*self.shape)]

    def to_dict(self) -> dict[str, Any]:
        """Size and range."""
        keys = ("kind", "rank", "scaled", "bytes", "low", "high")
        return {**{k: getattr(self, k) for k in keys}, "shape": list(self.shape)}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """Back from `to_dict`."""
        encoder = cls(rank=d["rank"], scaled=d["scaled"])
        encoder.shape, encoder.bytes = tuple(d["shape"]), d["bytes"]
        encoder.low, encoder.high = d["low"], d["high"]
        return encoder


def _images(rows: Any) -> np.ndarray:
    """Rows as `(rows, height, width, channels)`."""
    x = as_rows(rows)
    if not isinstance(x, np.ndarray) or x.ndim not in (3, 4):
        raise DataError(
            "the rows are no images", expected="shape (rows, height, width) or (rows, height, width, channels)"
        )
    return x if x.ndim == 4 else x[..., None]
