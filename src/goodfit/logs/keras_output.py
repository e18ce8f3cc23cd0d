"""What `fit` printed, pasted or piped to a file: old and new progress bars, notebooks. Standard library only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from goodfit.errors import LogError
from goodfit.logs.base import Format, Log, Table, value

_EPOCH = re.compile(r"^\s*Epoch (\d+)\s*/\s*(\d+)\s*$")
_PAIR = re.compile(r"(?<=[-\s])([A-Za-z]\w*): ([-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|nan|inf)%?)(?=\s|$)")
_STEPS = re.compile(r"(\d+)/(\d+)\s*[\[━\-]")
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class KerasOutput(Format):
    """`Epoch 3/20`, then a bar and `loss: 0.51 - accuracy: 0.78 - val_loss: ...`."""

    name = "Keras fit output"

    def matches(self, log: Log) -> bool:
        """A line `Epoch k/n` and a loss after it, in text or in a notebook."""
        return bool(re.search(r"Epoch \d+\s*/\s*\d+", log.text)) and " loss: " in log.text

    def read(self, log: Log) -> list[Table]:
        """One run for each time the epochs start again."""
        rows = [(n, of, found) for n, of, found in _epochs(_printed(log)) if found]
        if not rows:
            raise LogError("no epoch of the output is complete", received=str(log.path))
        names = dict.fromkeys(k for _, _, found in rows for k in found)
        columns: dict[str, list[float | None]] = {"epoch": [float(n) for n, _, _ in rows]}
        columns |= {k: [found.get(k) for _, _, found in rows] for k in names}
        return [Table(columns, facts={"epochs": rows[-1][1]})]


def _printed(log: Log) -> str:
    """The text, of a notebook what its cells printed."""
    if isinstance(log.json, dict) and "cells" in log.json:
        outputs = [o for cell in log.json["cells"] for o in cell.get("outputs", [])]
        return "\n".join("".join(t) if isinstance(t := o.get("text", ""), list) else t for o in outputs)
    text = log.text
    return json.loads(text) if text.startswith('"') else text


def _epochs(text: str) -> Iterator[tuple[int, int, dict[str, float]]]:
    """Number, number of epochs and last values of each epoch."""
    number, of = 0, 0
    values: dict[str, float] = {}
    for line in re.split(r"[\r\n\x08]+", _COLOUR.sub("", text)):
        begun = _EPOCH.match(line)
        if begun:
            if number:
                yield number, of, values
            number, of, values = int(begun[1]), int(begun[2]), {}
        elif number:
            found = {name: v for name, cell in _PAIR.findall(line) if name != "ETA" and (v := value(cell)) is not None}
            steps = _STEPS.search(line)
            unfinished = "ETA:" in line or (steps and int(steps[1]) < int(steps[2]))
            if "loss" in found and not unfinished:
                values = found
    if number:
        yield number, of, values
