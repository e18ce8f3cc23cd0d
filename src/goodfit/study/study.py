"""The study: rows, encoder, lanes, findings, treatments, comparison, choice, one look at test."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import goodfit
from goodfit import diagnose, encode, treat
from goodfit.data import inputs
from goodfit.data.dataset import Dataset
from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.internals import with_internals
from goodfit.errors import StudyError, UsageError
from goodfit.history import History
from goodfit.memory import PROGRAMS
from goodfit.models import network, obstacles, predict
from goodfit.models.keras_recipe import KerasRecipe
from goodfit.models.network import Network
from goodfit.models.recipe import Recipe
from goodfit.models.source import Source, load_model
from goodfit.study import baseline, feeding, given, leaks, result, selection, sentences, statistics, testing
from goodfit.study.comparison import FEWEST, Comparison
from goodfit.study.folder import Folder
from goodfit.study.options import Options, default_recipe
from goodfit.study.runs import runs_of, score
from goodfit.study.view import Silent, View
from goodfit.train import plan
from goodfit.train.checkpoint import Checkpoint
from goodfit.train.lane import TRAIN, VALIDATION, Lane, Progress, Trained, history
from goodfit.train.loop import Engine
from goodfit.train.membership import Validation
from goodfit.words import count

Array = np.ndarray
FRESH, REFIT = 10_000, 20_000
"""Where the seeds of the fresh runs and of the refit start: no seed serves two purposes."""
CALIBRATED = 5
"""Fresh runs whose validation rows set the temperature."""
PROBABLY = 4
"""Treatments that the time left is told for before it is known which are tried: findings call for two to five."""

MISSED = 1.1
"""How many times the budget a study must need to be told that it is not enough: estimates are no better."""


@dataclass(frozen=True, eq=False)
class Variant:
    """A variant after the search.

    Attributes:
        name: `base`, or the treatment's name.
        recipe: What was trained.
        runs: Its runs, a seed each.
        epochs: The number of epochs that its mean validation curve speaks for.
        reason: Why that number.
        scores: Validation accuracy of each run after that many epochs, `(seeds,)`; NaN where it diverged.
        findings: What is wrong with it.
        improving: Whether it was still improving when its epochs ended: they are all chosen, and the loss still fell.
    """

    name: str
    recipe: Recipe
    runs: list[Trained]
    epochs: int
    reason: str
    scores: Array
    findings: list[Finding]
    improving: bool

    @cached_property
    def history(self) -> History:
        """Its curves."""
        return history(self.runs, self.name)


class Study:
    """From a data set to a verdict, in a folder that remembers what is done.

    Args:
        dataset: The rows.
        out: The study's folder.
        options: What is asked for.
        command: The command line that makes this study, for the report.
        view: Who watches.
        stop: Asked after every epoch; True ends the study there, to be gone on with later.

    Raises:
        GoodfitError: The folder holds another study, or the data cannot be used.
    """

    def __init__(
        self,
        dataset: Dataset,
        out: str | Path,
        options: Options | None = None,
        *,
        command: str = "",
        view: View | None = None,
        stop: Callable[[], bool] = lambda: False,
    ):
        self.dataset, self.options, self.command = dataset, options or Options(), command
        self.view, self.stop = view or Silent(), stop
        self.members: dict[int, Array] = {}
        self.networks: dict[tuple[Recipe, bool], Network] = {}
        self.refitted: dict[str, list[Array]] = {}
        self.calibrator: tuple[Recipe, Any] | None = None
        self.started = time.perf_counter()
        self.warned = False
        self.treatments = [treat.get(name) for name in self.options.treatments or ()]
        self.rows = ~dataset.test
        self.labels, self.groups = dataset.labels[self.rows], dataset.groups[self.rows]
        self.validation = Validation.parse(self.options.validation)
        validation = int((self.member(0) == VALIDATION).sum())
        self.split = (len(self.labels) - validation, validation)
        self.resampled = self.validation.resampled(self.split)
        if min(self.split) < 2:
            raise UsageError(
                "too few rows to validate on",
                expected="2 or more for training and for validation",
                received=f"{self.split[0]} and {self.split[1]} of {len(self.labels)}",
                fix="Give --validation another share.",
            )
        self.source: Source | None = None
        self.model_given: Any = None  # as soon as it is known, built or not
        self.base = self.changed(self.given())
        for treatment in self.treatments:
            if treatment.apply(self.base) == self.base:
                other = type(treatment).suited(self.base)
                instead = f", or try {other.name!r}" if other and other.apply(self.base) != self.base else ""
                raise UsageError(
                    f"treatment {treatment.name!r} would change nothing",
                    expected="a treatment that differs from the base",
                    fix=f"Leave it out{instead}.",
                )
        identity = {"fingerprint": dataset.fingerprint, "test": int(dataset.test.sum()), "base": self.base.identity}
        self.folder = Folder(out, {**identity, "options": self.options.to_dict()})
        self.take_up()

    def given(self) -> Recipe:
        """The base as it is given: a recipe, a model of the user's own, or the tutorials' network."""
        recipe = self.options.recipe
        if self.options.model is not None:
            recipe = KerasRecipe.of(load_model(self.options.model, input_shape=self.shape_for))
        if isinstance(recipe, KerasRecipe):
            self.source = recipe.original
            self.model_given = self.source.model if self.source else None
        elif names := inputs.names(self.dataset.rows):
            raise UsageError(
                f"the data are several arrays: {', '.join(names)}",
                expected="a Keras model with an input for each of them, named by keras.Input(shape, name=...)",
                fix="Bring it: --model net.py:build, in Python model=build; --drop leaves arrays out.",
            )
        image = self.options.encoder.get("size") or feeding.size(self.dataset)
        return recipe or default_recipe(len(self.dataset.classes), self.split[0], image)

    def changed(self, base: Recipe) -> Recipe:
        """The base with the fields that are asked for."""
        changes = {**self.options.base, **({"epochs": self.options.epochs} if self.options.epochs else {})}
        changed = base.but(**changes)
        for name, value in changes.items():
            if getattr(changed, name) != (tuple(value) if isinstance(value, list) else value):
                fix = "Change it where the model is made."
                raise UsageError(f"{name} of this model cannot be changed", received=str(value), fix=fix)
        return changed

    def take_up(self) -> None:
        """Read from the journal what is done."""
        self.before = float(max((e.get("clock", 0.0) for e in self.folder.events), default=0.0))
        try:
            self.known = runs_of(self.folder.events)
        except StudyError:
            self.folder.close()
            raise

    # -- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> dict[str, Any]:
        """Do what is not done yet; returns what `study.json` holds. The folder is locked until the end only.

        Raises:
            Stopped: `stop()` was true; the same study goes on from there.
        """
        again = self.folder.closed
        with self.folder:
            if again:
                self.started = time.perf_counter()
                self.take_up()
            for leak in self.leaks:
                self.view.stage(sentences.leak(leak.to_dict()))
            for finding in self.seen_before:
                self.view.stage(finding.message)
            variants = {"base": self.search_base()}
            variants.update(self.search(self.proposed(variants["base"])))
            comparisons = self.compare(variants)
            choice = self.choose(variants)
            chosen = variants[choice.value]
            final = chosen.recipe.but(epochs=chosen.epochs, patience=None)
            fresh = self.fresh(chosen.name, final)
            self.refit(final, variants["base"])
            test = self.test(final)
            self.view.stage("Writing")
            return result.write(self, variants, comparisons, choice, final, fresh, test)

    def search_base(self) -> Variant:
        """Train the base with every seed, or with those that the budget allows."""
        if not self.known:
            _ = self.x  # a stage of its own; a study that is finished needs none of it
        if self.options.budget:
            first = min(FEWEST, self.options.seeds)
            began = self.decide("began", lambda: 0.0 if self.known else self.clock)
            then = "; the budget decides on more" if first < self.options.seeds and not self.decided else ""
            self.view.stage(f"Training the base network with {count(first, 'seed')}{then}")
            self.train("search", {"base": self.base}, range(first))
            self.decide("seeds", lambda: self.affordable_seeds(self.clock - began))
            if more := self.seeds[first:]:
                self.view.stage(f"Training the base network with {count(len(more), 'more seed')}")
                self.train("search", {"base": self.base}, more)
        else:
            self.view.stage(f"Training the base network with {count(self.options.seeds, 'seed')}")
        return self.variant("base", self.base, self.train("search", {"base": self.base}, self.seeds)["base"])

    def proposed(self, base: Variant) -> dict[str, Recipe]:
        """Names and recipes of the treatments to try."""
        treatments = self.treatments
        if self.options.treatments is None:
            treatments = treat.propose(self.base, base.findings)
        recipes = {t.name: t.apply(self.base) for t in treatments}
        if self.options.budget:
            names = self.decide("treatments", lambda: list(recipes)[: self.affordable_variants()])
            recipes = {name: recipes[name] for name in names}
        return recipes

    def search(self, recipes: Mapping[str, Recipe]) -> dict[str, Variant]:
        """Train the treated variants on the base's seeds."""
        if not recipes:
            return {}
        treatments = f"{len(recipes)} treatment{'s' * (len(recipes) != 1)}"
        self.view.stage(f"Trying {treatments} on the same {len(self.seeds)} seeds")
        runs = self.train("search", recipes, self.seeds)
        return {name: self.variant(name, recipe, runs[name]) for name, recipe in recipes.items()}

    def compare(self, variants: Mapping[str, Variant]) -> dict[str, Comparison]:
        """Each treatment against the base, paired, after Holm's correction."""
        others = {name: v.scores for name, v in variants.items() if name != "base"}
        if not others:
            return {}
        options: dict[str, Any] = {
            "rope": self.options.rope,
            "metric": "validation accuracy",
            "resampled": self.resampled,
        }
        return statistics.compare_all(variants["base"].scores, others, **options)

    def choose(self, variants: Mapping[str, Variant]) -> selection.Choice:
        """The simplest variant within one standard error of the best."""
        size = (self.shape, 1 if len(self.dataset.classes) == 2 else len(self.dataset.classes))
        return selection.choose(
            {name: v.scores for name, v in variants.items()},
            {name: selection.complexity(v.recipe, self.base, *size) for name, v in variants.items()},
            resampled=self.resampled,
            metric="validation accuracy",
        )

    def fresh(self, name: str, final: Recipe) -> dict[str, Any] | None:
        """The base as it was given against the chosen network, on seeds that had no part in the choice."""
        self.view.stage("Checking the choice on fresh seeds")
        seeds = range(FRESH, FRESH + len(self.seeds))
        recipes = {"chosen": final} if final == self.base else {"base": self.base, "chosen": final}
        runs = self.train("fresh", recipes, seeds, keep=lambda lane: self.calibrates(lane))
        scores = {n: np.asarray([score(r, r.best_epoch) for r in rs]) for n, rs in runs.items()}
        if "base" not in scores:
            return None
        label = "base" if name == "base" else name
        names = (f"base, {count(self.base.epochs, 'epoch')}", f"{label}, {count(final.epochs, 'epoch')}")
        comparison = statistics.compare(
            scores["base"], scores["chosen"], names=names, rope=self.options.rope,
            metric="validation accuracy", resampled=self.resampled,
        )  # fmt: skip
        return {"base": names[0], "other": names[1], "seeds": list(seeds), "comparison": comparison.to_dict()}

    def refit(self, final: Recipe, base: Variant) -> None:
        """Train the chosen network and the untreated base once more, on training and validation rows together.

        Without validation rows nothing stops early: a base that would trains for the epochs it usually keeps.
        """
        self.view.stage("Training the chosen network on all development rows")
        epochs = self.base.epochs if self.base.patience is None else base.epochs
        recipes = {"chosen": final, "base": self.base.but(epochs=epochs, patience=None)}
        for name in recipes:
            if self.weights(name) is None:
                self.known.pop(("refit", name, REFIT), None)
        self.train("refit", recipes, [REFIT], keep=lambda lane: True)

    def test(self, final: Recipe) -> dict[str, Any] | None:
        """Look at the test set, once."""
        if not self.dataset.test.any():
            return None
        if done := self.folder.find("test"):
            return dict(done[0]["result"], looks=len(self.folder.find("look")))
        self.view.stage("Looking at the test set")
        self.folder.append({"event": "look", "at": time.strftime("%Y-%m-%dT%H:%M:%S"), "models": ["chosen", "base"]})
        x = self.encoder.transform(self.dataset.select(self.dataset.test))
        chosen = predict.calibrated(self.probabilities(self.model("chosen", final), x), self.temperature)
        base = self.probabilities(self.model("base", self.base), x)
        found = result.sound(testing.look(self.dataset, chosen, base))
        self.folder.append({"event": "test", "result": found})
        return dict(found, looks=len(self.folder.find("look")))

    # -- its parts -----------------------------------------------------------------------------------------------

    @cached_property
    def encoded(self) -> tuple[Any, Any]:
        """The encoder, fitted on the development rows, and these rows encoded."""
        self.view.stage("Encoding")
        options = {**feeding.options(self.dataset, self.model_given), **self.options.encoder}
        encoder = encode.make(self.dataset, **options)
        x = encoder.fit_transform(self.dataset.select(self.rows))
        return encoder, x

    @property
    def encoder(self) -> Any:
        """The encoder."""
        return self.encoded[0]

    @property
    def x(self) -> Any:
        """The encoded development rows."""
        return self.encoded[1]

    @property
    def shape(self) -> tuple[Any, ...]:
        """The shape of an encoded row; of several inputs their shapes."""
        return inputs.shape(self.x)

    def shape_for(self, model: Any) -> tuple[Any, ...]:
        """The shape of a row encoded as a model that is not built yet wants it."""
        self.model_given = model
        return self.shape

    @property
    def memory(self) -> int:
        """Bytes for lanes: what is left of the memory asked for, or half of what is free; once the rows are there."""
        given = self.options.memory
        _ = self.x
        left = (lambda: max(0, plan.free() - PROGRAMS)) if given else (lambda: plan.free() // 2)
        return self.decide(f"memory of {given}" if given else "memory", left)

    @cached_property
    def engine(self) -> Engine:
        """The lanes engine on the development rows."""
        checkpoint = Checkpoint(self.folder.path / "checkpoint.npz", on_save=self.note_clock)
        searched = np.any([self.member(seed) == TRAIN for seed in range(self.options.seeds)], axis=0)
        rows = np.flatnonzero(searched)  # whichever seeds come first, all see the same batches
        counts = None if self.dataset.weights is None else self.dataset.weights[self.rows]
        options: dict[str, Any] = {"memory": self.memory, "checkpoint": checkpoint, "stop": self.stop}
        return Engine(self.x, self.labels, sample_weight=counts, rows=rows, **options)

    @cached_property
    def leaks(self) -> list[Finding]:
        """Columns that give the target away."""
        return leaks.found(self.dataset)

    @cached_property
    def seen_before(self) -> list[Finding]:
        """What is wrong with a model of the user's own as it was given."""
        return given.found(self.source.model, len(self.dataset.classes)) if self.source else []

    @cached_property
    def baseline(self) -> dict[str, float | None]:
        """Accuracy of the commonest class and of a linear model on seed 0's validation rows."""
        return self.decide("baseline", lambda: baseline.measure(self.x, self.labels, self.member(0) == VALIDATION))

    @property
    def seeds(self) -> list[int]:
        """The seeds of the search."""
        planned = self.folder.find("decided", what="seeds")
        return list(range(planned[0]["value"] if planned else self.options.seeds))

    @property
    def decided(self) -> bool:
        """Whether the budget has said how many seeds there are."""
        return bool(self.folder.find("decided", what="seeds"))

    @property
    def clock(self) -> float:
        """Seconds worked on the study, earlier calls included."""
        return self.before + time.perf_counter() - self.started

    def note_clock(self) -> None:
        """Write down the time that half-trained runs took."""
        self.folder.append({"event": "clock", "clock": round(self.clock, 3)})

    @property
    def temperature(self) -> float:
        """The median temperature of the fresh runs; 1 where none could be measured."""
        found = [e["temperature"] for e in self.folder.find("run", stage="fresh") if e.get("temperature")]
        return float(np.median(found)) if found else 1.0

    def decide(self, what: str, value: Callable[[], Any]) -> Any:
        """A value that is decided once and then remembered."""
        if not (found := self.folder.find("decided", what=what)):
            self.folder.append({"event": "decided", "what": what, "value": value()})
            found = self.folder.find("decided", what=what)
        return found[0]["value"]

    def member(self, seed: int) -> Array:
        """The role of each development row for a seed, uint8 `(rows,)`."""
        if seed >= REFIT:
            return np.full(len(self.labels), TRAIN, np.uint8)
        if seed not in self.members:
            self.members[seed] = self.validation.roles(self.labels, self.groups, seed)
        return self.members[seed]

    def network(self, recipe: Recipe, *, lanes: bool = False) -> Network:
        """The recipe's network, built once; for `lanes` with dropout layers even at rate 0: rates share a program."""
        if (key := (recipe, lanes)) not in self.networks:
            classes = len(self.dataset.classes)
            self.networks[key] = network.from_recipe(recipe, self.shape, classes, dropout_layers=lanes or None)
        return self.networks[key]

    def train(
        self,
        stage: str,
        recipes: Mapping[str, Recipe],
        seeds: Sequence[int],
        keep: Callable[[Lane], bool] = lambda lane: False,
    ) -> dict[str, list[Trained]]:
        """The runs of some variants, trained now or long ago."""

        def known(lanes: Sequence[Lane]) -> list[Trained] | None:
            found = [self.known.get((stage, lane.variant, lane.seed)) for lane in lanes]
            return [Trained.from_dict(e["run"]) for e in found if e] if all(found) else None

        def journal(runs: list[Trained]) -> None:
            events = [self.event(stage, run, recipes[run.variant]) for run in runs]
            self.folder.append(*events)
            self.known.update(((stage, run.variant, run.seed), e) for run, e in zip(runs, events, strict=True))

        names = [(name, seed) for name in recipes for seed in seeds]
        if all((stage, name, seed) in self.known for name, seed in names):  # nothing to compile, not even to encode
            runs = [Trained.from_dict(self.known[stage, name, seed]["run"]) for name, seed in names]
        else:
            members = {seed: self.member(seed) for seed in seeds}
            networks = {name: self.network(recipe, lanes=True) for name, recipe in recipes.items()}
            for net in networks.values():
                plan.require_room(net, len(self.labels), self.memory, self.dataset.kind)
            for sentence in obstacles.told(networks) if stage == "search" else ():
                self.view.stage(sentence)
            lanes = [Lane(name, seed, networks[name], members[seed]) for name, seed in names]
            runs = self.engine.train(
                lanes,
                keep=keep,
                known=known,
                on_chunk=journal,
                on_epoch=lambda p: self.view.progress(stage, self.within_budget(p, stage, recipes)),
                look=stage == "search",  # findings are made of the search alone
                later=self.later(stage, recipes),
            )
        return {name: [r for r in runs if r.variant == name] for name in recipes}

    def later(self, stage: str, recipes: Mapping[str, Recipe], *, least: bool = False) -> list[list[Network]]:
        """What is probably trained after this, for the time left: treatments, base and choice on fresh seeds, refit.

        At the `least`, whatever the budget: one treatment, and the first seeds until it is known how many there are.
        """
        given = self.options.treatments is not None
        tried = [t.apply(self.base) for t in self.treatments] if given else [self.base] * PROBABLY
        seeds = len(self.seeds)
        if least:
            tried, seeds = tried[:1], seeds if self.decided else min(FEWEST, seeds)
        stages = [tried * seeds, [self.base] * 2 * seeds, [self.base] * 2]
        done = {"fresh": 2, "refit": 3}.get(stage, 0 if "base" in recipes else 1)
        return [[self.network(recipe, lanes=True) for recipe in runs] for runs in stages[done:]]

    def within_budget(self, progress: Progress, stage: str, recipes: Mapping[str, Recipe]) -> Progress:
        """Progress with no more time left than the budget has, or than is needed in any case, which is told if more."""
        if not (budget := self.options.budget):
            return progress
        least = progress.seconds_left + self.engine.ahead(self.later(stage, recipes, least=True))
        need = self.clock + least
        measured = progress.epoch > 1 or progress.epochs == 1  # a first epoch alone says little of the next
        if need > MISSED * budget and measured and not (self.warned or self.decided):
            self.warned = True
            seeds, treated = min(FEWEST, self.options.seeds), self.options.treatments != ()
            images = self.dataset.kind == "image"
            self.view.stage(sentences.beyond(budget, need, seeds, treated=treated, images=images))
        return replace(progress, seconds_in_all=min(progress.seconds_in_all, max(budget - self.clock, least)))

    def event(self, stage: str, run: Trained, recipe: Recipe) -> dict[str, Any]:
        """A finished run as a line of the journal; its weights, where they are needed later, are put aside first."""
        event = {"event": "run", "stage": stage, "run": run.to_dict(), "clock": round(self.clock, 3)}
        if stage == "refit" and run.weights is not None:
            self.folder.write(f"weights/{run.variant}.npz", predict.packed(run.weights))
        elif run.weights is not None:
            validation = self.member(run.seed) == VALIDATION
            model = self.calibrating(recipe)
            model.set_weights(self.placed(recipe, run.weights))
            event["temperature"] = predict.temperature(
                self.probabilities(model, self.x[validation]), self.labels[validation]
            )
        return event

    def calibrating(self, recipe: Recipe) -> Any:
        """A stock model of the recipe for the weights of one run after the other: it compiles once."""
        if self.calibrator is None or self.calibrator[0] != recipe:
            self.calibrator = recipe, predict.model(net := self.network(recipe), net.model.get_weights())
        return self.calibrator[1]

    def calibrates(self, lane: Lane) -> bool:
        """Whether a fresh run's validation rows set the temperature."""
        return lane.variant == "chosen" and lane.seed < FRESH + CALIBRATED

    def model(self, name: str, recipe: Recipe) -> Any:
        """The refitted stock model of `chosen` or `base`."""
        weights = self.weights(name)
        assert weights is not None  # `refit` saw to it
        return predict.model(self.network(recipe), self.placed(recipe, weights))

    def placed(self, recipe: Recipe, weights: list[Array]) -> list[Array]:
        """Weights of a lane, which has dropout layers even at rate 0, in the order of the stock model."""
        return predict.reordered(weights, self.network(recipe, lanes=True).model, self.network(recipe).model)

    def weights(self, name: str) -> list[Array] | None:
        """The refitted weights of `chosen` or `base`; None where they are missing or damaged, to be trained again."""
        if name not in self.refitted:
            try:
                self.refitted[name] = predict.unpacked((self.folder.path / "weights" / f"{name}.npz").read_bytes())
            except Exception:  # whatever damaged bytes make NumPy, zipfile and zlib raise
                return None
        return self.refitted[name]

    def probabilities(self, model: Any, x: Any) -> Array:
        """Probabilities that a stock model of any variant gives encoded rows."""
        return predict.probabilities(model, x, logits=self.logits)

    @cached_property
    def logits(self) -> bool:
        """Whether what the network says takes a sigmoid or softmax to become probabilities."""
        return self.network(self.base).objective.logits

    def variant(self, name: str, recipe: Recipe, runs: list[Trained]) -> Variant:
        """A variant with its epochs, scores and findings."""
        curves = history(runs, name)
        loss = curves["val_loss"]
        if np.isfinite(loss).any():
            picked = selection.epochs(loss, epochs_run=curves.epochs_run)
            epochs, reason = int(picked.value), picked.reason
        else:
            epochs, reason = recipe.epochs, "No run has a finite validation loss."
        if recipe.patience is not None:
            epochs = max(1, round(float(np.median([r.best_epoch for r in runs]))))
            reason = f"Early stopping kept the weights of epoch {epochs} (median over seeds)."
            at = [r.best_epoch for r in runs]
        else:
            at = [epochs] * len(runs)
        scores = np.asarray([score(r, e) for r, e in zip(runs, at, strict=True)])
        context = Context(
            classes=len(self.dataset.classes),
            majority=self.baseline["accuracy"],
            linear=self.baseline["linear"],
            learning_rate=recipe.learning_rate,
            batch_size=recipe.batch_size,
            epochs=recipe.epochs,
            patience=recipe.patience,
            regularised=False,
            rows=self.split[0],
            validation_rows=self.split[1],
        )
        steps = -(-self.split[0] // recipe.batch_size)
        inside = {"steps": steps, "chance": context.chance}
        findings = with_internals(curves, diagnose.curves(curves, context=context), self.seen_before, **inside)
        improving = epochs == recipe.epochs and selection.improving(loss)
        return Variant(name, recipe, runs, epochs, reason, scores, findings, improving)

    def affordable_seeds(self, took: float) -> int:
        """Seeds for which the base takes a fifth of the budget, from what the first six took."""
        first = min(FEWEST, self.options.seeds)
        share = 0.2 * float(self.options.budget or 0) / max(took, 1e-3)
        return int(np.clip(first * share, first, self.options.seeds))

    def affordable_variants(self) -> int:
        """Treatments that the budget leaves time for, at least one, when each takes what the base took."""
        budget = float(self.options.budget or 0)
        spent = max(self.clock, 1e-3)
        return max(1, int((budget - 3 * spent) / spent))

    @property
    def version(self) -> str:
        """goodfit's version."""
        return goodfit.__version__
