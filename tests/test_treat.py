"""Treatments: pure changes of a recipe, by name, and what findings call for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit import treat
from goodfit.diagnose.finding import CODES, Finding
from goodfit.errors import UsageError
from goodfit.models.recipe import Recipe

NAMES = sorted(treat.all())
recipes = st.builds(
    Recipe,
    units=st.lists(st.integers(1, 512), max_size=3).map(tuple),
    dropout=st.sampled_from([0.0, 0.2, 0.5, 0.9]),
    l1=st.sampled_from([0.0, 0.0001, 1.0]),
    l2=st.sampled_from([0.0, 0.001, 1.0]),
    label_smoothing=st.sampled_from([0.0, 0.1, 0.5]),
    batch_normalization=st.booleans(),
    learning_rate=st.floats(1e-6, 1.0),
    epochs=st.integers(1, 50),
    patience=st.none() | st.integers(1, 10),
)


def finding(code, *remedies, severity="warning"):
    return Finding(code, severity, "A sentence.", remedies=remedies)


def test_every_treatment_of_the_vocabulary_is_there():
    stems = """augmentation smaller larger l1 l2 dropout batch_normalization lower_learning_rate higher_learning_rate
    early_stopping label_smoothing fewer_epochs more_epochs"""
    assert sorted(stems.split()) == NAMES


@pytest.mark.parametrize("stem", NAMES)
def test_codes_are_codes_of_findings(stem):
    assert set(treat.all()[stem].codes) <= set(CODES)
    assert treat.all()[stem].codes


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("smaller 4", {"units": (4, 4)}),
        ("smaller", {"units": (4, 4)}),
        ("larger 512", {"units": (512, 512)}),
        ("larger", {"units": (64, 64)}),
        ("l1 0.0001", {"l1": 0.0001}),
        ("l2", {"l2": 0.001}),
        ("dropout", {"dropout": 0.5}),
        ("dropout 0.25", {"dropout": 0.25}),
        ("batch_normalization", {"batch_normalization": True}),
        ("lower_learning_rate", {"learning_rate": 0.0001}),
        ("lower-learning-rate 0.0003", {"learning_rate": 0.0003}),
        ("higher_learning_rate", {"learning_rate": 0.01}),
        ("early_stopping", {"patience": 3}),
        ("label_smoothing 0.2", {"label_smoothing": 0.2}),
        ("more_epochs", {"epochs": 40}),
        ("fewer_epochs 4", {"epochs": 4}),
    ],
)
def test_a_treatment_changes_what_its_name_says_and_nothing_else(name, changes):
    base = Recipe()
    diff = base.diff(treat.get(name).apply(base))
    assert {field: here for field, (_, here) in diff.items()} == changes


@given(recipe=recipes, stem=st.sampled_from(NAMES))
def test_what_suits_a_recipe_changes_it_once_and_is_read_back_from_its_name(recipe, stem):
    treatment = treat.all()[stem].suited(recipe)
    if treatment is None:
        return
    treated = treatment.apply(recipe)
    assert treated != recipe
    assert treatment.apply(treated) == treated
    assert treat.get(treatment.name) == treatment


@given(recipe=recipes)
def test_what_suits_a_recipe_never_weakens_it(recipe):
    for field in ("dropout", "l1", "l2", "label_smoothing"):
        treatment = treat.all()[field].suited(recipe)
        assert treatment is None or getattr(treatment.apply(recipe), field) > getattr(recipe, field)


@pytest.mark.parametrize(
    ("stem", "recipe"),
    [
        ("smaller", Recipe(units=(1,))),
        ("smaller", Recipe(units=())),
        ("l1", Recipe(l1=0.001)),
        ("l2", Recipe(units=())),
        ("dropout", Recipe(dropout=0.7)),
        ("batch_normalization", Recipe(batch_normalization=True)),
        ("early_stopping", Recipe(patience=2)),
        ("early_stopping", Recipe(epochs=3)),
        ("fewer_epochs", Recipe()),
    ],
)
def test_what_does_nothing_suits_no_recipe(stem, recipe):
    assert treat.all()[stem].suited(recipe) is None


def test_a_linear_model_grows_a_layer():
    assert treat.get("larger").apply(Recipe(units=())).units == (16,)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("dropuot", "did you mean 'dropout'?"),
        ("batchnorm", "batch_normalization"),
        ("", "unknown treatment"),
        ("dropout 1.5", "a share between 0 and 1"),
        ("dropout nan", "a share between 0 and 1"),
        ("smaller 2.5", "a whole number"),
        ("l2 -1", "a factor above 0"),
        ("batch_normalization 3", "expected none"),
        ("dropout 0.5 0.6", "at most one number"),
        ("dropout half", "Write 'dropout 0.5'"),
    ],
)
def test_a_bad_name_is_one_clear_line(name, part):
    with pytest.raises(UsageError) as caught:
        treat.get(name)
    assert part.lower() in str(caught.value).lower()
    assert "\n" not in str(caught.value)


def test_the_first_remedy_of_each_finding_comes_before_the_second_of_any():
    findings = [finding("overfitting", "smaller", "dropout", "l2"), finding("oscillation", "lower_learning_rate")]
    names = [t.name for t in treat.propose(Recipe(), findings)]
    assert names == ["smaller 4", "lower_learning_rate 0.0001", "dropout 0.5", "l2 0.001"]
    assert [t.name for t in treat.propose(Recipe(), findings, most=2)] == names[:2]


def test_a_finding_without_remedies_gets_what_is_meant_for_its_code():
    stems = {t.stem for t in treat.propose(Recipe(), [finding("learning_rate_too_low")])}
    assert stems == {"higher_learning_rate"}


@pytest.mark.parametrize("findings", [[], [finding("duplicate_rows")], [finding("too_many_epochs", "fewer_epochs")]])
def test_a_base_that_nothing_is_called_for_gets_a_small_set(findings):
    assert 1 <= len(treat.propose(Recipe(), findings)) <= 3


@given(recipe=recipes, code=st.sampled_from(CODES), most=st.integers(1, 6))
def test_proposals_are_few_different_and_do_something(recipe, code, most):
    proposed = treat.propose(recipe, [finding(code)], most=most)
    assert len(proposed) <= most
    treated = [t.apply(recipe) for t in proposed]
    assert len({recipe, *treated}) == len(treated) + 1
