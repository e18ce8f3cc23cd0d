"""The live table and the summary."""

import io
import json
import re
from html import unescape

import pytest
from rich.console import Console

from goodfit.cli.live import LiveView
from goodfit.report import languages, page, summary, terminal
from goodfit.report.source import Source
from goodfit.report.terminal import LiveTable
from report_study import build

METRICS = {
    "train_loss": (0.1234, 0.004),
    "val_loss": (0.3123, 0.0123),
    "train_accuracy": (0.951, 0.003),
    "val_accuracy": (0.883, 0.0041),
}
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")


class Clock:
    """Seconds that pass when told to."""

    now = 100.0

    def __call__(self):
        return self.now


def screen(width=80, height=24, **options):
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=height, **options)


def shown(table: LiveTable, width=80, height=24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(table.table(width, height))
    return console.file.getvalue().splitlines()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return build(tmp_path_factory.mktemp("study"), seeds=8, variants=5)


def printed(what, width=80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(what)
    return console.file.getvalue()


def test_a_line_says_all_within_80_columns():
    table = LiveTable(screen())
    table.update("batch normalization", 29, 12, 20, METRICS, left=83)
    head, line = shown(table)
    assert head.split() == ["variant", "seeds", "epoch", "loss", "val_loss", "acc", "val_acc", "state"]
    assert line.endswith("29 12/20 0.123 0.312 ±.012 0.951 0.883 ±.004 1:23 left")
    assert max(map(len, shown(table))) <= 80


def test_a_narrow_terminal_gets_what_decides_and_no_number_is_cut(study):
    table = LiveTable(screen())
    table.update("batch normalization", 29, 12, 20, METRICS, left=83)
    head, line = shown(table, width=60)
    assert head.split() == ["variant", "epoch", "val_loss", "val_acc", "state"]
    assert line.endswith("12/20 0.312 ±.012 0.883 ±.004 1:23 left")
    whole, narrow = (printed(summary.summary(study), width).split("\n\n")[1] for width in (80, 56))
    assert all("…" not in t and max(map(len, t.splitlines())) <= w for t, w in ((whole, 80), (narrow, 56)))
    assert [("p" in t.splitlines()[0].split()) for t in (whole, narrow)] == [True, False]
    for effect in re.findall(r"-?\S+ \[.*?\]", whole):
        assert effect in narrow


def test_a_wide_terminal_gets_every_spread_and_the_state():
    table = LiveTable(screen())
    table.update("base", 29, 12, 20, METRICS, left=83)
    head, line = shown(table, width=120)
    assert head.split()[-2:] == ["state", "left"]
    assert " ".join(line.split()) == "base 29 12/20 0.123 ±.004 0.312 ±.012 0.951 ±.003 0.883 ±.004 training 1:23"


def test_time_left_is_measured_where_it_is_not_told():
    clock = Clock()
    table = LiveTable(screen(), clock=clock)
    table.update("base", 29, 1, 21, METRICS)
    assert shown(table)[1].endswith("training")  # one epoch, compiling included, says nothing about the next
    clock.now += 2
    table.update("base", 29, 2, 21, METRICS)
    assert shown(table)[1].endswith("0:38 left")
    clock.now += 3  # it runs on between two epochs
    assert shown(table)[1].endswith("0:35 left")


def test_the_time_left_in_all_stands_below_until_the_end():
    clock = Clock()
    table = LiveTable(screen(), clock=clock)
    table.update("base", 29, 1, 20, METRICS, left=83)
    table.in_all(600)
    clock.now += 4
    assert shown(table)[-1].strip() == "about 9:56 left in all"
    table.close()
    assert "in all" not in "".join(shown(table))


def test_something_moves_before_the_first_epoch_is_done():
    clock = Clock()
    table = LiveTable(screen(), clock=clock)
    assert "first epoch" not in printed(table)
    for seconds in (42, 3):
        table.begin()
        clock.now += seconds
        assert printed(table) == f"preparing, compiling and training the first epoch: 0:{seconds:02d}\n"
    table.update("base", 29, 1, 20, METRICS)
    assert "first epoch" not in printed(table)
    assert "1/20" in printed(table)


def test_a_stage_of_a_study_begins_in_the_table(monkeypatch):
    began = []
    monkeypatch.setattr(LiveTable, "begin", lambda self: began.append(self))
    view = LiveView()
    view.stage("Encoding")
    assert began == [view.table]


def test_the_state_follows_the_epochs_unless_told():
    table = LiveTable(screen())
    table.update("waits", 29, 0, 20)
    table.update("ends", 29, 20, 20, METRICS)
    table.update("stops", 29, 6, 20, METRICS, state="stopped")
    assert [line.split()[-1] for line in shown(table)[1:]] == ["waiting", "done", "stopped"]


def test_what_is_no_number_is_a_dash_and_one_seed_has_no_spread():
    table = LiveTable(screen())
    table.update("wild", 1, 3, 20, {"val_loss": (float("nan"), float("nan")), "val_accuracy": (0.5, 0.0)}, left=1)
    assert shown(table)[1].split() == ["wild", "1", "3/20", "–", "0.500", "0:01", "left"]


def test_more_variants_than_lines_leave_those_that_train():
    table = LiveTable(screen())
    for i in range(15):
        table.update(f"v{i}", 29, 20 if i < 12 else 3, 20, METRICS, left=1)
    lines = shown(table, height=12)
    assert len(lines) <= 10
    assert lines[-1] == "and 8 more".ljust(len(lines[-1]))
    assert {"v12", "v13", "v14"} <= {line.split()[0] for line in lines}


def test_it_is_redrawn_on_a_terminal_and_its_last_state_stays():
    console = screen()
    with LiveTable(console) as table:
        table.update("base", 29, 3, 20, METRICS, left=1)
        table.message("Comparing [1/2]")
        table.update("base", 29, 20, 20, METRICS)
    out = console.file.getvalue()
    assert "Comparing [1/2]" in out
    assert "20/20" in out.split("Comparing")[-1]


def test_colour_is_left_out_where_it_is_not_wanted(monkeypatch):
    for wanted in (True, False):
        if not wanted:
            monkeypatch.setenv("NO_COLOR", "1")
        console = screen(color_system="standard")
        with LiveTable(console) as table:
            table.update("base", 29, 20, 20, METRICS)
        assert bool(COLOUR.search(console.file.getvalue())) == wanted


def test_it_is_quiet_where_stderr_is_no_terminal(capfd):
    with LiveTable() as table:
        table.update("base", 29, 3, 20, METRICS)
        table.message("Comparing")
    assert capfd.readouterr() == ("", "")


def test_plain_lines_are_few_and_go_to_stderr(capfd):
    with LiveTable(plain=True) as table:
        for epoch in range(21):
            table.update("base", 29, epoch, 20, METRICS)
        table.message("Comparing")
        table.update("l2", 1, 1, 1, METRICS, state="training")
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "base: training, 29 seeds, 20 epochs",
        "base: done after epoch 20, val_loss 0.312 ±.012, val_accuracy 0.883 ±.004",
        "Comparing",
        "l2: training, 1 seed, 1 epoch",
    ]


def test_the_summary_says_it_in_sentences_and_one_table(study, tmp_path):
    text = printed(summary.summary(study, "imdb"))
    assert max(map(len, text.splitlines())) <= 80
    flat = " ".join(text.split())
    assert all(s in flat for s in study["sentences"])
    assert "Report: imdb/report.html Predictor: imdb/predictor" in flat
    lines = text[text.index("against base") :].splitlines()
    for v in study["variants"][1:]:
        c = v["comparison"]
        line = next(line for line in lines if line.startswith(v["name"]))
        assert f"{v['metrics']['val_accuracy']['mean']:.3f}" in line
        assert line.split()[-1] == v["verdict"]
        assert f"{100 * c['effect']:+.1f}" in line
    assert "dropout 0.5 *" in text
    assert "…" not in text
    assert not re.search("nan|None|−|\u00a0|[│─┃]", text)


def test_notes_stand_above_the_table_the_first_of_many(study):
    few = printed(summary.summary({**study, "notes": ["1 damaged image was left out (the first: 005.png)."]}))
    assert "\nNote: 1 damaged image was left out (the first: 005.png).\n\nvariant" in few
    many = printed(summary.summary({**study, "notes": [f"Note {i} of [b]." for i in range(9)]}))
    shown = summary.NOTES
    assert f"Note {shown - 1} of [b].\n{9 - shown} more notes are in the report.\n\nvariant" in many
    assert "1 more note is in" in printed(summary.summary({**study, "notes": ["x"] * (shown + 1)}))


@pytest.mark.parametrize("options", [{"stop": "search"}, {"stop": "fresh"}, {"seeds": 1}, {"variants": 1}])
def test_the_summary_of_part_of_a_study(tmp_path, options):
    text = printed(summary.summary(build(tmp_path, **{"seeds": 3, "variants": 3, "epochs": 5} | options)))
    assert not re.search("nan|None", text)
    assert printed(summary.summary({})).startswith("No verdict yet")
    for n, told in ((1, "Chosen: l2 with 1 epoch."), (2, "Chosen: l2 with 2 epochs.")):
        assert told in printed(summary.summary({"chosen": {"variant": "l2", "epochs": n}}))


def test_names_are_no_markup(study):
    text = json.dumps(study).replace("smaller 4", "[bold]4[/bold]").replace("larger 64", "[/red]")
    shown = printed(summary.summary(json.loads(text)))
    assert "[bold]4[/bold]" in shown
    assert "[/red]" in shown


def test_one_comparison_stands_beside_the_metrics(study):
    found = [v["comparison"] | {"names": ["base", v["name"]]} for v in study["variants"][1:]]
    every = printed(summary.comparison(study, found))
    assert all(f"{100 * c['effect']:+.1f}" in every for c in found)
    assert "A sentence" not in every
    one = printed(summary.comparison(study, found[:1]))
    assert "A sentence that says it all." in one
    mean = study["variants"][1]["metrics"]["val_loss"]["mean"]
    assert f"{mean:.3f}" in one
    assert max(map(len, (every + one).splitlines())) <= 80


def test_a_verdict_that_the_sign_flip_p_holds_back_is_explained(study):
    held = {"verdict": "undecided", "low": -0.043, "high": -0.007, "p_holm": 0.017, "alpha": 0.05, "n": 6}
    base, *others = study["variants"]
    for p, told in ((0.0625, True), (0.031, False)):
        found = [{**v, "comparison": {**v["comparison"], **held, "p_permutation": p}} for v in others[:1]]
        fresh = {**study["fresh"], "comparison": {**study["fresh"]["comparison"], **held, "p_permutation": p}}
        some = {**study, "variants": [base, *found, *others[1:]], "fresh": fresh}
        name = others[0]["name"]
        said = (
            f"leaves out zero: '{name}', the choice on fresh seeds; a verdict takes a sign-flip p of 0.05 at most, too."
        )
        text = " ".join(printed(summary.summary(some)).split())
        assert (said in text) is told
        assert (said in unescape(page.render(Source(some), languages.get("en")))) is told
        one = printed(summary.comparison(some, [found[0]["comparison"] | {"names": ["base", name]}]))
        assert (f"leaves out zero: '{name}'" in one) is told


@pytest.mark.parametrize(("seeds", "warned"), [(1, True), (2, True), (5, True), (6, False), (29, False)])
def test_few_seeds_are_said_to_establish_nothing(study, seeds, warned):
    found = [v["comparison"] | {"names": ["base", v["name"]], "n": seeds} for v in study["variants"][1:]]
    assert ("nothing, and an interval over so few" in printed(summary.comparison(study, found))) is warned


def test_the_end_goes_to_stdout(study, capfd):
    terminal.summary(study, "imdb")
    terminal.comparison(study, [study["variants"][1]["comparison"]])
    out, err = capfd.readouterr()
    assert study["sentences"][0] in out
    assert "Against base" in out
    assert err == ""
