"""What shows inside a network while it trains: gradients, weights, units, by layer and epoch. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goodfit.diagnose.causes import causes_first
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.internals import dying_relu, exploding_gradient, update_size, vanishing_gradient
from goodfit.diagnose.internals.record import Internals, change, dead_units, saturated_units
from goodfit.history import History

__all__ = ["Internals", "change", "dead_units", "internals", "saturated_units", "with_internals"]


def internals(record: Internals) -> list[Finding]:
    """Say what is wrong inside a network; the main cause alone, for a dead layer's gradients vanish too.

    Args:
        record: What was measured.

    Returns:
        One finding or none; most are `info` where the network learns all the same. Steps as large as the weights, a
        dead layer that no gradient passes and gradients that are not finite are not.
    """
    dead, steps = dying_relu.check(record), update_size.check(record)
    gone = vanishing_gradient.check(record)
    large = bool(steps and steps[0].code == "learning_rate_too_high")
    # Units that lived before training died of its steps, and so did a gradient that is exactly 0.
    thrown = large and bool((dead and dead[0].epoch) or (gone and gone[0].evidence.get("first") == 0))
    first = [*steps, *dead] if thrown else dead
    found = [*first, *exploding_gradient.check(record), *gone, *steps]
    return sorted(found, key=lambda f: f.severity == "info")[:1]


def with_internals(
    history: History, drawn: list[Finding], before: Sequence[Finding] = (), **facts: Any
) -> list[Finding]:
    """The findings of a variant's curves, and what was measured inside its network, the main cause first.

    Args:
        history: Its runs; those of lanes, or of a log that `Doctor` wrote, hold measures beside their curves.
        drawn: What `curves` found in it.
        before: What was seen before it was trained.
        facts: What else `Internals` may know: `steps`, `chance`.
    """
    record = Internals.of_history(history, **facts)
    inside, learned = ([], False) if record is None else (internals(record), record.learned)
    return causes_first(drawn, inside, before, learned=learned) if record or before else drawn
