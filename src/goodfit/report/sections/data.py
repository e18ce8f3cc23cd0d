"""Where the numbers come from: the data, its splits, the looks at the test set, the command."""

from __future__ import annotations

from goodfit.report import numbers
from goodfit.report.html import esc, facts, items, paragraph, section
from goodfit.report.sections import Build


def render(build: Build) -> str:
    """Facts, splits, notes and the ledger of looks."""
    study, texts = build.study, build.texts
    pairs = []
    for key in ("source", "kind", "task", "target"):
        if study.get(key):
            word = str(study[key])
            pairs.append((texts(f"data.{key}"), esc(texts.word(key, word) if key in ("kind", "task") else word)))
    if numbers.known(study.get("rows")):
        pairs.append((texts("column.rows"), build.count(study["rows"])))
    if classes := study.get("classes"):
        names = ", ".join(str(c) for c in classes[:12]) + (", …" if len(classes) > 12 else "")
        pairs.append((texts("data.classes"), esc(f"{build.count(len(classes))}: {names}")))
    splits = study.get("splits") or {}
    told = [
        f"{texts(f'data.{k}')} {build.count(splits[k])}"
        for k in ("train", "validation", "test")
        if numbers.known(splits.get(k))
    ]
    if told:
        pairs.append((texts("data.splits"), esc(" · ".join(told))))
    kind, _, size = str(study.get("validation") or "").partition(":")
    if kind in ("holdout", "kfold", "fixed") and size:
        n = size if kind == "kfold" else numbers.percent(float(size))
        pairs.append((texts("data.validated"), esc(texts(f"data.{kind}", n=n))))
    baseline = study.get("baseline") or {}
    if numbers.known(baseline.get("accuracy")):
        pairs.append((texts("data.majority"), numbers.accuracy(baseline["accuracy"])))
    if numbers.known(baseline.get("linear")):
        pairs.append((texts("data.linear"), numbers.accuracy(baseline["linear"])))
    test = study.get("test") or {}
    if numbers.known(test.get("looks")):
        pairs.append((texts("data.looks"), esc(texts.many("data.looks_told", test["looks"]))))
    elif splits.get("test"):
        pairs.append((texts("data.looks"), esc(texts("data.looks_none"))))
    notes = [str(n) for n in study.get("notes") or [] if n]
    listed = f"<h3>{esc(texts('data.notes'))}</h3>{items(notes)}" if notes else ""
    return section("data", texts("data.title"), facts(pairs, "wide"), listed)


def command(build: Build) -> str:
    """The command that gives this study again."""
    study, texts = build.study, build.texts
    if not study.get("command"):
        return ""
    done, label = esc(texts("command.copied")), esc(texts("command.copy"))
    copy = f'<button type="button" class="copy" data-done="{done}">{label}</button>'
    made = [
        texts("command.version", version=study["version"]) if study.get("version") else "",
        texts("command.created", when=str(study["created"])[:19].replace("T", " ")) if study.get("created") else "",
        texts("command.took", time=numbers.duration(study["seconds"])) if numbers.known(study.get("seconds")) else "",
    ]
    return section(
        "command",
        texts("command.title"),
        f'<div class="command"><pre tabindex="0"><code>{esc(study["command"])}</code></pre>{copy}</div>',
        paragraph(" · ".join(m for m in made if m), "note"),
    )
