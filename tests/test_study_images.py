"""Images in the main job: the default network, its treatments, augmentation, and what is shipped."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from goodfit import data, job, treat
from goodfit.cli.fit import pixels
from goodfit.errors import ModelError, UsageError
from goodfit.models.keras_recipe import KerasRecipe
from goodfit.models.network import from_recipe
from goodfit.models.recipe import Recipe
from goodfit.models.source import load_model
from goodfit.predictor import Predictor
from goodfit.study import feeding
from goodfit.study.options import default_recipe

L = keras.layers
RNG = np.random.default_rng(0)
Y = np.arange(120) % 2


def bars(labels, side=10, channels=3):
    """A bright bar on noise, lying or standing."""
    images = RNG.integers(0, 90, (len(labels), side, side, channels), dtype=np.uint8)
    for image, label, at in zip(images, labels, RNG.integers(2, side - 2, len(labels)), strict=True):
        image[(at, slice(None)) if label else (slice(None), at)] += 160
    return images


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "out"
    base = {"filters": [8], "units": [8], "learning_rate": 0.01}
    fit = {"seeds": 2, "epochs": 6, "base": base, "treatments": ["augmentation", "smaller 4"]}
    return job.fit((bars(Y), Y), out=out, **fit), out


def test_an_image_study(finished):
    study, out = finished
    recipes = {v["name"]: v["recipe"] for v in study["variants"]}
    assert study["kind"] == "image"
    assert (recipes["base"]["filters"], recipes["base"]["augmentation"]) == ([8], 0.0)
    assert recipes["augmentation 0.1"]["augmentation"] == 0.1
    assert (recipes["smaller 4"]["filters"], recipes["smaller 4"]["units"]) == ([4], [4])
    assert study["test"]["accuracy"] > 0.8
    said = np.asarray(Predictor.load(out).predict(bars(Y)), int)
    assert (said == Y).mean() > 0.8
    large = np.repeat(np.repeat(bars(Y), 2, 1), 2, 2)
    assert (np.asarray(Predictor.load(out).predict(large), int) == Y).mean() > 0.7
    assert "augmentation" in (out / "report.html").read_text()


def test_the_model_is_stock_keras(finished):
    _, out = finished
    code = (
        "import sys, keras, numpy as np\n"
        "m = keras.saving.load_model(sys.argv[1])\n"
        "assert m.predict_on_batch(np.zeros((2, 10, 10, 3), 'float32')).shape == (2, 1)\n"
        "assert not any(name.startswith('goodfit') for name in sys.modules)\n"
    )
    model = str(out / "predictor" / "model.keras")
    done = subprocess.run([sys.executable, "-c", code, model], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("side", "filters"), [(8, 1), (16, 1), (28, 2), (32, 2), (64, 3), (128, 4)])
def test_the_default_network_fits_the_size(side, filters):
    recipe = default_recipe(10, 10_000, (side, side))
    assert len(recipe.filters) == filters
    model = from_recipe(recipe, (side, side, 1), 10).model
    (pixels,) = (layer.output.shape[1] for layer in model.layers if layer.name == "pixels")
    assert pixels <= 9 * 9 * 64


def test_large_images_are_brought_down():
    dataset = data.load((RNG.integers(0, 255, (20, 8, 200), dtype=np.uint8), Y[:20]))
    assert feeding.options(dataset, None) == {"size": (3, 64)}


def test_treatments_of_convolutions():
    base = Recipe(filters=(32, 64), units=(64,))
    assert treat.get("smaller").apply(base).filters == (8, 16)
    assert treat.get("larger").apply(base).units == (128,)
    treated = treat.get("augmentation 0.2").apply(base)
    layers = from_recipe(treated.but(dropout=0.5, batch_normalization=True), (28, 28, 1), 10).model.layers
    assert [type(x).__name__ for x in layers[:7]] == [
        "RandomTranslation", "RandomRotation", "RandomZoom", "Conv2D", "BatchNormalization", "Activation", "MaxPooling2D",
    ]  # fmt: skip
    assert (layers[0].height_factor, layers[1].factor) == (0.2, (-0.05, 0.05))
    assert type(from_recipe(treated, (28, 28, 3), 10).model.layers[0]).__name__ == "RandomFlip"
    assert Recipe.from_dict(treated.to_dict()) == treated
    assert treat.propose(base, [])[0].name == "augmentation 0.1"
    assert all(t.stem != "augmentation" for t in treat.propose(Recipe(), []))
    assert treat.get("augmentation").apply(Recipe()) == Recipe()
    with pytest.raises(ModelError, match="convolutions need images"):
        from_recipe(base, 20, 3)
    with pytest.raises(UsageError, match="strength"):
        treat.get("augmentation 1")


def own(*more):
    def build():
        body = [L.Rescaling(1 / 255), L.Conv2D(4, 3, activation="relu"), L.GlobalAveragePooling2D()]
        model = keras.Sequential([keras.Input((10, 10, 3)), *more, *body, L.Dense(1, activation="sigmoid")])
        model.compile("sgd", "binary_crossentropy")
        return model

    return KerasRecipe.of(load_model(build))


def test_augmentation_goes_in_front_of_a_model_of_ones_own():
    base = own()
    treated = treat.get("augmentation").apply(base)
    assert base.diff(treated) == {"augmentation": (0.0, 0.1)}
    kinds = [type(x).__name__ for x in treated.build().model.layers]
    assert kinds[:5] == ["RandomFlip", "RandomTranslation", "RandomRotation", "RandomZoom", "Rescaling"]
    x = keras.Input((10, 10, 1))
    branches = [L.Conv2D(2, k, padding="same")(x) for k in (1, 3)]
    model = keras.Model(x, L.Dense(1, activation="sigmoid")(L.Flatten()(L.Add()(branches))))
    two = KerasRecipe.of(load_model(model))  # two layers read the image: they would see different ones
    assert treat.get("augmentation").apply(two) == two
    assert treat.get("augmentation 0.3").apply(own(L.RandomFlip())).augmentation == 1.0


def test_sizes_are_read():
    assert (pixels("64"), pixels("48x64")) == ((64, 64), (48, 64))
    for text in ("0", "x", "64x", "-3", "64,64", ""):
        with pytest.raises(UsageError, match="image-size"):
            pixels(text)
