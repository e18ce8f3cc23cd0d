"""What is told of an error: its first line that says something."""

import pytest

from goodfit.errors import first_line, near


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError(), "ValueError"),
        (ValueError(" \n\n"), "ValueError"),
        (OSError(2, "No such file"), "[Errno 2] No such file"),
        (ValueError("\n  first\nsecond"), "first"),
        (
            TypeError("Exception encountered when calling Dense.call().\n\n\x1b[1mbad rank\x1b[0m\n\nArguments"),
            "bad rank",
        ),
        (ValueError("x" * 500), "x" * 160),
    ],
)
def test_the_first_line_of_an_exception(error, line):
    assert first_line(error) == line


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("overfiting", "did you mean 'overfitting'?"),
        ("Plataeu", "did you mean 'plateau'?"),
        ("tau", "there is 'overfitting', 'plateau'."),
        ("outing", "there is 'overfitting', 'plateau'."),
    ],
)
def test_only_what_is_near_is_suggested(name, told):
    assert near(name, ["overfitting", "plateau"]) == told
