"""All commands, put together."""

from __future__ import annotations

from importlib import import_module

import typer

COMMANDS = ("fit", "diagnose", "check", "compare", "report", "predict", "run", "explain")

app = typer.Typer(
    name="goodfit",
    help="Is my Keras network over- or underfitting, what would really help, and how sure is that?",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version and exit.")
) -> None:
    if version:
        import goodfit

        typer.echo(f"goodfit {goodfit.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for _name in COMMANDS:
    import_module(f"goodfit.cli.{_name}").register(app)
