"""Where rows come from: sources, built-in sets, splits, and the `Dataset` they become."""

from goodfit.data.dataset import Dataset, joined_texts
from goodfit.data.load import BUILT_IN, load, read_rows
from goodfit.data.splits import validation_mask

__all__ = ["BUILT_IN", "Dataset", "joined_texts", "load", "read_rows", "validation_mask"]
