"""What is wrong with a model of the user's own and with how it was compiled, before anything is trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from goodfit.diagnose import preflight
from goodfit.diagnose.finding import Finding


def found(model: Any, labels: np.ndarray) -> list[Finding]:
    """What `goodfit check` says of a model.

    Args:
        model: The model as it was given, compiled or not.
        labels: Class indices `(rows,)`.
    """
    units = model.outputs[0].shape[-1] if getattr(model, "outputs", None) else None
    sparse = "sparse" in (preflight.Network.of(model).loss or "")
    y = labels if sparse or units in (None, 1) else np.eye(units, dtype=np.float32)[labels]
    return [finding for finding in preflight.model(model, None, y) if finding.severity != "info"]
