"""`Predictor`: what a user ships. Raw rows in, labels and calibrated probabilities out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from goodfit import encode
from goodfit.data import inputs, read_rows
from goodfit.errors import DataError, ModelError, first_line
from goodfit.models import predict
from goodfit.models.source import objects
from goodfit.study.folder import writing

CARD = "predictor.json"
MODEL = "model.keras"


class Predictor:
    """An encoder, a stock Keras model, class names and a calibration.

    Args:
        model: A stock Keras model.
        encoder: The fitted encoder.
        classes: Class names, in the order of the model's outputs.
        temperature: Divides the log probabilities (temperature scaling).
        card: What else is known: where it comes from, how it was chosen and tested.
        logits: Whether the model's output takes a sigmoid or softmax to become probabilities.
    """

    def __init__(
        self,
        model: Any,
        encoder: Any,
        classes: tuple[str, ...],
        temperature: float,
        card: dict[str, Any],
        *,
        logits: bool = False,
    ):
        self.model, self.encoder, self.classes = model, encoder, classes
        self.temperature, self.card, self.logits = temperature, card, logits

    def probabilities(self, rows: Any) -> np.ndarray:
        """Calibrated probabilities of every class, `(rows, classes)`; each row sums to 1.

        Args:
            rows: Raw rows as the study saw them: a path, a data frame, a list of texts or of records, an array, a dict
                of arrays. Words and categories never seen before are harmless; a missing column is an error.
        """
        return self._probabilities(self._read(rows))

    def _read(self, rows: Any) -> Any:
        raw = read_rows(rows, image_size=self.encoder.shape[:2] if self.encoder.kind == "image" else None)
        if inputs.names(raw) and self.encoder.kind != "inputs":
            raw = inputs.alone(inputs.without(raw, [str(self.card.get("target"))]))
            if names := inputs.names(raw):
                raise DataError(
                    "the rows are several arrays", expected="one", received=", ".join(names), fix="Give this one alone."
                )
        return raw

    def _probabilities(self, raw: Any) -> np.ndarray:
        p = predict.probabilities(self.model, self.encoder.transform(raw), logits=self.logits)
        return predict.calibrated(p, self.temperature)

    def predict(self, rows: Any) -> list[str]:
        """The likeliest class of each row, by name."""
        return [self.classes[i] for i in self.probabilities(rows).argmax(1)]

    def table(self, rows: Any) -> pl.DataFrame:
        """The rows with `prediction`, `probability` and one column of probability per class."""
        raw = self._read(rows)
        p = self._probabilities(raw)
        best = p.argmax(1)
        frame = raw if isinstance(raw, pl.DataFrame) else pl.DataFrame({"row": np.arange(1, len(p) + 1)})
        new = {"prediction": [self.classes[i] for i in best], "probability": p.max(1)}
        new.update({f"p({name})": p[:, i] for i, name in enumerate(self.classes)})
        while clash := [n for n in new if n in frame.columns]:
            new = {f"{n}_" if n in clash else n: v for n, v in new.items()}
        return frame.with_columns(pl.Series(n, v) for n, v in new.items())

    def save(self, path: str | Path) -> None:
        """Write the predictor's folder: `model.keras` (stock Keras) and `predictor.json` (all else)."""
        folder = Path(path)
        card = {
            "format": 1,
            "classes": list(self.classes),
            "temperature": self.temperature,
            "logits": self.logits,
            "card": self.card,
            "encoder": self.encoder.to_dict(),
        }
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            part = folder / "part.keras"
            self.model.save(part)
            part.replace(folder / MODEL)
            text = folder / (CARD + ".part")
            text.write_text(json.dumps(card, ensure_ascii=False), "utf-8")
            text.replace(folder / CARD)

    @classmethod
    def load(cls, path: str | Path, *, code: str | Path | None = None) -> Predictor:
        """Read a predictor's folder.

        Args:
            path: The folder, or that of its study.
            code: The Python file that defines the model's own layers, where it has any; it is run.

        Raises:
            ModelError: It is not one.
        """
        import keras

        folder = Path(path)
        if not (folder / CARD).is_file() and (folder / "predictor" / CARD).is_file():
            folder = folder / "predictor"
        try:
            card = json.loads((folder / CARD).read_text("utf-8"))
            with keras.saving.custom_object_scope(objects(code) if code else {}):
                model = keras.saving.load_model(folder / MODEL)
            encoder = encode.from_dict(card["encoder"])
            classes, temperature = tuple(card["classes"]), float(card["temperature"])
            return cls(model, encoder, classes, temperature, card["card"], logits=card.get("logits", False))
        except (FileNotFoundError, NotADirectoryError):
            raise ModelError(
                f"{path} holds no predictor",
                expected=f"a folder with {MODEL} and {CARD}, as goodfit fit writes it",
                fix="Name the predictor folder inside the study's folder.",
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            if found := re.search("Could not locate (?:class|function) '(\\w+)'", str(error)):
                raise ModelError(
                    f"the model in {folder} is made with {found[1]!r}, which is not Keras's",
                    fix="Name the Python file that defines it: --code file.py, in Python code='file.py'.",
                ) from None
            raise ModelError(f"{folder} is damaged", received=first_line(error)) from None
