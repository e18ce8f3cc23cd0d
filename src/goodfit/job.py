"""The main job: from rows to a verdict, a report and a predictor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from goodfit import data, report
from goodfit.memory import at_most
from goodfit.models.recipe import Recipe
from goodfit.predictor import Predictor
from goodfit.study.options import SEEDS, Options
from goodfit.study.study import Study
from goodfit.study.view import View

CARD = ("name", "source", "target", "command", "version", "created", "chosen", "test")
"""What the predictor's card tells of the study."""

TEST_SEED = 0
"""Fixes the test rows where no test set is given: the same data always has the same ones."""


def fit(
    source: Any,
    target: str | None = None,
    *,
    text: str | None = None,
    test: Any = None,
    test_fraction: float = 0.2,
    out: str | Path = "goodfit-study",
    seeds: int = SEEDS,
    recipe: Recipe | None = None,
    model: Any = None,
    base: dict[str, Any] | None = None,
    epochs: int | None = None,
    treatments: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    weight: str | None = None,
    class_weight: Mapping[Any, float] | str | None = None,
    validation: str | float = 0.2,
    rope: float = 0.01,
    budget: float | None = None,
    memory: int | None = None,
    encoder: dict[str, Any] | None = None,
    encoding: str | None = None,
    image_size: tuple[int, int] | None = None,
    command: str = "",
    view: View | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Study a data set and leave study, report and predictor in a folder.

    Args:
        source: Anything `goodfit.data.load` reads.
        target: The column or array to predict.
        text: The column that holds the texts; found by itself where None, `""` for none.
        test: A test set like `source`; where None the source's own or a share.
        test_fraction: That share.
        out: The study's folder; one that holds the same study goes on where it was.
        seeds: Paired seeds of every variant.
        recipe: The base network; None takes the tutorials'.
        model: A Keras model of your own as the base network, compiled as you like: a `keras.Model`, a function that
            makes one (or one and a dict of `class_weight`, `batch_size`, `epochs`), the path of a `.keras` file, or
            `path/to/file.py:function`. Every run draws new initial weights.
        base: Fields of the base's recipe to change, such as `{"batch_size": 64}`.
        epochs: Epochs of the base.
        treatments: What to try; None takes what the findings call for.
        drop: Columns to leave out.
        weight: The column that says how much each row counts in training; for arrays give `(x, y, sample_weight)`.
        class_weight: How much the rows of each class count, by name or index; `"balanced"` makes classes count alike.
        validation: Which development rows each seed validates on: `holdout`, `kfold:5`, `fixed`, or a share.
        rope: A difference in accuracy that does not matter.
        budget: Seconds to aim at, by fewer seeds (6 at least) and treatments (1 at least); None is no limit.
        memory: Bytes that the process may take; None leaves the plan to what is free.
        encoder: Options of the encoder.
        encoding: The text encoding of files that are not UTF-8.
        image_size: Height and width that images are brought to; without, what a model of your own takes, or 64 pixels a
            side at most.
        command: The command line, for the report.
        view: Who watches.
        stop: Asked after every epoch; True ends the study there.

    Returns:
        What `study.json` holds.

    Raises:
        GoodfitError: The data, the options or the folder cannot be used.
    """
    options = Options(
        seeds=seeds,
        recipe=recipe,
        model=model,
        base=base or {},
        epochs=epochs,
        treatments=None if treatments is None else tuple(treatments),
        validation=validation,
        rope=rope,
        budget=budget,
        encoder={**(encoder or {}), **({"size": tuple(image_size)} if image_size else {})},
        memory=memory,
    )
    how: dict[str, Any] = {"drop": drop, "weight": weight, "class_weight": class_weight, "image_size": image_size}
    with at_most(memory):
        dataset = data.load(source, target, text, test, test_fraction, TEST_SEED, encoding=encoding, stream=True, **how)
        study = Study(dataset, out, options, command=command, view=view, stop=stop)
        with study.folder:  # others wait for report and predictor, too
            result = study.run()
            final = study.base.from_dict(result["chosen"]["recipe"])
            card = {k: result[k] for k in CARD}
            card["test"] = {k: v for k, v in (card["test"] or {}).items() if k not in {"errors", "confusion"}}
            model = study.model("chosen", final)
            Predictor(model, study.encoder, dataset.classes, study.temperature, card, logits=study.logits).save(
                Path(out) / "predictor"
            )
            report.write(out)
        return result
