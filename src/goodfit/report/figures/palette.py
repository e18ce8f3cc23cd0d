"""Colours that people with colour blindness can tell apart, each with its twin for dark pages.

Hues follow Okabe and Ito (https://jfly.uni-koeln.de/color/) and Paul Tol's "muted" scheme
(https://sronpersonalpages.nl/~pault/), tuned so that every line has a contrast of 3 or more to its paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Colour(NamedTuple):
    """One colour on light and on dark paper, as `#rrggbb`."""

    light: str
    dark: str


INK = Colour("#1c1e21", "#e6e7e8")
MUTED = Colour("#5d6269", "#9aa1a9")
GRID = Colour("#e4e4df", "#2b2f34")
AXIS = Colour("#b9b9b2", "#4a5057")
HOVER = Colour("#ffffff", "#22262b")
ZONE = Colour("#efefea", "#1f2327")
BASE = Colour("#2a2c2f", "#d3d6da")
CHOSEN = Colour("#0067a9", "#57b0ff")
OTHERS = (
    Colour("#c2506a", "#e58797"),
    Colour("#117733", "#5cb874"),
    Colour("#c76700", "#f0a04b"),
    Colour("#9c3f8e", "#d68acb"),
    Colour("#2a9283", "#66c9ba"),
    Colour("#8a7a10", "#d0bd52"),
    Colour("#7a2048", "#cf6fa3"),
    Colour("#6b7a8f", "#a3b3c9"),
)
"""For all other variants, in turn; from the ninth on lines get marks as well."""
HEAT = (
    (0.0, Colour("#fcfcfa", "#16181b")),
    (0.02, Colour("#e6eff6", "#1b2733")),
    (0.2, Colour("#b3d0e5", "#234a6b")),
    (0.6, Colour("#4b92c4", "#3d86c2")),
    (1.0, Colour("#003f70", "#b4dcff")),
)
"""Shares from 0 to 1; the steps below 0.2 are fine, so that rare confusions can be seen."""


def assign(names: Sequence[str], base: str, chosen: str) -> dict[str, Colour]:
    """A colour for each variant: base is always grey-black, the chosen one always blue."""
    others = [n for n in names if n not in (base, chosen)]
    colours = {n: OTHERS[i % len(OTHERS)] for i, n in enumerate(others)}
    return {n: BASE if n == base else CHOSEN if n == chosen else colours[n] for n in names}


def veil(colour: str, alpha: float = 0.16) -> str:
    """The same colour, mostly transparent, for bands: `#0067a9` to `rgba(0,103,169,0.16)`."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def twins() -> dict[str, str]:
    """Every light colour that a figure may use, veiled ones too, to its dark twin: what a dark page exchanges."""
    solid = [INK, MUTED, GRID, AXIS, HOVER, ZONE, BASE, CHOSEN, *OTHERS, *(c for _, c in HEAT)]
    return {c.light: c.dark for c in solid} | {veil(c.light): veil(c.dark) for c in (BASE, CHOSEN, *OTHERS)}
