"""What can be seen before any training: checks of data and of a compiled network. NumPy only."""

from goodfit.diagnose.preflight.data import data
from goodfit.diagnose.preflight.model import model
from goodfit.diagnose.preflight.network import Network
from goodfit.diagnose.preflight.rows import Rows

__all__ = ["Network", "Rows", "data", "model"]
