"""What a loss is where nothing but the classes' shares is known. Standard library only."""

from __future__ import annotations

import math


def chance_loss(accuracy: float, classes: int | None) -> float:
    """The highest cross-entropy that an honest network of this accuracy can have.

    Args:
        accuracy: Its accuracy, 0 to 1.
        classes: Number of classes; where unknown as many as make this accuracy the one of chance, at least 2.

    Returns:
        The cross-entropy of giving every row's likeliest class the probability `accuracy` and the others equal shares.
    """
    a = min(max(accuracy, 1e-6), 1 - 1e-6)
    others = max(1, (classes or max(2, round(1 / a))) - 1)
    return -a * math.log(a) - (1 - a) * math.log((1 - a) / others)
