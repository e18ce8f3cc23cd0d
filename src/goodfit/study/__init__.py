"""The whole loop, its statistics, and the folder that holds it."""
