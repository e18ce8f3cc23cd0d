"""The report: one offline page, the live table while a study trains, the summary at its end.

Plotly, Polars and Rich are loaded when they are needed, not with this package.
"""

from __future__ import annotations

from pathlib import Path


def write(folder: str | Path, out: str | Path | None = None, *, lang: str = "en") -> Path:
    """Write the report of a study folder as one HTML file; see `goodfit.report.page.write`."""
    from goodfit.report import page

    return page.write(folder, out, lang=lang)
