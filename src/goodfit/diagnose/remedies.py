"""The names of treatments that findings may propose. Standard library only."""

REMEDIES = (
    "augmentation",
    "smaller",
    "larger",
    "l1",
    "l2",
    "dropout",
    "batch_normalization",
    "lower_learning_rate",
    "higher_learning_rate",
    "early_stopping",
    "label_smoothing",
    "fewer_epochs",
    "more_epochs",
)
"""Stems of treatment names; the last two are a choice of `epochs`, not a change of the network."""
