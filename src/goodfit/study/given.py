"""What is wrong with a model of the user's own and with how it was compiled, before anything is trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from goodfit.diagnose import preflight
from goodfit.diagnose.finding import Finding
from goodfit.models.network import output_units


def found(model: Any, classes: int) -> list[Finding]:
    """What `goodfit check` says of a model.

    Args:
        model: The model as it was given, compiled or not.
        classes: Number of classes.

    Raises:
        ModelError: Its output does not fit the classes.
    """
    output_units(model, classes)
    few = np.repeat(np.arange(classes), 2)  # numbers that all differ would not be taken for classes
    return [finding for finding in preflight.model(model, None, few, indices=True) if finding.severity != "info"]
