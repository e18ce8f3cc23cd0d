"""Words for numbers of things."""


def count(n: int, thing: str) -> str:
    """`1 epoch`, `20 epochs`."""
    return f"{n} {thing}{'s' * (n != 1)}"
