"""The lanes engine: many runs side by side as one compiled program."""
