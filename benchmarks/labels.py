"""What is wrong with the runs of `benchmarks/labelled_runs.py`, and the codes that are right about it."""

from typing import NamedTuple

FAULTS: dict[str, tuple[str, ...]] = {
    "rate x100": ("learning_rate_too_high", "diverged"),
    "rate /1000": ("learning_rate_too_low",),
    "wrong loss": ("wrong_loss",),
    "from_logits": ("double_softmax",),
    "no scaling": ("unscaled_input",),
    "dead ReLU": ("dying_relu",),
    "too large": ("overfitting",),
    "too small": ("underfitting",),
    "shuffled labels": ("overfitting", "underfitting", "conflicting_labels"),
    "sorted split": ("unshuffled_split",),
}
"""Each fault and the codes that name it. Shuffled labels have none of their own: a network can only learn them by
heart, or nothing."""

FROM_THE_LOG: dict[str, tuple[str, ...]] = {
    "no scaling": ("unscaled_input", "learning_rate_too_high", "diverged", "exploding_gradient"),
    "dead ReLU": ("dying_relu", "underfitting"),
    "sorted split": ("unshuffled_split", "overfitting"),
}
"""What else is right where there is nothing but the log: what the fault does, since its cause is not in there."""


class Extension(NamedTuple):
    """Healthy runs beside those of a half: of which, the how manieth of it (from 0), how many runs of each network."""

    half: str
    which: int
    runs: int
    name: str


EXTENSIONS = {
    "fit-healthy": Extension("fit", 0, 20, "extension of the fitting half"),
    "healthy": Extension("judge", 0, 14, "first extension of the judging half"),
    "fresh": Extension("judge", 1, 16, "fresh extension of the judging half"),
}
"""Of sound networks, with lengths drawn anew."""
