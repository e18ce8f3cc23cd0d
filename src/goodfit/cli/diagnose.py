"""`goodfit diagnose`: any training log to findings.

Parsed by the standard library, not by Typer, whose import alone takes longer than reading and judging a log.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import typer

    from goodfit.diagnose import Finding
    from goodfit.errors import LogError
    from goodfit.history import History

HELP = "Say what is wrong with a training, from its log alone."


def register(app: typer.Typer) -> None:
    """Add the command; its arguments are handed on as they are."""
    import typer

    def diagnose(context: typer.Context) -> None:
        raise typer.Exit(run(context.args))

    # Annotations of an inner function are looked up among the module's names.
    diagnose.__annotations__ = {"context": typer.Context, "return": None}
    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    app.command("diagnose", help=HELP, context_settings=settings)(diagnose)


def run(arguments: list[str]) -> int:
    """Read, judge and print logs.

    Args:
        arguments: Those of the command line after `diagnose`.

    Returns:
        The exit code: 0; 1 where a finding of `--fail-on` was made; 2 where one of several logs could not be read.
    """
    from goodfit.diagnose import curves, status
    from goodfit.diagnose.internals import with_internals
    from goodfit.errors import LogError
    from goodfit.logs import read

    given = _parser().parse_args(arguments)
    wanted = _codes(given.fail_on)
    readable: list[tuple[Path, list[History]]] = []
    errors: list[LogError] = []
    for path in given.log:  # one unreadable log does not silence the others
        try:
            readable.append((path, read(path)))
        except LogError as error:
            errors.append(error)
    if not readable:
        raise errors[0]
    # Read together, seeds of one variant are joined across files.
    histories = readable[0][1] if len(readable) == 1 else read(*(path for path, _ in readable))
    judged = [(h, with_internals(h, curves(h))) for h in histories]
    if given.json:
        import json

        print(json.dumps({"runs": [_document(h, found, status(found)) for h, found in judged]}, ensure_ascii=False))
    else:
        for h, found in judged:
            _print(h, found, status(found), given.plot)
    for unread in errors:
        print(f"goodfit: {unread}", file=sys.stderr)
    if errors:
        return 2
    told = {
        word for _, found in judged for f in found if f.severity != "info" for word in (f.code, f.severity, "warning")
    }
    return 1 if wanted & told else 0


class _Parser(argparse.ArgumentParser):
    """Wrong arguments are one line, as everywhere in goodfit."""

    def error(self, message: str) -> NoReturn:
        from goodfit.errors import UsageError

        raise UsageError(message, fix="See 'goodfit diagnose --help'.")


def _parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = _Parser(prog="goodfit diagnose", description=HELP, allow_abbrev=False)
    parser.add_argument("log", nargs="+", type=Path, metavar="LOG", help="log files, or folders that are searched")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--fail-on",
        metavar="CODE,...",
        default="",
        help="exit with 1 where one of these is found above info; 'warning' and 'error' stand for all of that gravity",
    )
    parser.add_argument("--plot", action="store_true", help="draw the curves of the loss")
    return parser


def _codes(fail_on: str) -> set[str]:
    """The codes of `--fail-on`, checked."""
    from goodfit.diagnose import CODES
    from goodfit.errors import UsageError, near

    known = [*CODES, "warning", "error"]
    wanted = {c.strip().lower().replace("-", "_") for c in fail_on.split(",") if c.strip()}
    for code in sorted(wanted - set(known)):
        raise UsageError(f"--fail-on: there is no finding {code!r}", fix=near(code, known))
    return wanted


def _name(h: History) -> str:
    """Where a run comes from, and which of its log's runs it is."""
    run = h.meta.get("run", "")
    return f"{h.meta.get('source', '')} ({run})" if run else str(h.meta.get("source", ""))


def _best(h: History) -> int | None:
    """The best epoch, from 1."""
    from goodfit.diagnose.view import View

    best = View.of(h).best
    return None if best is None else best + 1


def _document(h: History, found: list[Finding], status: str) -> dict[str, Any]:
    """One run of the JSON document."""
    return {
        "source": _name(h),
        "epochs": int(h.epochs_run.max(initial=0)),
        "best_epoch": _best(h),
        "status": status,
        "findings": [f.to_dict() for f in found],
    }


def _print(h: History, found: list[Finding], status: str, plot: bool) -> None:
    """One run for people."""
    import shutil
    import textwrap

    wide = min(100, shutil.get_terminal_size().columns)
    runs = f", {h.runs} runs" if h.runs > 1 else ""
    epochs, best = int(h.epochs_run.max(initial=0)), _best(h)
    length = "1 epoch" if epochs == 1 else f"{epochs} epochs"
    print(f"{_name(h)}: {status} ({length}{runs}{'' if best is None else f', best epoch {best}'})")
    short = ["one epoch is too short to judge a training by"] if epochs == 1 and status == "healthy" else []
    for note in [*h.meta.get("notes", []), *short]:
        print(textwrap.fill(f"note: {note}.", wide, initial_indent="  ", subsequent_indent="        "))
    if plot:
        from goodfit.cli.plot import drawn

        print(drawn(h, wide), end="\n\n")
    for f in found:
        print(f"  {f.severity}: {f.code} (confidence {f.confidence:.2f})")
        print(textwrap.fill(f.message, wide, initial_indent="    ", subsequent_indent="    "))
        if f.remedies:
            print(f"    try: {', '.join(f.remedies).replace('_', ' ')}")
