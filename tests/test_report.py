"""The report: its data, its figures, its page."""

import io
import json
import re
import shutil
import string
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from goodfit import report
from goodfit.diagnose.finding import CODES, SEVERITIES
from goodfit.errors import StudyError, UsageError
from goodfit.history import History
from goodfit.report import languages, numbers, page, summary
from goodfit.report.figures import confusion, curves, intervals, palette, style
from goodfit.report.source import Source, clean
from report_study import HOSTILE, build

CASES = {
    "text": {},
    "topics": {"classes": 46, "variants": 15, "epochs": 60, "seeds": 12},
    "table": {"classes": 6, "variants": 3, "seeds": 6, "epochs": 8, "kind": "table"},
    "one seed": {"seeds": 1, "variants": 2},
    "base alone": {"variants": 1, "seeds": 3},
    "searching": {"stop": "search", "variants": 3, "seeds": 3},
    "untested": {"stop": "fresh", "seeds": 7},
    "no change": {"no_change": True, "seeds": 7},
}


class Page(HTMLParser):
    """What a browser would see: elements, links, visible text."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.scripts, self.open = "", [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "input", "link", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif "style" not in self.open:
            self.text += data + " "

    def find(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    return {name: (folder / name, build(folder / name, **options)) for name, options in CASES.items()}


@pytest.fixture(scope="module")
def pages(studies):
    return {
        f"{name} {lang}": page.render(Source.read(folder), languages.get(lang))
        for name, (folder, _) in studies.items()
        for lang in (("en", "es") if name == "text" else ("en",))
    }


# -- numbers and words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "given", "shown"),
    [
        (numbers.accuracy, 0.88349, "0.883"),
        (numbers.loss, 0.28712, "0.287"),
        (numbers.loss, 1.234e6, "1.23e+06"),
        (numbers.points, 0.0123, "+1.2"),
        (numbers.points, -0.0031, "−0.3"),
        (numbers.points, -0.00001, "0.0"),
        (numbers.probability, 0.0312, "0.031"),
        (numbers.probability, 1e-9, "<\u00a00.001"),
        (numbers.percent, 0.999, "> 99%"),
        (numbers.percent, 1.0, "100%"),
        (numbers.percent, 0.001, "< 1%"),
        (numbers.count, 25000, "25,000"),
        (numbers.duration, 83.4, "1 min 23 s"),
        (numbers.duration, 59.7, "1 min 00 s"),
        (numbers.duration, 7500, "2 h 05 min"),
        (numbers.clock, 42, "0:42"),
        (numbers.value, [16, 16], "16, 16"),
        (numbers.value, {"a": 0.123456, "b": None}, "a 0.1235, b –"),
        (numbers.value, True, "yes"),
    ],
)
def test_numbers_have_one_form(form, given, shown):
    assert form(given) == shown


@pytest.mark.parametrize("nothing", [None, float("nan"), float("inf"), "x", True])
def test_what_is_no_number_is_a_dash(nothing):
    for form in (numbers.accuracy, numbers.loss, numbers.points, numbers.probability, numbers.percent, numbers.count):
        assert form(nothing) == numbers.MISSING
    assert numbers.interval(nothing, 0.5) == numbers.MISSING


@pytest.mark.parametrize(
    ("key", "metric", "shown"),
    [
        ("val_accuracy", (0.974, 0.907, 1.040), "[0.907, 1.000]"),
        ("val_accuracy", (0.02, -0.01, 0.05), "[0.000, 0.050]"),
        ("val_auc", (0.974, 0.907, 1.040), "[0.907, 1.000]"),
        ("val_loss", (0.071, -0.068, 0.210), "[0.000, 0.210]"),
        ("val_loss", (1.1, 0.9, 1.3), "[0.900, 1.300]"),
        ("val_loss", (-0.1, -0.3, 0.1), "[-0.300, 0.100]"),
        ("val_kappa", (0.1, -0.1, 1.3), "[-0.100, 1.300]"),
        ("val_accuracy", (0.5, None, None), numbers.MISSING),
    ],
)
def test_an_interval_is_no_wider_than_what_can_be(key, metric, shown, studies):
    found = dict(zip(("mean", "low", "high"), metric, strict=True))
    form = numbers.accuracy if key == "val_accuracy" else numbers.loss
    assert numbers.around(found, key, form) == shown
    if key in ("val_accuracy", "val_loss") and found["low"] is not None:
        study = studies["text"][1]
        base, other, *_ = ({**v, "metrics": {**v["metrics"], key: found}} for v in study["variants"])
        study = {**study, "variants": [base, other]}
        assert shown in page.render(Source(study), languages.get("en"))
        console = Console(file=io.StringIO(), width=100)
        console.print(summary.comparison(study, [{**other["comparison"], "names": ["base", other["name"]]}]))
        assert shown in console.file.getvalue()


def test_every_language_says_the_same_things():
    def holes(text):
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    english = languages.get("en").messages
    for lang in languages.available():
        other = languages.get(lang).messages
        assert other.keys() == english.keys()
        for key, text in english.items():
            assert holes(other[key]) <= holes(text), (lang, key)
            assert holes(other[key]) == holes(text) or key.endswith(".one"), (lang, key)
    assert {f"finding.{c}" for c in CODES} | {f"severity.{s}" for s in SEVERITIES} <= english.keys()


def test_an_unknown_language_is_told():
    with pytest.raises(UsageError, match="expected en, es"):
        languages.get("xx")


# -- reading a folder --------------------------------------------------------------------------------------------


def test_curves_come_back_from_a_shuffled_table(studies, tmp_path):
    folder, _ = studies["table"]
    frame = pl.read_parquet(folder / "history.parquet")
    shutil.copy(folder / "study.json", tmp_path)
    frame.sample(fraction=1, shuffle=True, seed=3).write_parquet(tmp_path / "history.parquet")
    got = Source.read(tmp_path).histories
    assert {stage: set(h) for stage, h in got.items()} == {
        "search": {"base", "dropout 0.5", "smaller 4"},
        "fresh": {"base", "chosen"},
    }
    history = got["search"]["smaller 4"]
    assert history.seeds.tolist() == list(range(6))
    assert history.epochs_run.tolist() == [8] * 6
    for row in frame.filter(stage="search", variant="smaller 4").iter_rows(named=True):
        assert history["val_loss"][row["seed"], row["epoch"] - 1] == row["val_loss"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "no study lies here"),
        ({"journal.jsonl": "{}"}, "has no result yet"),
        ({"study.json": "{"}, "study.json cannot be read"),
        ({"study.json": "[1]"}, "expected a JSON object"),
        ({"study.json": "{}", "history.parquet": "PAR"}, "history.parquet cannot be read"),
    ],
)
def test_a_folder_that_holds_no_study_is_told_in_one_line(tmp_path, files, told):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(StudyError, match=told) as error:
        report.write(tmp_path)
    assert "\n" not in str(error.value)


def test_no_number_that_is_none_gets_in():
    assert clean({"a": [float("nan"), 1.0, (float("inf"),)]}) == {"a": [None, 1.0, [None]]}


# -- figures: data -----------------------------------------------------------------------------------------------


def test_a_curve_is_the_mean_over_the_seeds_that_still_train():
    nan = np.nan
    values = np.array([[1.0, 2.0, 3.0, 9.0], [3.0, 4.0, 5.0, nan], [5.0, 9.0, nan, nan], [7.0, nan, np.inf, nan]])
    c = curves.curve(History({"val_loss": values}, variant="x"), "val", "loss")
    assert c.epochs.tolist() == [1, 2, 3]  # at 4 a single run of four is left
    assert c.runs.tolist() == [4, 3, 2]
    np.testing.assert_allclose(c.mean, [4, 5, 4])
    np.testing.assert_allclose(c.sd, [np.std([1, 3, 5, 7], ddof=1), np.std([2, 4, 9], ddof=1), np.std([3, 5], ddof=1)])


def test_a_training_curve_in_inference_mode_goes_before_the_running_one():
    both = History({"loss": [[2.0]], "train_loss": [[1.0]], "val_loss": [[np.nan]]})
    assert curves.curve(both, "train", "loss").mean == [1.0]
    assert curves.curve(both, "val", "loss") is None
    assert curves.curve(History({"loss": [[2.0]]}), "train", "loss").mean == [2.0]
    assert curves.panel({"x": History({"loss": [[2.0]]})}, "accuracy") is None


def test_one_diverged_variant_does_not_press_all_others_flat():
    sane = {f"v{i}": History({"val_loss": [[0.5, 0.3, 0.4]]}, variant=f"v{i}") for i in range(3)}
    wild = {"wild": History({"val_loss": [[0.5, 50.0, 1e6]]}, variant="wild")}
    assert not curves.panel(sane, "loss").cut
    both = curves.panel(sane | wild, "loss")
    assert both.cut
    assert both.high < 1.5
    alone = curves.panel(wild, "loss")
    assert not alone.cut
    assert alone.high > 1e6


def test_effects_come_fresh_first_then_by_size(studies):
    folder, study = studies["text"]
    data = intervals.intervals(Source.read(folder))
    assert [r.fresh for r in data.rows] == [True] + [False] * 4
    effects = [v["comparison"]["effect"] for v in study["variants"][1:]]
    assert [r.effect for r in data.rows[1:]] == sorted(effects, reverse=True)
    assert data.rope == 0.01
    assert intervals.intervals(Source.read(studies["one seed"][0])) is None
    assert intervals.intervals(Source({})) is None


def test_a_confusion_matrix_tells_who_is_taken_for_whom():
    data = confusion.confusion([[8, 2, 0], [5, 5, 0], [0, 0, 0]], ["a", "b", "c"])
    np.testing.assert_allclose(data.shares, [[0.8, 0.2, 0], [0.5, 0.5, 0], [0, 0, 0]])
    np.testing.assert_allclose(data.recall, [0.8, 0.5, np.nan])
    np.testing.assert_allclose(data.precision, [8 / 13, 5 / 7, np.nan])
    assert data.pairs == ((1, 0, 5), (0, 1, 2))
    assert confusion.confusion(None, ["a"]) is None
    assert confusion.confusion([[1, 2], [3, 4]], ["a", "b", "c"]) is None


# -- figures: drawing --------------------------------------------------------------------------------------------


def test_a_drawn_panel_holds_its_numbers_and_its_bands(studies):
    source = Source.read(studies["text"][0])
    histories = source.histories["search"]
    data = curves.panel(histories, "accuracy")
    colours = palette.assign(list(histories), "base", "dropout 0.5")
    figure = curves.draw(data, colours, languages.get("en"), strong=("base", "dropout 0.5"))
    lines = {(t.meta["variant"], t.meta["part"]): t for t in figure.data if not t.meta["band"]}
    bands = {(t.meta["variant"], t.meta["part"]): t for t in figure.data if t.meta["band"]}
    assert lines.keys() == bands.keys() == {(n, p) for n in histories for p in ("train", "val")}
    values = histories["smaller 4"]["val_accuracy"]
    np.testing.assert_allclose(lines["smaller 4", "val"].y, values.mean(axis=0), rtol=1e-4)
    upper = bands["smaller 4", "val"].y[: values.shape[1]]
    np.testing.assert_allclose(upper, values.mean(axis=0) + values.std(axis=0, ddof=1), rtol=1e-4)
    assert lines["base", "val"].line.color == palette.BASE.light
    assert [t.meta["variant"] for t in figure.data][-1] == "dropout 0.5"  # on top


def colours_in(x):
    """Every colour that a figure's JSON names."""
    if isinstance(x, dict):
        return set().union(*map(colours_in, x.values()))
    if isinstance(x, list):
        return set().union(*map(colours_in, x))
    return {x} if isinstance(x, str) and re.fullmatch(r"#[0-9a-f]{6}|rgba?\([^)]*\)", x) else set()


def test_every_colour_has_a_twin_for_dark_pages(pages):
    clear = {"rgba(0,0,0,0)"}
    for html in pages.values():
        figures = json.loads(next(s for s in Page(html).scripts if s.startswith('{"') or s == "{}"))
        assert colours_in(figures) <= palette.twins().keys() | clear


def luminance(colour: str) -> float:
    """Relative luminance, https://www.w3.org/TR/WCAG21/#dfn-relative-luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_lines_and_texts_can_be_seen_on_their_paper():
    css = page._asset("page.css")
    light, dark = re.findall(r"--paper: (#\w{6})", css)[:2]
    for colour in (palette.INK, palette.MUTED, palette.BASE, palette.CHOSEN, *palette.OTHERS):
        least = 4.5 if colour in (palette.INK, palette.MUTED) else 3.0
        for ink, paper in ((colour.light, light), (colour.dark, dark)):
            high, low = sorted((luminance(ink), luminance(paper)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= least, (colour, paper)


def test_names_are_shown_letter_by_letter():
    assert style.plain("<b>x</b> & %{y}") == "&lt;b&gt;x&lt;/b&gt; &amp; %&#123;y}"
    assert style.plain("a very long name", most=7) == "a very…"


# -- the page ----------------------------------------------------------------------------------------------------


def test_the_page_is_whole_offline_and_small(pages):
    for name, html in pages.items():
        assert len(html.encode()) < 6_000_000, name
        seen = Page(html)
        assert seen.open == [], name
        links = [a[k] for _, a in seen.elements for k in ("src", "href", "action", "srcset") if k in a]
        assert all(link.startswith("#") for link in links), name
        assert not seen.find("link")
        assert "default-src 'none'" in seen.find("meta")[1]["content"]
        assert sum("Plotly, Inc." in s for s in seen.scripts) == 1
        idents = [a["id"] for _, a in seen.elements if "id" in a]
        assert len(idents) == len(set(idents)), name
        assert {link[1:] for link in links} <= set(idents), name


def test_nothing_missing_shows_as_such(pages):
    for name, html in pages.items():
        shown = Page(html)
        words = shown.text + " ".join(s for s in shown.scripts if "Plotly, Inc." not in s and "use strict" not in s)
        found = re.search(r"\b(NaN|nan|None|undefined|Infinity|inf)\b", words)
        assert not found, (name, words[max(0, found.start() - 60) : found.end() + 20])


def test_what_matters_comes_first(pages):
    order = ["verdict", "curves", "comparison", "findings", "test", "recipe", "data", "command"]
    assert [a["id"] for a in Page(pages["text en"]).find("section")] == order
    assert [a["id"] for a in Page(pages["searching en"]).find("section")] == [s for s in order if s != "test"]


def test_figures_and_tables_can_be_read_by_everyone(pages):
    for name, html in pages.items():
        seen = Page(html)
        places = [a for a in seen.find("div") if "data-figure" in a]
        figures = json.loads(next(s for s in seen.scripts if s.startswith('{"') or s == "{}"))
        assert {a["data-figure"] for a in places} == set(figures), name
        assert all(a["role"] == "img" and a["aria-label"] for a in places)
        assert all(a.get("scope") in {"col", "row"} for a in seen.find("th"))
        assert html.count("<figure>") == html.count("<figcaption>")
    assert len(Page(pages["text en"]).find("figure")) == 4
    assert set(Page(pages["text es"]).find("html")[0].items()) == {("lang", "es")}


def test_a_mistake_on_an_image_is_shown_as_one(tmp_path):
    study = build(tmp_path, seeds=3, variants=2, epochs=5)
    study["test"]["errors"] = [{"row": 7, "text": "row 7", "image": 'QUJD"', "truth": "a", "predicted": "b"}]
    (tmp_path / "study.json").write_text(json.dumps(study))
    html = report.write(tmp_path).read_text()
    assert [a["src"] for a in Page(html).find("img")] == ['data:image/png;base64,QUJD"']
    assert "<blockquote" not in html


def test_why_it_was_chosen_is_said_once_and_names_stay_on_one_line(tmp_path):
    study = build(tmp_path, seeds=3, variants=2, epochs=5)
    study["chosen"] |= {"reason": "No change.", "epochs_reason": "The loss is lowest after epoch 3."}
    said = ["Now 'smaller 4' it is.", "No change.", "Epochs of 'smaller 4': the loss is lowest after epoch 3.", "Done."]
    (tmp_path / "study.json").write_text(json.dumps(study | {"sentences": said}))
    html = report.write(tmp_path).read_text()
    assert [html.count(s) for s in ("No change.", "he loss is lowest", "'smaller\u00a04' it")] == [1, 1, 0]
    assert html.count("smaller\u00a04&#x27; it") == 1


def test_all_that_a_study_says_stands_in_the_page(pages, studies):
    study = studies["text"][1]
    text = " ".join(Page(pages["text en"]).text.split())
    for sentence in [*study["sentences"], *study["notes"], study["chosen"]["reason"], study["command"]]:
        assert sentence in text
    test = study["test"]
    assert numbers.accuracy(test["accuracy"]) in text
    assert f"{numbers.accuracy(test['low'])} to {numbers.accuracy(test['high'])}" in text
    for v in study["variants"]:
        assert v["name"] in text
        assert numbers.accuracy(v["metrics"]["val_accuracy"]["mean"]) in text
    for c in [v["comparison"] for v in study["variants"][1:]] + [study["fresh"]["comparison"]]:
        assert f"{numbers.points(c['effect'])} {numbers.interval(c['low'], c['high'], numbers.points)}" in text
    assert "dropout 0 0.5 epochs 20 8" in text
    assert f"base, 20 epochs {numbers.accuracy(test['base']['accuracy'])}" in text
    assert "Overfitting" in text
    assert "rise 0." in text


def test_texts_cannot_become_markup(pages):
    html = pages["text en"]
    assert HOSTILE.split("</script>")[0] not in html
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &lt;b&gt;bold&lt;/b&gt; �" in html
    assert len(Page(html).find("script")) == 4


def test_hostile_names_cannot_become_markup(tmp_path):
    study = build(tmp_path, seeds=2, variants=2, epochs=3)
    evil = "</script><img src=x onerror=alert(1)>\"'"
    text = json.dumps(study).replace("positive", json.dumps(evil)[1:-1]).replace("dropout 0.5", json.dumps(evil)[1:-1])
    (tmp_path / "study.json").write_text(text)
    history = pl.read_parquet(tmp_path / "history.parquet")
    history.with_columns(pl.col("variant").replace("dropout 0.5", evil)).write_parquet(tmp_path / "history.parquet")
    seen = Page(report.write(tmp_path).read_text())
    assert not seen.find("img")
    assert len(seen.find("script")) == 4
    assert not [k for _, a in seen.elements for k in a if k.startswith("on")]


@pytest.mark.parametrize(
    "study",
    [
        {},
        {"name": None, "variants": None, "test": None, "chosen": None},
        {"variants": [{"name": "base"}]},
        {
            "variants": [{"name": "base"}, {"name": "x", "comparison": {"effect": float("nan")}}],
            "chosen": {"variant": "x"},
        },
        {"test": {"accuracy": 0.9}, "classes": ["a"], "sentences": ["Done."]},
        {"test": {"accuracy": None, "confusion": [[1, 2]], "errors": [{}]}, "fresh": {"comparison": {}}},
    ],
)
def test_a_study_may_lack_anything(tmp_path, study):
    (tmp_path / "study.json").write_text(json.dumps(study))
    seen = Page(report.write(tmp_path).read_text())
    assert seen.open == []
    assert not re.search(r"\b(NaN|nan|None)\b", seen.text)


def test_the_file_goes_where_it_is_wanted(studies, tmp_path):
    folder, _ = studies["base alone"]
    assert report.write(folder) == folder / "report.html"
    wanted = tmp_path / "elsewhere.html"
    assert report.write(str(folder), str(wanted), lang="es") == wanted
    assert [p.name for p in tmp_path.iterdir()] == ["elsewhere.html"]
    with pytest.raises(StudyError, match="cannot be written"):
        report.write(folder, tmp_path / "no" / "such" / "folder.html")
    with pytest.raises(StudyError, match="cannot be written"):
        report.write(folder, tmp_path)


def test_the_command_prints_the_file(studies, capsys):
    from goodfit.cli.report import report as command

    command(studies["base alone"][0])
    assert capsys.readouterr().out.strip().endswith("report.html")


def test_nothing_heavy_is_loaded_before_it_is_needed():
    code = (
        "import sys, goodfit.report, goodfit.report.terminal, goodfit.report.page, goodfit.report.summary\n"
        "heavy = {'plotly', 'polars', 'rich', 'keras', 'jax', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


WATCH = """<script>
const wrong = [];
addEventListener("error", (e) => wrong.push(e.message));
addEventListener("securitypolicyviolation", (e) => wrong.push(e.violatedDirective + " " + e.blockedURI));
const told = console.error; console.error = (...a) => { wrong.push(a.join(" ")); told(...a); };
</script>"""
PLAY = """<script>
const shown = () => document.querySelector("[data-figure=every-loss]").data
  .filter((t) => t.visible && !t.meta.band).map((t) => t.meta.variant + "/" + t.meta.part).sort();
setTimeout(() => {
  const seen = { first: shown() };
  document.querySelectorAll(".chip")[2].click(); seen.chip = shown();
  document.querySelector("input[name=part][value=train]").click(); seen.train = shown();
  document.querySelector("input[name=who][value=some]").click(); seen.main = shown();
  dispatchEvent(new Event("beforeprint")); dispatchEvent(new Event("afterprint"));
  seen.drawn = [...document.querySelectorAll("[data-figure]")].every((p) => p.querySelector("svg.main-svg"));
  seen.wrong = wrong;
  document.title = JSON.stringify(seen);
}, 500);
</script>"""


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs the chromium browser")
def test_a_browser_draws_every_figure_and_finds_nothing_wrong(pages, tmp_path):
    html = pages["text en"].replace("<style>", WATCH + "<style>", 1).replace("</body>", PLAY + "</body>")
    (tmp_path / "page.html").write_text(html)
    options = """
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --virtual-time-budget=3000 --dump-dom
    """.split()  # noqa: SIM905
    done = subprocess.run(
        ["chromium", *options, f"--user-data-dir={tmp_path / 'user'}", (tmp_path / "page.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    seen = json.loads(re.search(r"<title>(.*?)</title>", done.stdout)[1].replace("&quot;", '"'))
    names = ["base", "dropout 0.5", "l2 0.001", "larger 64", "smaller 4"]
    assert seen["first"] == [f"{n}/val" for n in names]
    assert seen["chip"] == [f"{n}/val" for n in names[:-1]]
    assert seen["train"] == [f"{n}/train" for n in names[:-1]]
    assert seen["main"] == ["base/train", "dropout 0.5/train"]
    assert seen["drawn"] is True
    assert seen["wrong"] == []
