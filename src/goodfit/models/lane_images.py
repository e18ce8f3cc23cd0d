"""Random changes of training images in the lane form: drawn per lane and per row, by the lane's own noise.

Keras's own layers draw one stream for a whole batch from a state, and `RandomCrop` cannot be compiled. Here a draw is
a hash of (seed, step, layer, row) as for dropout; what becomes of an image is what Keras's layer makes of that draw. In
inference mode images pass unchanged, as through Keras's.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import keras

from goodfit.models import noise
from goodfit.models.lane_layers import current

_L = keras.layers


class LaneImages(keras.layers.Layer):
    """A stock augmentation layer with the lane's own draws.

    Args:
        stock: The layer whose factors, fill mode and interpolation are taken.
        salt: Sets its draws apart from those of other layers.
    """

    def __init__(self, stock: keras.layers.Layer, salt: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.salt = salt
        self.output_for = stock.compute_output_shape
        self.first = getattr(stock, "data_format", "channels_last") == "channels_first"
        self.draw, self.transformed = _KINDS[type(stock)](stock)

    def uniform(self, rows: int, which: int, low: float = 0.0, high: float = 1.0) -> jax.Array:
        """The lane's uniform draw of each row, `(rows,)`; `which` tells a layer's several draws apart."""
        return low + (high - low) * noise.uniform(current().drawn(self.salt, which), (rows,))

    def call(self, images: jax.Array, training: bool = False) -> jax.Array:
        """Changed images in training, the images themselves otherwise."""
        images = images.astype(self.compute_dtype)
        if not training:
            return images
        last = jnp.moveaxis(images, 1, -1) if self.first else images
        out = self.transformed(last, self.draw(self, last.shape))
        return jnp.moveaxis(out, -1, 1) if self.first else out

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the stock layer."""
        return self.output_for(input_shape)


def affine(images: jax.Array, matrix: jax.Array, fill_mode: str, fill_value: float, interpolation: str) -> jax.Array:
    """Each image seen through an affine map: pixel (x, y) of the output is the input's at `matrix @ (x, y, 1)`.

    Args:
        images: `(rows, height, width, channels)`.
        matrix: `(rows, 2, 3)`, in pixels.
        fill_mode: What lies outside of an image: `constant`, `nearest`, `reflect` or `wrap`, as in Keras.
        fill_value: For `constant`.
        interpolation: `bilinear` or `nearest`.
    """
    rows, height, width, channels = images.shape
    y, x = jnp.meshgrid(jnp.arange(height, dtype=jnp.float32), jnp.arange(width, dtype=jnp.float32), indexing="ij")
    at = [m[:, 0, None, None] * x + m[:, 1, None, None] * y + m[:, 2, None, None] for m in (matrix[:, 0], matrix[:, 1])]
    sides = [_neighbours(c, interpolation) for c in at]
    flat = images.reshape(rows, height * width, channels)
    out = jnp.zeros((rows, height, width, channels), images.dtype)
    for column, of_column in sides[0]:
        for row, of_row in sides[1]:
            place = _inside(row, height, fill_mode) * width + _inside(column, width, fill_mode)
            seen = jax.vmap(lambda image, i: image[i])(flat, place)
            if fill_mode == "constant":
                there = (row >= 0) & (row < height) & (column >= 0) & (column < width)
                seen = jnp.where(there[..., None], seen, jnp.asarray(fill_value, images.dtype))
            out += seen * (of_row * of_column)[..., None].astype(images.dtype)
    return out


def _neighbours(at: jax.Array, interpolation: str) -> list[tuple[jax.Array, Any]]:
    """Whole numbers beside a coordinate, and how much each counts."""
    if interpolation == "nearest":
        return [(jax.lax.round(at).astype(jnp.int32), jnp.ones_like(at))]
    low = jnp.floor(at)
    share = at - low
    return [(low.astype(jnp.int32), 1 - share), (low.astype(jnp.int32) + 1, share)]


def _inside(index: jax.Array, size: int, fill_mode: str) -> jax.Array:
    """Where in an image an index leads that may lie outside of it."""
    if fill_mode == "wrap":
        return index % size
    if fill_mode == "reflect":  # d c b a | a b c d | d c b a
        return jnp.where(index % (2 * size) < size, index % (2 * size), 2 * size - 1 - index % (2 * size))
    return jnp.clip(index, 0, size - 1)


def _flip(stock: Any) -> Any:
    axes = [axis for axis, name in ((2, "horizontal"), (1, "vertical")) if name in stock.mode]

    def draw(lane: LaneImages, shape: Any) -> jax.Array:
        return lane.uniform(shape[0], 0) <= 0.5

    def transformed(images: jax.Array, flips: jax.Array) -> jax.Array:
        return jnp.where(flips[:, None, None, None], jnp.flip(images, axes), images)

    return draw, transformed


def _moved(stock: Any, draw: Any) -> Any:
    """A layer that moves pixels by a matrix for each row."""

    def transformed(images: jax.Array, matrix: jax.Array) -> jax.Array:
        return affine(images, matrix, stock.fill_mode, stock.fill_value, stock.interpolation)

    return draw, transformed


def _matrix(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> jax.Array:
    a, b, c, d, e, f = jnp.broadcast_arrays(*(jnp.asarray(v, jnp.float32) for v in (a, b, c, d, e, f)))
    return jnp.stack([jnp.stack([a, b, c], -1), jnp.stack([d, e, f], -1)], 1)


def _translation(stock: Any) -> Any:
    def draw(lane: LaneImages, shape: Any) -> jax.Array:
        down = lane.uniform(shape[0], 0, stock.height_lower, stock.height_upper) * shape[1]
        right = lane.uniform(shape[0], 1, stock.width_lower, stock.width_upper) * shape[2]
        return _matrix(1, 0, -right, 0, 1, -down)

    return _moved(stock, draw)


def _rotation(stock: Any) -> Any:
    low, high = (2 * math.pi * f for f in stock.factor)

    def draw(lane: LaneImages, shape: Any) -> jax.Array:
        angle = lane.uniform(shape[0], 0, low, high)
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        x, y = (shape[2] - 1) / 2, (shape[1] - 1) / 2
        return _matrix(cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos)

    return _moved(stock, draw)


def _zoom(stock: Any) -> Any:
    def draw(lane: LaneImages, shape: Any) -> jax.Array:
        down = 1 + lane.uniform(shape[0], 0, stock.height_lower, stock.height_upper)
        across = down
        if stock.width_factor is not None:
            across = 1 + lane.uniform(shape[0], 1, stock.width_lower, stock.width_upper)
        x, y = (shape[2] - 1) / 2, (shape[1] - 1) / 2
        return _matrix(across, 0, x * (1 - across), 0, down, y * (1 - down))

    return _moved(stock, draw)


def _crop(stock: Any) -> Any:
    """Keras crops a whole batch at one place, and only what is larger both ways; a lane crops each row at its own."""
    height, width = stock.height, stock.width

    def draw(lane: LaneImages, shape: Any) -> jax.Array:
        room = [s - t for s, t in zip(shape[1:3], (height, width), strict=True)]
        starts = [jnp.floor(lane.uniform(shape[0], i, 0, r + 1)).astype(jnp.int32) for i, r in enumerate(room)]
        return jnp.stack([jnp.minimum(s, r) for s, r in zip(starts, room, strict=True)], -1)

    def transformed(images: jax.Array, starts: jax.Array) -> jax.Array:
        if images.shape[1] <= height or images.shape[2] <= width:  # nothing to draw: the largest window, resized
            return stock.transform_images(images, stock.get_random_transformation(images, training=False))
        size = (height, width, images.shape[3])
        return jax.vmap(lambda image, s: jax.lax.dynamic_slice(image, (s[0], s[1], 0), size))(images, starts)

    return draw, transformed


_KINDS = {
    _L.RandomFlip: _flip,
    _L.RandomTranslation: _translation,
    _L.RandomRotation: _rotation,
    _L.RandomZoom: _zoom,
    _L.RandomCrop: _crop,
}


def swaps(layer: Any) -> bool:
    """Whether a layer has a lane form here."""
    return type(layer) in _KINDS and getattr(layer, "bounding_box_format", None) is None
