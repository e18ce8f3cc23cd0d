"""How right the diagnosis of goodfit's own labelled runs is: from the log alone, and from all that goodfit knows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from goodfit.diagnose import Context, Finding, curves
from goodfit.diagnose.causes import causes_first
from goodfit.diagnose.internals import Internals, internals
from goodfit.history import History
from labels import EXTENSIONS, FAULTS, FROM_THE_LOG
from shares import Table, interval


@dataclass(frozen=True, eq=False)
class Watched:
    """A run that goodfit's doctor watched, and what is wrong with it.

    Attributes:
        run: A line of `labelled_runs.py`.
    """

    run: dict[str, Any]

    @property
    def fault(self) -> str:
        """Its seeded fault, `too_few_epochs`, `overfitting` or `healthy`."""
        return str(self.run["truth"])

    @property
    def named(self) -> tuple[str, ...]:
        """Codes that name the fault; none for a healthy run."""
        return FAULTS.get(self.fault, (self.fault,) if self.fault != "healthy" else ())

    @property
    def seen(self) -> tuple[str, ...]:
        """Codes that are right where only the log is known."""
        return FROM_THE_LOG.get(self.fault, self.named)

    @cached_property
    def log(self) -> list[str]:
        """What the log alone says: four curves and nothing else."""
        return [f.code for f in curves(History.of(self.run["curves"])) if f.severity != "info"]

    @cached_property
    def all(self) -> list[str]:
        """What everything says that goodfit knows: curves, rates, classes, yardsticks, model, data and internals."""
        run = self.run
        known = Context(**{**run["context"], "learning_rate": run["learning_rate"], "linear": run["linear"]})
        points = [{k: math.nan if v is None else v for k, v in p.items()} for p in run["points"]]
        record = Internals.of(points, steps=run["steps"], chance=known.chance)
        found = causes_first(
            curves(History.of(run["curves"]), context=known),
            internals(record),
            [Finding.from_dict(f) for f in run["before"]],
            learned=record.learned,
        )
        return [f.code for f in found if f.severity != "info"]


def own(path: Path, half: str) -> list[Watched]:
    """Runs that goodfit made, healthy or with one fault, of the fitting or the judging half."""
    return [Watched(run) for run in map(json.loads, path.read_text().splitlines()) if run["half"] == half]


@dataclass(frozen=True)
class Look:
    """One way to judge the runs.

    Attributes:
        name: What it is called.
        say: The codes it gives a run, the main one first.
        right: The codes that are right about a run.
    """

    name: str
    say: Callable[[Watched], list[str]]
    right: Callable[[Watched], tuple[str, ...]]

    def found(self, items: list[Watched]) -> int:
        """Runs with any alarm."""
        return sum(bool(self.say(i)) for i in items)

    def first(self, items: list[Watched]) -> int:
        """Runs whose main code is right."""
        return sum(self.say(i)[0] in self.right(i) for i in items if self.say(i))

    def falsely(self, code: str, items: list[Watched]) -> int:
        """Runs of which a code is said first and is not right."""
        return sum(self.say(i)[:1] == [code] and code not in self.right(i) for i in items)


LOOKS = (
    Look("log alone", lambda i: i.log, lambda i: i.seen),
    Look("log alone, strictly", lambda i: i.log, lambda i: i.named),
    Look("all", lambda i: i.all, lambda i: i.named),
)
"""The log alone may name what a fault does where its cause is not in the log (`FROM_THE_LOG`); strictly it may not."""

KINDS = (*FAULTS, "overfitting", "too_few_epochs")
"""What runs are sick of: seeded faults, and lengths."""


NAMES = {"fit": "fitting", "judge": "judging"}


def judge_healthy(table: Table, extension: str, more: list[Watched], half: list[Watched]) -> None:
    """Print and keep how often the healthy runs of an extension are alarmed, by data set and by code."""
    before, name = [i for i in half if not i.named], EXTENSIONS[extension].name
    print(f"Healthy runs, {name} ({len(more)})")
    for look in (LOOKS[0], LOOKS[2]):
        groups = dict.fromkeys(i.run["group"] for i in more)
        for group in groups:
            some = [i for i in more if i.run["group"] == group]
            table.row(f"healthy, {name}", f"{look.name}: {group}, any alarm", look.found(some), len(some))
        for code in sorted({c for i in more for c in look.say(i)[:1]}):
            table.row(f"healthy, {name}", f"{look.name}: `{code}` first", look.falsely(code, more), len(more))
        for part, some in (("all of it", more), ("with the half's own", before + more)):
            table.row(f"healthy, {name}", f"{look.name}: {part}, any alarm", look.found(some), len(some))


def judge_own(table: Table, items: list[Watched], half: str) -> None:
    """Print and keep the figures of one half."""
    print(f"Runs made by goodfit, {half} half ({len(items)} runs of 4-30 epochs)")
    seeded, healthy = [i for i in items if i.fault in FAULTS], [i for i in items if not i.named]
    for look in LOOKS:
        name = f"own {half}, {look.name}"
        table.row(name, f"{look.name}: seeded faults with any alarm", look.found(seeded), len(seeded))
        table.row(name, f"{look.name}: seeded faults, right code first", look.first(seeded), len(seeded))
        table.row(name, f"{look.name}: healthy with any alarm", look.found(healthy), len(healthy))
    for kind in KINDS:
        some = [i for i in items if i.fault == kind]
        for look in (LOOKS[0], LOOKS[2]):
            table.row(f"own {half}, {look.name}", f"{look.name}: {kind}, any alarm", look.found(some), len(some))
            table.row(f"own {half}, {look.name}", f"{look.name}: {kind}, right first", look.first(some), len(some))


def percent(hits: int, of: int) -> str:
    """A share with its interval, for the page."""
    if not of:
        return "-"
    low, high = interval(hits, of)
    return f"{hits} of {of}: {hits / of:.1%} [{100 * low:.0f}, {100 * high:.0f}]"


def section(table: Table, halves: dict[str, list[Watched]]) -> str:
    """The tables of the page."""
    lines = []
    for half, items in halves.items():
        seeded, healthy = [i for i in items if i.fault in FAULTS], [i for i in items if not i.named]
        lines += [f"#### goodfit's own runs, {NAMES[half]} half", ""]
        counts = f"{len(seeded)} with a seeded fault, {len(healthy)} healthy, the others too long or too short"
        lines += [f"{len(items)} runs: {counts}.", ""]
        lines += [
            "| judged from | seeded faults found | right code first | healthy with any alarm |",
            "|---|---|---|---|",
        ]
        for look in LOOKS:
            shares = (
                (look.found(seeded), len(seeded)),
                (look.first(seeded), len(seeded)),
                (look.found(healthy), len(healthy)),
            )
            lines.append(f"| {look.name} | {' | '.join(percent(*s) for s in shares)} |")
        lines += ["", "| what | found, log alone | right first | found, all | right first |", "|---|---|---|---|---|"]
        for kind in KINDS:
            some = [i for i in items if i.fault == kind]
            cells = [
                percent(n, len(some)) for look in (LOOKS[0], LOOKS[2]) for n in (look.found(some), look.first(some))
            ]
            lines.append(f"| {kind} | {' | '.join(cells)} |")
        lines += ["", "| code | said first and wrong, log alone | all |", "|---|---|---|"]
        said = sorted({c for i in items for c in (i.log[:1] + i.all[:1])})
        for code in said:
            counts = [look.falsely(code, items) for look in (LOOKS[0], LOOKS[2])]
            lines.append(f"| `{code}` | {counts[0]} of {len(items)} | {counts[1]} of {len(items)} |")
        lines.append("")
    lines += ["#### Other curves and runs", "", "| set | what | |", "|---|---|---|"]
    for f in table.figures:
        if not f["set"].startswith("own"):
            lines.append(
                f"| {f['set']} | {f['what']} | {percent(f['hits'], f['of']) if 'of' in f else round(f['value'], 3)} |"
            )
    return "\n".join(lines) + "\n"


def miss(items: list[Watched]) -> None:
    """Name the runs that were judged wrongly."""
    for i in items:
        log, everything = i.log, i.all
        good = not everything if not i.named else (everything[:1] or [""])[0] in i.named
        seen = not log if not i.named else (log[:1] or [""])[0] in i.seen
        if not (good and seen):
            made = "{group} {made} ({arm}), {epochs} epochs".format(**i.run)
            print(f"    {made}, is {i.fault}: log {log}, all {everything}")
