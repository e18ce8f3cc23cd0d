"""What a loss is where nothing but the classes' shares is known. Standard library only."""

from __future__ import annotations

import math


def classes_of(accuracy: float, most: int) -> int:
    """As many classes as make this accuracy the one of chance: 2 at the least, and no more than `most`."""
    return max(2, round(1 / max(accuracy, 1 / most)))


def chance_loss(accuracy: float, classes: int | None) -> float:
    """The highest cross-entropy that an honest network of this accuracy can have.

    Args:
        accuracy: Its accuracy, 0 to 1.
        classes: Number of classes; where unknown as many as make this accuracy the one of chance.

    Returns:
        The cross-entropy of giving every row's likeliest class the probability `accuracy` and the others equal shares.
    """
    a = min(max(accuracy, 1e-6), 1 - 1e-6)
    others = max(1, (classes or classes_of(a, 10**6)) - 1)
    return -a * math.log(a) - (1 - a) * math.log((1 - a) / others)
