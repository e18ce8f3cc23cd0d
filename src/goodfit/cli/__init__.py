"""The command line: parsing and printing only, a command a file."""

from __future__ import annotations

import sys

from goodfit.errors import GoodfitError


def main() -> None:
    """Run the command line; a caller's mistake is one line on stderr and exit code 2."""
    from goodfit.cli.app import app

    try:
        code = app(standalone_mode=False)
    except GoodfitError as error:
        code = fail(str(error))
    except KeyboardInterrupt:
        code = fail("stopped.")
    except BrokenPipeError:  # the reader of a pipe has gone
        sys.stderr.close()
        code = 0
    except Exception as error:
        import click

        if not isinstance(error, click.ClickException):
            raise
        code = fail(error.format_message())
    sys.exit(code if isinstance(code, int) else 0)


def fail(message: str) -> int:
    """Print a mistake as one line; the exit code for it."""
    print(f"goodfit: {' '.join(message.split())}", file=sys.stderr)
    return 2
