"""Readers of training logs: Keras, TensorBoard, Lightning, Hugging Face, W&B, MLflow, Ultralytics, plain tables."""

from goodfit.logs.formats import FORMATS
from goodfit.logs.search import read

__all__ = ["FORMATS", "read"]
