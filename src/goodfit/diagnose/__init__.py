"""Curves to findings: what is wrong with a training, from which epoch, how sure, and what may help. NumPy only."""

from goodfit.diagnose.context import Context
from goodfit.diagnose.curves import curves, status
from goodfit.diagnose.finding import CODES, SEVERITIES, Finding

__all__ = ["CODES", "SEVERITIES", "Context", "Finding", "curves", "status"]
