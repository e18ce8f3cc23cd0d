"""What is seen before a training, inside the network and on the curves, as one diagnosis. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from goodfit.diagnose.catalogue import ENTRIES
from goodfit.diagnose.curves import EXPLAINS as ON_CURVES
from goodfit.diagnose.curves import OF_STEPS, ranked
from goodfit.diagnose.finding import SEVERITIES, Finding

OF_DATA = {entry.code for entry in ENTRIES if entry.seen_in == "data"} - {"unscaled_input"}
"""Codes that speak of data rather than of a training."""

MOOT = {"exploding_gradient"}
"""Codes that are seen before training and do no harm where the network learns all the same."""

_INSIDE = ("dying_relu", "vanishing_gradient", "exploding_gradient", "learning_rate_too_low", "learning_rate_too_high")
_OF_MODEL = ("double_softmax", "wrong_loss", "wrong_activation", "constant_initializer", "unscaled_input")
EXPLAINS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((*_INSIDE, *_OF_MODEL), OF_STEPS),
    "unshuffled_split": ON_CURVES["unshuffled_split"],
}
"""What a cause seen inside or before training explains in the curves."""


def causes_first(
    drawn: Sequence[Finding],
    inside: Sequence[Finding] = (),
    before: Sequence[Finding] = (),
    *,
    learned: bool = False,
) -> list[Finding]:
    """All findings of one training, the main cause first, without what a cause among them explains.

    Args:
        drawn: Seen on the curves.
        inside: Seen inside the network.
        before: Seen before the first step.
        learned: Whether the training loss has come down.
    """
    before = [replace(f, severity="info") if f.code in MOOT and learned else f for f in before]
    causes = [*before, *inside]
    explained = {c for f in causes if f.severity != "info" for c in EXPLAINS.get(f.code, ())}
    explained |= {f.code for f in causes}
    if learned and any(f.code in MOOT for f in before):
        explained.add("learning_rate_too_high")  # its first steps found the loss far off, and brought it down
    # What is wrong with the model is the cause of what the training shows; what is wrong with the data is not.
    return gravest_first(
        [
            *(f for f in before if f.code not in OF_DATA),
            *(f for f in inside if f.code not in {b.code for b in before}),
            *ranked([f for f in drawn if f.code not in explained]),
            *(f for f in before if f.code in OF_DATA),
        ]
    )


def gravest_first(found: Iterable[Finding]) -> list[Finding]:
    """By severity; findings of one severity in the order they have."""
    return sorted(found, key=lambda f: -SEVERITIES.index(f.severity))
