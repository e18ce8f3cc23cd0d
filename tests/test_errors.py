"""What is told of an error: its first line that says something."""

import pytest

from goodfit.errors import first_line, first_paragraph, near


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
    ("error", "said"),
    [
        (ValueError(" \n\n"), "ValueError"),
        (RuntimeError("could not\n  open my file"), "could not open my file"),
        (TypeError("Exception encountered when calling Dense.call().\n\n\x1b[1mbad\nrank\x1b[0m\n\nArgs"), "bad rank"),
        (ValueError("x\n" * 500), ("x " * 80)),
    ],
)
def test_the_first_paragraph_of_an_exception(error, said):
    assert first_paragraph(error) == said


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
