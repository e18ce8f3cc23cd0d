"""`digits`: scikit-learn's 1,797 handwritten digits of 8 x 8 pixels; on every machine, no download."""

from __future__ import annotations

import numpy as np
import polars as pl

from goodfit.data.sources.raw import Raw


def read() -> Raw:
    """64 pixel columns from 0 to 16."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return Raw(x.astype(np.float32), pl.Series("digit", y.astype(np.int64)), "digit", name="digits")
