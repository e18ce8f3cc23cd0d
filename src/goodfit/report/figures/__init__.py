"""The figures: each module first computes a named tuple of plain numbers, then draws it with Plotly."""
