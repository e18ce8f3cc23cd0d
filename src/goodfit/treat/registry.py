"""Every treatment by name, and which of them findings call for."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest

from goodfit.diagnose.finding import Finding
from goodfit.errors import UsageError, near
from goodfit.models.recipe import Recipe
from goodfit.treat.augmentation import Augmentation
from goodfit.treat.base import Treatment
from goodfit.treat.batch_normalization import BatchNormalization
from goodfit.treat.dropout import Dropout
from goodfit.treat.early_stopping import EarlyStopping
from goodfit.treat.fewer_epochs import FewerEpochs
from goodfit.treat.higher_learning_rate import HigherLearningRate
from goodfit.treat.l1 import L1
from goodfit.treat.l2 import L2
from goodfit.treat.label_smoothing import LabelSmoothing
from goodfit.treat.larger import Larger
from goodfit.treat.lower_learning_rate import LowerLearningRate
from goodfit.treat.more_epochs import MoreEpochs
from goodfit.treat.smaller import Smaller

_TREATMENTS: dict[str, type[Treatment]] = {
    t.stem: t
    for t in (
        Augmentation,
        Dropout,
        L2,
        Smaller,
        L1,
        EarlyStopping,
        LabelSmoothing,
        Larger,
        HigherLearningRate,
        BatchNormalization,
        MoreEpochs,
        LowerLearningRate,
        FewerEpochs,
    )
}
_HEALTHY = ("augmentation", "dropout", "smaller", "larger")  # what regularises, what simplifies, what adds capacity


def all() -> dict[str, type[Treatment]]:
    """Every treatment by its stem; for one finding, the likeliest to help first."""
    return dict(_TREATMENTS)


def get(name: str) -> Treatment:
    """The treatment of a name: `dropout 0.5`, or `dropout` for its usual strength.

    Raises:
        UsageError: No treatment has this name, or its strength is out of range.
    """
    stem, *strengths = name.lower().split() or [""]
    stem = stem.replace("-", "_")
    if stem not in _TREATMENTS:
        raise UsageError(f"unknown treatment {name!r}", fix=near(stem, _TREATMENTS))
    treatment = _TREATMENTS[stem]
    if not strengths:
        return treatment()
    try:
        (strength,) = (float(s) for s in strengths)
    except ValueError:
        raise UsageError(
            f"treatment {name!r} is not understood",
            expected="a name and at most one number" if treatment.takes else "a name alone",
            fix=f"Write {(treatment.suited(Recipe()) or treatment()).name!r}, say.",
        ) from None
    return treatment(strength)


def propose(recipe: Recipe, findings: Iterable[Finding], *, most: int = 5) -> list[Treatment]:
    """What to try on a recipe, given what was found: few, as every further one makes all verdicts harder.

    The remedies of all findings take turns, the first of each before the second of any; a finding that names none
    gets the treatments meant for its code, and one on images begins with what only images can have. Where nothing is
    called for, a healthy network, a small set shows whether anything can be gained at all. What would do nothing to
    this recipe, or weaken what it has, is left out.

    Args:
        recipe: The base.
        findings: What was found in its runs, gravest first.
        most: Treatments at most.
    """
    queues = [_remedies(recipe, f) for f in findings]
    called = dict.fromkeys(stem for turn in zip_longest(*queues) for stem in turn if stem in _TREATMENTS)
    return (_suited(recipe, called) or _suited(recipe, _HEALTHY))[:most]


def _remedies(recipe: Recipe, finding: Finding) -> list[str]:
    named = list(finding.remedies) or [s for s, t in _TREATMENTS.items() if finding.code in t.codes]
    own = [Augmentation.stem] if recipe.augmentable and finding.code in Augmentation.codes else []
    return [*own, *named]


def _suited(recipe: Recipe, stems: Iterable[str]) -> list[Treatment]:
    found = [t for stem in stems if (t := _TREATMENTS[stem].suited(recipe)) is not None]
    return [t for t in found if t.apply(recipe) != recipe]  # a Keras model may have no place for it
