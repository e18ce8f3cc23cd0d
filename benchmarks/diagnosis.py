"""How right the diagnosis of curves is: hits on the sick, alarms on the healthy, the right cause first.

    python benchmarks/diagnosis.py [--fit] [--judge] [--out benchmarks/out/diagnosis.json]

`GOODFIT_CURVES` names a folder with `overfitguard-fitting/`, `seeded-faults-mnist.jsonl` and `paired-programs.jsonl`.
Runs made by goodfit itself are read from `benchmarks/out/labelled-runs.jsonl` where that file is there, as
`labelled_runs.py` writes it.

`--fit` fits the thresholds of the overfitting rule on the fitting set and prints them; they are written into
`goodfit/diagnose/thresholds.py` by hand. Sets marked *judging* are never fitted on; they are
read with `--judge` only, and each look at them stands in `benchmarks/README.md`.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from goodfit import logs
from goodfit.diagnose import Context, curves
from goodfit.diagnose.rules.overfitting import Overfitting, rise, still_learning, strength
from goodfit.diagnose.view import View
from goodfit.history import History
from labels import EXTENSIONS
from shares import Table
from watched_runs import Watched, judge_healthy, judge_own, miss, own, section

HERE = Path(__file__).parent
BEGIN, END = "<!-- tables of benchmarks/diagnosis.py -->", "<!-- end of these tables -->"
SEEDED = {
    "lr_1e": {"learning_rate_too_low"},
    "lr_": {"learning_rate_too_high", "diverged"},
    "epoch_": {"too_few_epochs"},
}
"""What a seeded fault's name calls for; other faults of that set have no code of their own on curves."""


@dataclass(frozen=True)
class Labelled:
    """A history and what is wrong with it by construction: the codes that name it, none for a healthy one."""

    group: str
    truth: frozenset[str]
    history: History
    context: Context = field(default_factory=Context)


def told(item: Labelled) -> list[str]:
    """Codes of the findings above `info`, the main one first."""
    return [f.code for f in curves(item.history, context=item.context) if f.severity != "info"]


def macro_f1(truth: np.ndarray, said: np.ndarray) -> float:
    """Mean F1 of the two classes."""
    scores = [
        2 * np.sum(truth & said) / max(1, truth.sum() + said.sum()) for truth, said in ((truth, said), (~truth, ~said))
    ]
    return float(np.mean(scores))


# --- the sets -------------------------------------------------------------------------------------------------------


def overfitguard(folder: Path) -> Iterator[Labelled]:
    """419 made histories, overfit or not, of 12 data sets (fitting)."""
    for path in sorted(folder.glob("overfitguard-fitting/*/*.json")):
        found = logs.read(path)[0]
        truth = {"overfitting"} if path.parent.name == "overfit" else set()
        yield Labelled(path.stem.split("_")[2], frozenset(truth), found)


def seeded(folder: Path) -> Iterator[tuple[str, Labelled]]:
    """150 runs of two MNIST networks with one seeded fault each (fitting)."""
    for line in (folder / "seeded-faults-mnist.jsonl").read_text().splitlines():
        run = json.loads(line)
        fault = run["fault"]
        truth = next((codes for name, codes in SEEDED.items() if fault.startswith(name)), set())
        history = History.of({k: run[k] for k in ("loss", "val_loss", "accuracy", "val_accuracy")})
        yield fault, Labelled(run["model"][-6:], frozenset(truth), history)


def paired(folder: Path) -> Iterator[tuple[str, Labelled]]:
    """Published faulty programs and their repaired versions, all seeds of one together (judging)."""
    for history in logs.read(folder / "paired-programs.jsonl"):
        yield history.variant.rsplit(" ", 1)[1], Labelled(history.variant.rsplit(" ", 1)[0], frozenset(), history)


# --- fitting --------------------------------------------------------------------------------------------------------


def facts(items: list[Labelled]) -> np.ndarray:
    """The lowest thresholds at which each history would not be called overfit, shape `(histories, 2)`; 0 for never.

    Columns: the rise as a share of the fall before it, and relative to the lowest loss.
    """
    out = np.zeros((len(items), 2))
    for i, item in enumerate(items):
        view = View.of(item.history)
        if Overfitting().applies(view) and still_learning(view):
            seen = rise(view)
            # Conditions that are not fitted (sure, lasting) hold, or make a rise of nothing.
            if seen["rise"] > 0 and strength(seen, 1e-9, 1e-9) >= 1:
                out[i] = seen["share"], seen["relative"]
    return out


def fit(seen: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """The thresholds with the best macro-F1; of all that reach it the most silent rise over the lowest loss.

    Of the shares that do best with that one the geometric middle.
    """
    grid = np.geomspace(0.005, 0.5, 41)
    scores = np.array([[macro_f1(truth, np.all(seen >= (a, b), axis=1)) for b in grid] for a in grid])
    last = int(np.flatnonzero(scores.max(axis=0) >= scores.max() - 1e-12)[-1])
    best = np.flatnonzero(scores[:, last] >= scores[:, last].max() - 1e-12)
    return float(np.exp(np.log(grid)[best].mean())), float(grid[last])


def leave_one_out(items: list[Labelled]) -> np.ndarray:
    """What thresholds fitted on all other data sets say of each history, bool `(histories,)`."""
    seen, groups = facts(items), np.array([i.group for i in items])
    truth = np.array([bool(i.truth) for i in items])
    out = np.zeros(len(items), bool)
    for group in sorted(set(groups.tolist())):
        here = groups == group
        out[here] = np.all(seen[here] >= fit(seen[~here], truth[~here]), axis=1)
    return out


# --- judging --------------------------------------------------------------------------------------------------------


def judge_overfitguard(table: Table, items: list[Labelled]) -> None:
    truth = np.array([bool(i.truth) for i in items])
    print("OverfitGuard, fitting (419 histories of 1,000 epochs, 12 data sets)")
    for how, alarms in (
        ("leave one data set out", leave_one_out(items)),
        ("as shipped", np.array([(told(i) or [""])[0] == "overfitting" for i in items])),
    ):
        table.number("overfitguard", f"macro-F1, {how}", macro_f1(truth, alarms))
        table.row("overfitguard", f"overfit called so, {how}", int((truth & alarms).sum()), int(truth.sum()))
        table.row("overfitguard", f"others called so, {how}", int((~truth & alarms).sum()), int((~truth).sum()))


def judge_seeded(table: Table, items: list[tuple[str, Labelled]]) -> None:
    print("Seeded faults on MNIST, fitting (150 runs)")
    for name, codes in SEEDED.items():
        longer = [n for n in SEEDED if n != name and n.startswith(name)]
        runs = [told(i) for f, i in items if f.startswith(name) and not any(f.startswith(n) for n in longer)]
        table.row(
            "seeded",
            f"{name}*: {' or '.join(sorted(codes))} first",
            sum((r or [""])[0] in codes for r in runs),
            len(runs),
        )
    healthy = [told(i) for f, i in items if f == "origin"]
    table.row("seeded", "origin (healthy): any alarm", sum(bool(r) for r in healthy), len(healthy))


def judge_paired(table: Table, items: list[tuple[str, Labelled]]) -> None:
    print("Published faulty programs and their repairs, judging (seeds judged together)")
    for arm in ("origin", "repair"):
        runs = [(i.group, told(i)) for a, i in items if a == arm]
        table.row("paired", f"{arm}: any alarm", sum(bool(r) for _, r in runs), len(runs))
        for group, codes in runs:
            print(f"    {group:24s} {', '.join(codes) or 'healthy'}")


def judge_tutorials(table: Table, path: Path) -> None:
    """IMDB and Reuters as tutorials train them: each run alone, and the seeds together."""
    print("Tutorial curves: each seed alone, then all together")
    runs: dict[str, list[History]] = {}
    for line in map(json.loads, path.read_text().splitlines()):
        runs.setdefault(line["name"], []).append(History.of(line["curves"]))
    for name, seeds in runs.items():
        right = 0
        for history in [*seeds, together := History.stack(seeds)]:
            found = [f for f in curves(history) if f.severity != "info"]
            # The epoch after the lowest validation loss of all seeds, give or take two, as far as the seeds' own are.
            turn = int(np.argmin(together["val_loss"].mean(axis=0))) + 2
            if name.endswith(" 20"):
                right += [f.code for f in found] == ["overfitting"] and abs((found[0].epoch or 0) - turn) <= 2
            else:
                right += not found
            print(f"    {name}: {', '.join(f'{f.code} from {f.epoch}' for f in found) or 'healthy'}")
        table.row("tutorials", f"{name} epochs: right and nothing else", right, len(seeds) + 1)


def write(page: Path, text: str) -> None:
    """Put text between the two marks of a page."""
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{text}{END}{rest.split(END)[1]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fit", action="store_true", help="fit the thresholds on the fitting set and print them")
    parser.add_argument("--judge", action="store_true", help="look at the judging sets too: note in README.md why")
    parser.add_argument("--readme", action="store_true", help="write the tables into README.md (with --judge)")
    parser.add_argument("--out", type=Path, default=HERE / "out" / "diagnosis.json")
    options = parser.parse_args()
    table = Table()
    folder = os.environ.get("GOODFIT_CURVES")
    runs = HERE / "out" / "labelled-runs.jsonl"
    if folder:
        guard = list(overfitguard(Path(folder)))
        if options.fit:
            share, relative = fit(facts(guard), np.array([bool(i.truth) for i in guard]))
            print(f"fitted: RISE_SHARE = {share:.3f}, RISE_RELATIVE = {relative:.3f}")
        judge_overfitguard(table, guard)
        judge_seeded(table, list(seeded(Path(folder))))
        if options.judge:
            judge_paired(table, list(paired(Path(folder))))
    else:
        print("GOODFIT_CURVES is not set: the published curves are left out")
    if (HERE / "out" / "tutorial-runs.jsonl").is_file():
        judge_tutorials(table, HERE / "out" / "tutorial-runs.jsonl")
    halves: dict[str, list[Watched]] = {}
    for half in ("fit", *(["judge"] if options.judge else [])) if runs.is_file() else ():
        halves[half] = own(runs, half)
        judge_own(table, halves[half], half)
    for name, extension in EXTENSIONS.items():
        if extension.half in halves and (more := own(runs, name)):
            judge_healthy(table, name, more, halves[extension.half])
    if "fit" in halves:
        miss(halves["fit"])
    if options.readme and options.judge:
        write(HERE / "README.md", section(table, halves))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(table.figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
