"""What a diagnosis says: one `Finding` for each thing that is wrong. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CODES = [
    "overfitting",
    "underfitting",
    "learning_rate_too_high",
    "learning_rate_too_low",
    "oscillation",
    "plateau",
    "diverged",
    "too_few_epochs",
    "too_many_epochs",
    "noisy_validation",
    "dying_relu",
    "vanishing_gradient",
    "exploding_gradient",
    "wrong_loss",
    "wrong_activation",
    "double_softmax",
    "unscaled_input",
    "constant_initializer",
    "no_nonlinearity",
    "unshuffled_split",
    "duplicate_rows",
    "conflicting_labels",
    "target_leak",
    "class_imbalance",
    "tiny_validation",
    "last_weights_kept",
]
"""Every code a finding may carry."""

SEVERITIES = ("info", "warning", "error")
"""From harmless to grave: `info` is worth knowing, `warning` costs quality, `error` makes the run worthless."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with what shows it and what may help.

    Attributes:
        code: One of `CODES`.
        severity: One of `SEVERITIES`.
        message: One sentence for people; epochs in it count from 1.
        epoch: The epoch it starts at, from 1; None where it has none (a finding about data).
        confidence: From 0 (a guess) to 1 (sure).
        evidence: The numbers it rests on, by name; JSON types only.
        remedies: Names of treatments, the likeliest to help first.
    """

    code: str
    severity: str
    message: str
    epoch: int | None = None
    confidence: float = 1.0
    evidence: dict[str, Any] = field(default_factory=dict)
    remedies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Hold the vocabulary."""
        if self.code not in CODES:
            raise ValueError(f"unknown finding code {self.code!r}")
        if self.severity not in SEVERITIES:
            raise ValueError(f"unknown severity {self.severity!r}")

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, as `goodfit diagnose --json` prints it."""
        return {
            "code": self.code,
            "severity": self.severity,
            "epoch": self.epoch,
            "confidence": round(self.confidence, 3),
            "evidence": self.evidence,
            "message": self.message,
            "remedies": list(self.remedies),
        }

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Finding:
        """Back from `to_dict`."""
        return cls(**{**d, "remedies": tuple(d["remedies"])})
