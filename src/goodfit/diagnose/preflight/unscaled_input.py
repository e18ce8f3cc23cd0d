"""Unscaled input: what goes into the network is large, and no layer scales it."""

from __future__ import annotations

import math

import numpy as np

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.network import Array, Network
from goodfit.diagnose.preflight.unscaled_columns import LARGE

SCALING = {
    "Normalization",
    "Rescaling",
    "BatchNormalization",
    "LayerNormalization",
    "UnitNormalization",
    "Discretization",
    "CategoryEncoding",
    "Hashing",
    "IntegerLookup",
    "StringLookup",
    "TextVectorization",
    "Embedding",
    "Lambda",
}
"""Layers after which the input's own scale does not matter (or is not known)."""

_PASSES = {
    "InputLayer",
    "Flatten",
    "Reshape",
    "Permute",
    "Dropout",
    "GaussianNoise",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "Masking",
    "Resizing",
    "CenterCrop",
    "RandomFlip",
    "RandomRotation",
    "RandomZoom",
    "RandomTranslation",
    "RandomCrop",
    "MaxPooling1D",
    "MaxPooling2D",
    "AveragePooling1D",
    "AveragePooling2D",
}


def check(network: Network, x: Array | None) -> list[Finding]:
    """The root mean square of every column (the last axis) of a batch."""
    if x is None or x.dtype.kind not in "iufb" or x.ndim < 2:
        return []
    first = next((p for p in network.parts if p.kind not in _PASSES), None)
    if first is None or not first.weighted:  # a layer that scales, looks up, or is not known
        return []
    columns = x.reshape(-1, x.shape[-1]).astype(np.float64)
    size = np.sqrt(np.nanmean(columns**2, axis=0, where=np.isfinite(columns)))
    broken = int(np.sum(~np.isfinite(columns)))
    if broken:
        return [
            Finding(
                code="unscaled_input",
                severity="error",
                message=f"The input holds {broken:,} values that are NaN or infinite: every weight becomes NaN.",
                evidence={"not_finite": broken, "values": int(columns.size)},
            )
        ]
    largest = float(size.max())
    if largest <= LARGE:
        return []
    one = x.ndim > 2 or len(size) == 1
    column, median = int(np.argmax(size)) + 1, float(np.median(size))
    where = "" if one else f" (column {column} of {len(size)}; the median column has {median:.3g})"
    remedy = (
        "Divide by 255 (keras.layers.Rescaling)."
        if _bytes(x)
        else "Scale the columns (keras.layers.Normalization, fitted on training rows)."
    )
    return [
        Finding(
            code="unscaled_input",
            severity="warning",
            confidence=min(0.95, 0.5 + 0.5 * math.log10(largest / LARGE)),
            message=(
                f"The input is large: its root mean square is {largest:.4g}{where}, and {first.name!r} takes it as it "
                f"is. {remedy}"
            ),
            evidence={
                "largest_rms": round(largest, 3),
                "median_rms": round(median, 4),
                "lowest": float(columns.min()),
                "highest": float(columns.max()),
            },
            remedies=("batch_normalization",),
        )
    ]


def _bytes(x: Array) -> bool:
    """Whether these look like pixels from 0 to 255."""
    return bool(x.min() >= 0 and 200 <= x.max() <= 255 and x.ndim >= 2 and np.all(x == np.round(x)))
