"""`goodfit fit`: from rows to a verdict, a report and a predictor."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from goodfit.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("fit")(fit)


def fit(
    data: Annotated[
        str,
        typer.Argument(
            help="CSV, TSV, JSONL, Parquet, .npz or IDX file, a folder with one folder of texts or images per class, "
            "or a built-in set."
        ),
    ],
    target: Annotated[str | None, typer.Option(help="The column, or array, to predict.")] = None,
    text: Annotated[str | None, typer.Option(help="The column of texts; '' takes all columns as a table.")] = None,
    test: Annotated[str | None, typer.Option(help="A test set of its own, read like DATA.")] = None,
    test_fraction: Annotated[float, typer.Option(help="Share of the rows to test on, without --test.")] = 0.2,
    out: Annotated[Path | None, typer.Option(help="The study's folder; by default named after DATA.")] = None,
    seeds: Annotated[int, typer.Option(help="Paired seeds of every variant.")] = 29,
    model: Annotated[
        str | None,
        typer.Option(help="A Keras model of your own as the base: model.keras, or path/to/file.py:function."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of the base network.")] = None,
    filters: Annotated[
        str | None, typer.Option(help="Filters of the base's convolutions of images, such as 32,64; '' for none.")
    ] = None,
    units: Annotated[str | None, typer.Option(help="Units of the base's hidden layers, such as 16,16.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Batch size of the base.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Learning rate of the base.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="Optimizer of the base.")] = None,
    treatments: Annotated[
        str | None, typer.Option(help="What to try, such as 'dropout 0.5,l2'; by default what the findings call for.")
    ] = None,
    drop: Annotated[str | None, typer.Option(help="Columns to leave out, such as 'id,date'.")] = None,
    weight: Annotated[str | None, typer.Option(help="The column that says how much a row counts in training.")] = None,
    class_weight: Annotated[
        str | None, typer.Option(help="How much classes count in training: balanced, or such as 'spam=3,ham=1'.")
    ] = None,
    validation: Annotated[
        str,
        typer.Option(
            help="Rows that each seed validates on: 0.2 (a share, drawn anew for each seed), kfold:5, or fixed (one "
            "split for all seeds)."
        ),
    ] = "0.2",
    rope: Annotated[float, typer.Option(help="A difference in accuracy that does not matter.")] = 0.01,
    image_size: Annotated[
        str | None, typer.Option(help="Size that images are brought to, such as 64 or 48x64 (height x width).")
    ] = None,
    words: Annotated[int | None, typer.Option(help="Most words (n-grams) of texts to keep.")] = None,
    ngrams: Annotated[int | None, typer.Option(help="Longest n-grams of texts.")] = None,
    budget: Annotated[
        str | None, typer.Option(help="Time to aim at, such as 90s or 2m: fewer seeds (6 at least) and treatments (1).")
    ] = None,
    memory: Annotated[str | None, typer.Option(help="Memory to stay within, such as 4GB.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Text encoding of files that are not UTF-8.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Train, name what is wrong, try treatments, compare, choose, test once; leave report and predictor."""
    from goodfit import job
    from goodfit.cli.live import LiveView
    from goodfit.report import terminal

    folder = out or default_folder(data)
    base = {
        "filters": None if filters is None else whole_numbers("--filters", filters),
        "units": None if units is None else whole_numbers("--units", units),
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "optimizer": optimizer,
    }
    encoder: dict[str, Any] = {}
    if words is not None:
        if words < 1:
            raise UsageError("bad --words", expected="1 or more", received=str(words))
        encoder["max_features"] = words
    if ngrams is not None:
        if not 1 <= ngrams <= 3:
            raise UsageError("bad --ngrams", expected="1, 2 or 3", received=str(ngrams))
        encoder["ngram_range"] = (1, ngrams)
    stop = _Stop()
    with stop, LiveView(quiet=as_json) as view:
        study = job.fit(
            data,
            target,
            text=text,
            test=test,
            test_fraction=test_fraction,
            out=folder,
            seeds=seeds,
            model=model,
            epochs=epochs,
            base={k: v for k, v in base.items() if v is not None},
            treatments=None if treatments is None else names(treatments),
            drop=names(drop or ""),
            weight=weight,
            class_weight=None if class_weight is None else weights(class_weight),
            validation=validation,
            rope=rope,
            budget=None if budget is None else seconds(budget),
            memory=None if memory is None else size(memory),
            encoder=encoder,
            encoding=encoding,
            image_size=None if image_size is None else pixels(image_size),
            command="goodfit " + shlex.join(sys.argv[1:]),
            view=view,
            stop=stop,
        )
    if as_json:
        print(json.dumps(study, ensure_ascii=False))
    else:
        terminal.summary(study, folder)


def default_folder(data: str) -> Path:
    """The study's folder where `--out` does not name one: after the data, and never the data itself."""
    if not data.strip():
        raise UsageError("DATA is empty", expected="a file, a folder or a built-in set")
    folder = Path(Path(os.path.abspath(data)).stem or "goodfit")  # the root has no name
    same = folder.exists() and folder.resolve() == Path(data).resolve()
    return Path(f"{folder}-study") if same else folder


def names(text: str) -> list[str]:
    """Names such as `dropout 0.5,l2`."""
    return [part.strip() for part in text.split(",") if part.strip()]


def whole_numbers(option: str, text: str) -> list[int]:
    """Whole numbers such as `16,16`; an empty text is none: a linear model."""
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise UsageError(f"bad {option}", expected="whole numbers such as 16,16", received=repr(text)) from None


def weights(text: str) -> dict[str, float] | str:
    """Weights of classes such as `spam=3,ham=1`, or `balanced`."""
    if "=" not in text:
        return text.strip()
    found = {}
    for part in text.split(","):
        name, _, value = part.rpartition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            raise UsageError("bad --class-weight", expected="such as spam=3,ham=1", received=repr(part)) from None
    return found


def pixels(text: str) -> tuple[int, int]:
    """A size of images such as `64` or `48x64`, height and width."""
    found = re.fullmatch(r"\s*([1-9]\d{0,3})(?:\s*x\s*([1-9]\d{0,3}))?\s*", text.lower())
    if not found:
        raise UsageError("bad --image-size", expected="such as 64 or 48x64", received=repr(text))
    return int(found[1]), int(found[2] or found[1])


def seconds(text: str) -> float:
    """A time such as `90`, `90s`, `2m` or `1.5h`, in seconds."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(s|m|h)?\s*", text.lower())
    if not found:
        raise UsageError(
            "bad time", expected="a number with s, m or h", received=repr(text), fix="Write e.g. 90s or 2m."
        )
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2] or "s"]


def size(text: str) -> int:
    """An amount of memory such as `800MB` or `4GB`, in bytes."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]?)i?b?\s*", text.lower())
    if not found:
        raise UsageError(
            "bad amount of memory", expected="a number with MB or GB", received=repr(text), fix="Write e.g. 4GB."
        )
    return int(float(found[1]) * 1024 ** " kmgt".index(found[2] or " "))


_STOPPED = "goodfit: stopped; what is finished is kept, the same command goes on from there."


class _Stop:
    """The first Ctrl-C ends training after the epoch it is in, the second at once."""

    GRACE = 1.0
    """Seconds after the second in which Python may still end by itself."""

    def __init__(self) -> None:
        self.asked, self.heard = False, 0
        self.ended = threading.Event()
        self.lock = threading.Lock()

    def __call__(self) -> bool:
        return self.asked

    def __enter__(self) -> _Stop:
        self.before = signal.signal(signal.SIGINT, self._interrupted)
        self.reader, self.writer = socket.socketpair()
        self.writer.setblocking(False)
        self.wakeup = signal.set_wakeup_fd(self.writer.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.ended.set()
        signal.set_wakeup_fd(self.wakeup)
        signal.signal(signal.SIGINT, self.before)
        self.writer.close()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            print(_STOPPED, file=sys.stderr)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self.heard += 1
        if self.heard > 1:
            raise KeyboardInterrupt
        self._ask()

    def _ask(self) -> None:
        with self.lock:
            before, self.asked = self.asked, True
        if not before:
            print("\ngoodfit: stopping after this epoch (Ctrl-C again stops at once)", file=sys.stderr, flush=True)

    def _watch(self) -> None:
        """Hear of signals at once: Python's own handler has to wait for the end of an epoch, which runs in C++."""
        seen = 0
        with self.reader:
            while numbers := self.reader.recv(16):
                seen += numbers.count(signal.SIGINT)
                if seen:
                    self._ask()
                if seen > 1 and not self.ended.wait(self.GRACE):
                    shown = "\x1b[?25h" if sys.stderr.isatty() else ""  # the cursor
                    print(shown + _STOPPED, file=sys.stderr, flush=True)
                    os._exit(130)
