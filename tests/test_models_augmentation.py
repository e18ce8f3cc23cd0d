"""Random changes of training images in lanes: Keras's own transformation, the lane's own draws, never in inference."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest

from goodfit.models import augmentation, lane_form, lane_layers, noise
from goodfit.models import lane_images as li
from goodfit.models import network as networks
from goodfit.train.lane import TRAIN, VALIDATION, Lane
from goodfit.train.loop import Engine

L = keras.layers
RNG = np.random.default_rng(0)
IMAGES = RNG.random((64, 9, 7, 3)).astype(np.float32)
LABELS = RNG.integers(0, 3, 64)

MOVES = {
    "flip": lambda: L.RandomFlip("horizontal"),
    "flip both": lambda: L.RandomFlip(),
    "flip down": lambda: L.RandomFlip("vertical"),
    "shift": lambda: L.RandomTranslation(0.3, (-0.2, 0.4)),
    "shift, nearest": lambda: L.RandomTranslation(0.5, 0.5, fill_mode="nearest"),
    "shift, wrap": lambda: L.RandomTranslation(0.9, 0.9, fill_mode="wrap"),
    "shift, constant": lambda: L.RandomTranslation(0.5, 0.5, fill_mode="constant", fill_value=0.25),
    "turn": lambda: L.RandomRotation(0.2),
    "turn, constant": lambda: L.RandomRotation((0.1, 0.4), fill_mode="constant"),
    "turn, coarse": lambda: L.RandomRotation(0.2, interpolation="nearest", fill_mode="nearest"),
    "scale": lambda: L.RandomZoom(0.4),
    "scale, both": lambda: L.RandomZoom((-0.3, 0.5), 0.2, fill_mode="nearest"),
    "crop": lambda: L.RandomCrop(5, 4),
}


def scope(seed=0, step=0, rows=64):
    return lane_layers.Scope({}, jnp.ones(rows), noise.key(seed, step))


def lane(layer, images=IMAGES, training=True, salt=0, **where):
    with lane_layers.open_scope(scope(rows=len(images), **where)):
        return np.asarray(li.LaneImages(layer, salt)(jnp.asarray(images), training=training))


def drawn(layer, rows=4000, salt=0, **where):
    """What a lane layer draws for rows of 9 x 7."""
    with lane_layers.open_scope(scope(rows=rows, **where)):
        form = li.LaneImages(layer, salt)
        return np.asarray(form.draw(form, (rows, 9, 7, 3)), np.float64)


def as_keras_does(layer, draw):
    """What the stock layer makes of images, given what the lane layer drew."""
    name = type(layer).__name__
    n = len(draw)
    if name == "RandomFlip":
        told = {"flips": jnp.asarray(draw)[:, None, None, None], "input_shape": IMAGES.shape}
    elif name == "RandomTranslation":
        told = {"translations": jnp.asarray(-draw[:, :, 2], jnp.float32), "input_shape": IMAGES.shape}
    elif name == "RandomRotation":
        flat = np.concatenate([draw.reshape(n, 6), np.zeros((n, 2))], 1)
        told = {"rotation_matrix": jnp.asarray(flat, jnp.float32)}
    else:
        told = {
            "width_zoom": jnp.asarray(draw[:, 0, :1], jnp.float32),
            "height_zoom": jnp.asarray(draw[:, 1, 1:2], jnp.float32),
        }
    return np.asarray(layer.transform_images(jnp.asarray(IMAGES), told))


@pytest.mark.parametrize("name", [n for n in MOVES if n != "crop"])
def test_what_is_drawn_is_done_as_keras_does_it(name):
    layer = MOVES[name]()
    draw = drawn(layer, len(IMAGES)).astype(bool if name.startswith("flip") else float)
    np.testing.assert_allclose(lane(layer), as_keras_does(layer, draw), atol=2e-5)


def test_turns_are_of_the_asked_angle_about_the_middle():
    matrix = drawn(L.RandomRotation((0.25, 0.25)), 1)[0]
    middle = np.array([3, 4, 1.0])
    np.testing.assert_allclose(matrix @ middle, middle[:2], atol=1e-5)
    square = IMAGES[:, :7]
    np.testing.assert_allclose(lane(L.RandomRotation((0.25, 0.25)), square), np.rot90(square, 1, (1, 2)), atol=1e-4)


def test_a_crop_is_a_window_at_a_place_of_each_rows_own():
    out = lane(MOVES["crop"]())
    starts = drawn(MOVES["crop"](), len(IMAGES)).astype(int)
    for image, small, (y, x) in zip(IMAGES, out, starts, strict=True):
        np.testing.assert_array_equal(small, image[y : y + 5, x : x + 4])
    assert {tuple(s) for s in drawn(MOVES["crop"]()).astype(int)} == {(y, x) for y in range(5) for x in range(4)}
    small = lane(L.RandomCrop(18, 14))
    np.testing.assert_allclose(small, L.RandomCrop(18, 14)(IMAGES, training=True), atol=1e-5)


@pytest.mark.parametrize("name", MOVES)
def test_in_inference_images_pass_unchanged_as_through_keras(name):
    layer = MOVES[name]()
    np.testing.assert_array_equal(lane(layer, training=False), IMAGES)
    np.testing.assert_array_equal(layer(IMAGES, training=False), IMAGES)


@pytest.mark.parametrize("name", ["flip", "shift", "turn", "scale", "crop"])
def test_draws_are_of_each_row_layer_step_and_lane_alone(name):
    layer = MOVES[name]()
    known = lane(layer)
    np.testing.assert_array_equal(lane(layer), known)
    np.testing.assert_array_equal(lane(layer, IMAGES[:40]), known[:40])  # more rows change nothing for the others
    for other in ({"seed": 1}, {"step": 1}, {"salt": 1}):
        assert not np.allclose(lane(layer, **other), known)


def correlation(a, b):
    return abs(np.corrcoef(a, b)[0, 1])


def test_draws_have_the_mean_and_variance_that_keras_names_and_are_independent():
    """4,000 draws: a mean is within 4 standard errors, a correlation of independent ones under 4 / sqrt(4000)."""
    shift = L.RandomTranslation(0.3, (-0.2, 0.4))
    down, right = (lambda **w: -drawn(shift, **w)[:, 1, 2]), (lambda **w: -drawn(shift, **w)[:, 0, 2])
    flips = drawn(L.RandomFlip("horizontal"))
    angle = np.arcsin(drawn(L.RandomRotation(0.1))[:, 1, 0])
    zoom = drawn(L.RandomZoom(0.2))[:, 1, 1]
    for values, low, high in (
        (down(), -0.3 * 9, 0.3 * 9),
        (right(), -0.2 * 7, 0.4 * 7),
        (angle, -0.2 * np.pi, 0.2 * np.pi),
        (zoom, 0.8, 1.2),
    ):
        sd = (high - low) / 12**0.5
        assert low <= values.min() < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 4 * sd / 4000**0.5
        assert values.std() == pytest.approx(sd, rel=0.04)
    assert abs(flips.mean() - 0.5) < 4 * 0.5 / 4000**0.5
    limit = 4 / 4000**0.5
    assert correlation(down(), right()) < limit
    assert correlation(down()[1:], down()[:-1]) < limit
    for other in ({"seed": 1}, {"step": 1}, {"salt": 1}):
        assert correlation(down(), down(**other)) < limit
    steps = np.asarray([down(step=s, rows=4)[0] for s in range(300)])
    assert correlation(steps[1:], steps[:-1]) < 4 / 300**0.5


def net(strength=0.3, **changes):
    x = keras.Input(IMAGES.shape[1:])
    h = x
    for layer in augmentation.layers(strength, 3) if strength else ():
        h = layer(h)
    h = L.GlobalAveragePooling2D()(L.Conv2D(4, 3, activation="relu")(h))
    model = keras.Model(x, L.Dense(3, activation="softmax")(h))
    return networks.of(
        model,
        keras.optimizers.SGD(0.1),
        "sparse_categorical_crossentropy",
        3,
        **{"batch_size": 16, "epochs": 2, **changes},
    )


def member(seed):
    return np.where(np.random.default_rng(seed).random(64) < 0.3, VALIDATION, TRAIN).astype(np.uint8)


def trained(lanes):
    return Engine(IMAGES, LABELS).train(lanes, keep=lambda lane: True)


def test_a_lane_is_what_it_is_alone_and_validation_rows_are_never_changed():
    net_ = net()
    fixed = member(0)
    lanes = [Lane("v", seed, net_, fixed) for seed in (1, 2, 3)]
    together = trained(lanes)
    alone = trained([lanes[1]])[0]
    other = trained(lanes[::-1])[1]
    for run in (alone, other):
        for a, b in zip(run.weights, together[1].weights, strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5)
    assert together[0].curves["loss"][-1] != pytest.approx(together[1].curves["loss"][-1], abs=1e-6)
    held = fixed == VALIDATION
    for run in together:  # by a model that changes nothing, on the images as they are
        plain = lane_form.to_stock(net(0), run.weights)
        for which, name in ((held, "val"), (~held, "train")):
            p = plain.predict_on_batch(IMAGES[which])[np.arange(which.sum()), LABELS[which]]
            assert run.curves[f"{name}_loss"][-1] == pytest.approx(-np.log(p).mean(), abs=1e-5)


def test_training_sees_changed_images_and_the_model_comes_back_with_keras_layers(tmp_path):
    fixed = member(0)
    plain, changed = (trained([Lane("v", 1, net(s), fixed)])[0] for s in (0, 0.3))
    assert not np.allclose(plain.weights[0], changed.weights[0], atol=1e-4)
    stock = lane_form.to_stock(net(), changed.weights)
    assert [type(x) for x in stock.layers if type(x) in li._KINDS] == [
        L.RandomFlip,
        L.RandomTranslation,
        L.RandomRotation,
        L.RandomZoom,
    ]
    stock.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict_on_batch(IMAGES), stock.predict_on_batch(IMAGES), atol=1e-6)


def test_other_random_layers_of_keras_train_in_lanes_too():
    x = keras.Input(IMAGES.shape[1:])
    h = L.RandomBrightness(0.2, value_range=(0, 1))(L.RandomContrast(0.3)(x))
    model = keras.Model(x, L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(h)))
    net_ = networks.of(model, keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", 3, batch_size=16, epochs=1)
    engine = Engine(IMAGES, LABELS)
    a, b = engine.train([Lane("v", seed, net_, member(0)) for seed in (1, 2)])
    assert not engine.notes
    assert a.curves["loss"] != b.curves["loss"]
