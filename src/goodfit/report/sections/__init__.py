"""The parts of the page: each a function from a `Build` to HTML, empty where the study has nothing to show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from goodfit.report.figures.palette import Colour
from goodfit.report.languages import Texts
from goodfit.report.source import Source

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Build:
    """What every section gets: the study, the language, the colours, and a place to leave figures.

    Attributes:
        source: The study.
        texts: The language.
        colours: Variant to colour.
        figures: Figures drawn so far, by the name of their place in the page.
    """

    source: Source
    texts: Texts
    colours: Mapping[str, Colour]
    figures: dict[str, go.Figure] = field(default_factory=dict)

    @property
    def study(self) -> dict[str, Any]:
        """The content of `study.json`."""
        return self.source.study

    def count(self, n: Any) -> str:
        """A whole number with this language's thousands separator."""
        from goodfit.report.numbers import count

        return count(n, self.texts("thousands"))

    def value(self, x: Any) -> str:
        """Any value of a recipe or of evidence, as text."""
        from goodfit.report.numbers import value

        return value(x, self.texts("yes"), self.texts("no"))
