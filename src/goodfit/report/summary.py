"""What the terminal says at the end, for Rich to print: a study in plain sentences and a table; variants compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.report import languages, numbers
from goodfit.report.source import Source, clean, contrast, held_back
from goodfit.words import count

if TYPE_CHECKING:
    import rich.table
    from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType, RenderResult
    from rich.text import Text

LEGEND = "Differences in points of validation accuracy, 95% intervals, p after Holm."
NOTES = 4
"""Notes that are shown; the report has them all."""
STYLES = {"better": "green", "worse": "red", "undecided": "yellow", "diverged": "red"}


@dataclass
class Table:
    """A table without boxes: words in the first and in the verdict's column, numbers in the others.

    Where the terminal is too narrow it leaves out the seeds, p and the wins, and then wraps names, but cuts no number.

    Attributes:
        head: The columns' names.
        rows: Cells by row, of the first columns at least.
    """

    head: list[str]
    rows: list[tuple[str | Text, ...]] = field(default_factory=list)

    def add_row(self, *cells: str | Text) -> None:
        """Add a row."""
        self.rows.append(cells)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        left_out: list[str] = []
        for name in ("", "seeds", "p", "wins"):
            left_out.append(name)
            table = self._with([i for i, title in enumerate(self.head) if not i or title not in left_out])
            if console.measure(table, options=options.update(max_width=1000)).maximum <= options.max_width:
                break
        yield table

    def _with(self, kept: list[int]) -> rich.table.Table:
        """The table of some columns."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for i in kept:
            side: JustifyMethod = "left" if i == 0 or self.head[i] == "verdict" else "right"
            table.add_column(Text(self.head[i]), justify=side, no_wrap=i > 0, max_width=None if i else 21)
        for row in self.rows:
            table.add_row(*(row[i] if i < len(row) else "" for i in kept))
        return table


def summary(study: dict[str, Any], folder: str | Path | None = None) -> Group:
    """The end of a study.

    Args:
        study: The content of `study.json`, finished or not.
        folder: Where report and predictor lie.
    """
    from rich.console import Group
    from rich.text import Text

    source = Source(clean(study))
    sentences = [str(s) for s in source.study.get("sentences") or [] if s] or _plain(source)
    parts: list[RenderableType] = [Text(sentences[0], style="bold"), *(Text(s) for s in sentences[1:])]
    parts += [Text(s, style="dim") for s in _notes(source)]
    if source.variants:
        parts += [Text(), _variants(source)]
        star = f"* {source.chosen} was chosen. " if source.chosen else ""
        legend = LEGEND if any(contrast(v) for v in source.variants) else ""
        parts += [Text(star + legend, style="dim")] if star or legend else []
        held = held_back(source.comparisons, languages.get())
        parts += [Text(held, style="dim")] if held else []
    if folder is not None:
        parts.append(Text())
        parts += [
            Text(f"{title}: {Path(folder) / name}", overflow="fold")
            for title, name in (("Report", "report.html"), ("Predictor", "predictor"))
        ]
    return Group(*parts)


def comparison(study: dict[str, Any], comparisons: Iterable[Any]) -> Group:
    """Variants against one of them.

    Args:
        study: The content of `study.json`.
        comparisons: `Comparison` objects or their dicts, all with the same base.
    """
    from rich.console import Group
    from rich.text import Text

    from goodfit.study.comparison import too_few

    found = [clean(c if isinstance(c, dict) else c.to_dict()) for c in comparisons]
    base = found[0]["names"][0]
    parts: list[RenderableType] = [Text(f"Against {base}, over paired seeds:", style="bold")]
    table = Table(["variant", "seeds", f"against {_short(base)}", "p", "wins", "verdict"])
    for c in found:
        effect, *others = _effect(c)
        table.add_row(Text(c["names"][1]), str(c["n"]), effect, *others)
    parts += [table, Text(LEGEND, style="dim")]
    held = held_back({c["names"][1]: c for c in found}, languages.get())
    parts += [Text(held, style="dim")] if held else []
    if len(found) > 1 and (warned := too_few(max(c["n"] for c in found))):
        parts.append(Text(warned))
    if len(found) == 1:
        parts += [Text(), _side_by_side(Source(clean(study)), list(found[0]["names"])), Text()]
        parts.append(Text(found[0].get("message") or ""))
    return Group(*parts)


def _side_by_side(source: Source, names: list[str]) -> Table:
    """Two variants' metrics, each at its own epoch."""
    table = Table(["", *map(_short, names)])
    pair = [source.variant(n) for n in names]
    table.add_row("epoch", *(numbers.count(v.get("best_epoch")) for v in pair))
    metrics = [v.get("metrics") or {} for v in pair]
    for key in ("train_loss", "val_loss", "train_accuracy", "val_accuracy"):
        if any(key in m for m in metrics):
            table.add_row(key, *(_with_interval(m.get(key) or {}, key) for m in metrics))
    return table


def _variants(source: Source) -> Table:
    """Every variant on a line."""
    from rich.text import Text

    table = Table(["variant", "val_acc", "against base", "p", "wins", "verdict"])
    for v in source.variants:
        accuracy = numbers.accuracy(((v.get("metrics") or {}).get("val_accuracy") or {}).get("mean"))
        name = f"{v['name']} *" if v["name"] == source.chosen else v["name"]
        table.add_row(Text(name), accuracy, *(_effect(found) if (found := contrast(v)) else []))
    fresh = source.study.get("fresh") or {}
    if fresh.get("comparison"):
        table.add_row(Text("* on fresh seeds"), "", *_effect(fresh["comparison"]))
    return table


def _effect(found: dict[str, Any]) -> list[str | Text]:
    """Cells of a comparison: effect with its interval, p, wins, verdict."""
    from rich.text import Text

    if found.get("verdict") == "diverged":
        return [f"{found['diverged'][1]} of {found['n']} runs", "", "", Text("diverged", style=STYLES["diverged"])]
    between = numbers.interval(found.get("low"), found.get("high"), numbers.points)
    effect = numbers.points(found.get("effect"))
    p = found["p_holm"] if numbers.known(found.get("p_holm")) else found.get("p")
    verdict = str(found.get("verdict") or "")
    return [
        _terminal(effect if between == numbers.MISSING else f"{effect} {between}"),
        _terminal(numbers.probability(p)),
        numbers.percent(found.get("wins")),
        Text(verdict, style=STYLES.get(verdict, "")),
    ]


def _notes(source: Source) -> list[str]:
    """What happened to the data and the model on their way in: the first notes, and how many more there are."""
    notes = [str(note) for note in source.study.get("notes") or []]
    more = len(notes) - NOTES
    shown = [f"Note: {note}" for note in notes[:NOTES]]
    return [*shown, f"{more} more note{'s are' if more > 1 else ' is'} in the report."] if more > 0 else shown


def _short(name: str, most: int = 18) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _with_interval(m: dict[str, Any], key: str) -> str:
    form = numbers.loss if "loss" in key else numbers.accuracy
    between = numbers.around(m, key, form)
    return form(m.get("mean")) if between == numbers.MISSING else f"{form(m.get('mean'))} {between}"


def _plain(source: Source) -> list[str]:
    """Sentences where the study has none yet."""
    test, chosen = source.study.get("test") or {}, source.study.get("chosen") or {}
    said = ["No verdict yet: this study is unfinished; the same command goes on where it was."] if not test else []
    if chosen.get("variant"):
        epochs = f" with {count(chosen['epochs'], 'epoch')}" if numbers.known(chosen.get("epochs")) else ""
        said.append(f"Chosen: {chosen['variant']}{epochs}.")
    if test:
        between = numbers.interval(test.get("low"), test.get("high"))
        said.append(f"Test accuracy {numbers.accuracy(test.get('accuracy'))} {between}.")
    return said


def _terminal(text: str) -> str:
    """Plain sign and space: what is searched for and copied out of a terminal."""
    return text.replace("−", "-").replace("\u00a0", " ")
