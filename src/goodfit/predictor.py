"""`Predictor`: what a user ships. Raw rows in, labels and calibrated probabilities out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from goodfit import encode
from goodfit.data import read_rows
from goodfit.errors import ModelError
from goodfit.models import predict
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
    """

    def __init__(self, model: Any, encoder: Any, classes: tuple[str, ...], temperature: float, card: dict[str, Any]):
        self.model, self.encoder, self.classes = model, encoder, classes
        self.temperature, self.card = temperature, card

    def probabilities(self, rows: Any) -> np.ndarray:
        """Calibrated probabilities of every class, `(rows, classes)`; each row sums to 1.

        Args:
            rows: Raw rows as the study saw them: a path, a data frame, a list of texts or of records, an array. Words
                and categories never seen before are harmless; a missing column is an error.
        """
        x = self.encoder.transform(read_rows(rows))
        return predict.calibrated(predict.probabilities(self.model, x), self.temperature)

    def predict(self, rows: Any) -> list[str]:
        """The likeliest class of each row, by name."""
        return [self.classes[i] for i in self.probabilities(rows).argmax(1)]

    def table(self, rows: Any) -> pl.DataFrame:
        """The rows with `prediction`, `probability` and one column of probability per class."""
        raw = read_rows(rows)
        p = predict.calibrated(predict.probabilities(self.model, self.encoder.transform(raw)), self.temperature)
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
    def load(cls, path: str | Path) -> Predictor:
        """Read a predictor's folder.

        Raises:
            ModelError: It is not one.
        """
        import keras

        folder = Path(path)
        if not (folder / CARD).is_file() and (folder / "predictor" / CARD).is_file():
            folder = folder / "predictor"
        try:
            card = json.loads((folder / CARD).read_text("utf-8"))
            model = keras.saving.load_model(folder / MODEL)
            encoder = encode.from_dict(card["encoder"])
            return cls(model, encoder, tuple(card["classes"]), float(card["temperature"]), card["card"])
        except FileNotFoundError:
            raise ModelError(
                f"{path} holds no predictor",
                expected=f"a folder with {MODEL} and {CARD}, as goodfit fit writes it",
                fix="Name the predictor folder inside the study's folder.",
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{folder} is damaged", received=str(error).splitlines()[0][:120]) from None
