"""`curves`: all rules over one variant's history, main cause first. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import CODES, SEVERITIES, Finding
from goodfit.diagnose.rules import RULES
from goodfit.diagnose.view import View
from goodfit.errors import LogError
from goodfit.history import History

OF_STEPS = (
    "learning_rate_too_high",
    "learning_rate_too_low",
    "underfitting",
    "oscillation",
    "plateau",
    "too_few_epochs",
    "noisy_validation",
)
"""What a network that cannot learn, or learns something else, shows on the curves."""

EXPLAINS: dict[str, tuple[str, ...]] = {
    "diverged": tuple(c for c in CODES if c != "diverged"),
    **dict.fromkeys(("double_softmax", "wrong_loss"), OF_STEPS),
    "learning_rate_too_high": (
        "underfitting",
        "overfitting",
        "oscillation",
        "plateau",
        "too_few_epochs",
        "too_many_epochs",
        "noisy_validation",
    ),
    "learning_rate_too_low": ("underfitting", "oscillation", "plateau", "too_few_epochs", "noisy_validation"),
    "underfitting": ("oscillation", "plateau", "too_few_epochs", "too_many_epochs", "noisy_validation"),
    "unshuffled_split": ("overfitting", "noisy_validation", "too_many_epochs", "too_few_epochs", "last_weights_kept"),
    "overfitting": ("too_few_epochs", "noisy_validation", "plateau"),
    "oscillation": ("noisy_validation", "too_few_epochs"),
}
"""What a cause explains: where it is found above `info`, these are its consequences and are not told again."""


def curves(history: History | Any, *, context: Context | None = None) -> list[Finding]:
    """Say what is wrong with a training, from its curves alone.

    All runs of the history are taken as seeds of one variant and judged together.

    Args:
        history: A `History`, a Keras `History` or its dict of curves.
        context: What else is known; gaps are filled from `history.meta`.

    Returns:
        Findings, the main cause first; none for a healthy training.

    Raises:
        LogError: There are no curves to judge.
    """
    history = History.of(history)
    if not history.epochs:
        raise LogError(
            "there are no curves to judge",
            expected="what fit returns, or such as {'loss': [...], 'val_loss': [...]}",
            received=f"empty ones of {', '.join(history.curves)}" if history.curves else "an empty history",
        )
    known = (context or Context()).filled(history.meta)
    view = View.of(history)
    found = [f for rule in RULES if rule.applies(view) and (f := rule.check(view, known)) is not None]
    return ranked(found)


def ranked(found: Sequence[Finding]) -> list[Finding]:
    """Order findings by gravity and cause, without those that a cause among them explains."""
    grave = {f.code for f in found if f.severity != "info"}
    explained = {code for cause in grave for code in EXPLAINS.get(cause, ())}
    return sorted(
        (f for f in found if f.code not in explained), key=lambda f: -SEVERITIES.index(f.severity)
    )  # stable: rules stand in order of cause


def status(findings: Sequence[Finding]) -> str:
    """`healthy`, or the code of the main finding above `info`."""
    return next((f.code for f in findings if f.severity != "info"), "healthy")
