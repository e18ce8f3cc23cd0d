"""The command line: parsing and printing only, a command a file."""

from __future__ import annotations

import os
import sys

from goodfit.errors import GoodfitError

ELSEWHERE = {
    "--patience": ". Early stopping is a treatment: --treatments 'early_stopping 3', or in Python base={'patience': 3}."
}
"""What to write in place of options that people look for."""


def main() -> None:
    """Run the command line; a caller's mistake is one line on stderr and exit code 2."""
    try:
        code = _run()
    except GoodfitError as error:
        code = fail(str(error))
    except KeyboardInterrupt:
        code = 130  # as Typer has it for the other commands, and shells
    except BrokenPipeError:  # the reader of a pipe has gone
        sys.stderr.close()
        code = 0
    except OSError as error:
        code = fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}.")
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):  # as XLA tells it
            raise
        code = fail("there is not enough memory. What is finished is kept; --memory 2GB, say, takes less at a time.")
    sys.exit(code)


def _run() -> int:
    """Run the command that the arguments name; its exit code."""
    if sys.argv[1:2] == ["diagnose"]:  # Typer's import takes longer than reading and judging a log
        # OpenBLAS starts threads when NumPy is imported: a third of the time this takes, and nothing here uses them.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        from goodfit.cli.diagnose import run

        return run(sys.argv[2:])
    import typer

    from goodfit.cli.app import app

    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:  # a wrong option or argument
        return fail(error.format_message() + _received(error) + ELSEWHERE.get(getattr(error, "option_name", ""), ""))
    return code if isinstance(code, int) else 0


def _received(error: Exception) -> str:
    """The value that Typer could not convert, where its message leaves it out."""
    errors: list[dict[str, object]] = getattr(error.__cause__ or error.__context__, "errors", list)()
    return f"; received {errors[0]['input']!r}." if errors else ""


def fail(message: str) -> int:
    """Print a mistake as one line; the exit code for it."""
    print(f"goodfit: {' '.join(message.split())}", file=sys.stderr)
    return 2
