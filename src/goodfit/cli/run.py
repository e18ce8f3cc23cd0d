"""`goodfit run`: somebody's unchanged Keras script, every `fit` in it watched."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command; all that follows SCRIPT belongs to the script."""
    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
    app.command("run", context_settings=settings)(run)


def run(
    context: typer.Context,
    script: Annotated[Path, typer.Argument(metavar="SCRIPT.py [ARGS]...", help="The script and its arguments.")],
    log: Annotated[
        Path | None, typer.Option(help="Write curves and measures there (CSV), for goodfit diagnose.")
    ] = None,
    stop_on: Annotated[
        str, typer.Option(metavar="CODE,...", help="End a training where one of these is found above info.")
    ] = "",
) -> None:
    """Run a Keras script as python would, with every fit in it watched; findings go to stderr."""
    from goodfit.diagnose.codes import named
    from goodfit.doctor.watch import Watch
    from goodfit.errors import UsageError

    wanted = named(stop_on, "--stop-on")
    try:
        source = script.read_bytes()
    except OSError as error:
        raise UsageError(
            "the script cannot be read", expected="a Python file", received=f"{script} ({error.strerror})"
        ) from None
    watch = Watch(wanted, log)
    execute(script, source, context.args)
    if not watch.fits:
        print("goodfit: the script called no fit of Keras 3; nothing was watched.", file=sys.stderr)


def execute(script: Path, source: bytes, arguments: list[str]) -> None:
    """Run a script as `python SCRIPT ARGS` does: its `__main__`, `sys.argv`, `sys.path`, traceback and exit code.

    Raises:
        SystemExit: The script's own, or 1 after an exception it did not catch.
    """
    main = ModuleType("__main__")
    main.__dict__.update(__file__=str(script.absolute()), __builtins__=__builtins__, __spec__=None, __cached__=None)
    sys.modules["__main__"] = main
    sys.argv = [str(script), *arguments]
    sys.path[:1] = [str(script.resolve().parent)]
    try:
        exec(compile(source, str(script.absolute()), "exec"), main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        error.__traceback__ = without_goodfit(error.__traceback__)
        sys.excepthook(type(error), error, error.__traceback__)
        raise SystemExit(130 if isinstance(error, KeyboardInterrupt) else 1) from None


def without_goodfit(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of this command, as the script alone would have it."""
    frames = []
    ours = (__file__, str(Path(__file__).parents[1] / "doctor" / "watch.py"))
    while trace is not None:
        if trace.tb_frame.f_code.co_filename not in ours:
            frames.append(trace)
        trace = trace.tb_next
    for frame in reversed(frames):
        trace = TracebackType(trace, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return trace
