"""Every layer of Keras's: rows that are not a lane's own change nothing of what the lane gets, or it is no lane."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from goodfit.models import lane_form, network, obstacles
from goodfit.models import lane_layers as ll

L = keras.layers
ROWS, OTHERS = 8, np.asarray([1, 4, 7])  # of a batch, and which of them are not the lane's own
FLAT, STEPS, IMAGE, CLIP, NUMBERS = (6,), (8, 5), (6, 8, 3), (4, 4, 4, 2), "whole numbers"


def doubled(inputs):
    return 2 * inputs


def centred(inputs):
    return inputs - inputs.mean(0)


ONE = {
    FLAT: [
        *(L.Activation("selu"), L.ELU(), L.LeakyReLU(), L.PReLU(), L.ReLU(), L.Softmax(), L.Dense(4), L.Identity()),
        *(L.EinsumDense("ab,bc->ac", 4), L.Lambda(keras.ops.square), L.ActivityRegularization(0.1, 0.1)),
        *(L.BatchNormalization(), L.GroupNormalization(2), L.LayerNormalization(), L.RMSNormalization()),
        *(L.UnitNormalization(), L.SpectralNormalization(L.Dense(4)), L.Normalization(mean=1.0, variance=2.0)),
        *(L.Rescaling(0.5), L.Discretization([0.0, 0.5]), L.Dropout(0.3), L.GaussianDropout(0.3), L.GaussianNoise(0.3)),
        *(L.AlphaDropout(0.3), L.AlphaDropout(0.3, noise_shape=(None, 6)), L.Flatten(), L.Reshape((2, 3))),
        *(L.RepeatVector(3), L.JaxLayer(doubled), L.Pipeline([L.Rescaling(2), L.Dense(4)])),
        L.Dropout(0.3, noise_shape=(1, 6)),
    ],
    STEPS: [
        *(L.Conv1D(3, 2), L.Conv1DTranspose(3, 2), L.DepthwiseConv1D(2), L.SeparableConv1D(3, 2), L.Permute((2, 1))),
        L.Masking(),
        *(L.AdaptiveAveragePooling1D(2), L.AdaptiveMaxPooling1D(2), L.AveragePooling1D(2), L.MaxPooling1D(2)),
        *(L.GlobalAveragePooling1D(), L.GlobalMaxPooling1D(), L.SpatialDropout1D(0.3), L.Cropping1D()),
        *(L.UpSampling1D(), L.ZeroPadding1D(), L.Bidirectional(L.LSTM(2)), L.GRU(2), L.LSTM(2), L.SimpleRNN(2)),
        *(L.RNN(L.StackedRNNCells([L.GRUCell(2), L.LSTMCell(2), L.SimpleRNNCell(2)])), L.TimeDistributed(L.Dense(2))),
        *(L.STFTSpectrogram(frame_length=4, frame_step=2, fft_length=4), L.UnitNormalization(axis=(1, 2))),
    ],
    IMAGE: [
        *(L.Conv2D(3, 2), L.Conv2DTranspose(3, 2), L.DepthwiseConv2D(2), L.SeparableConv2D(3, 2)),
        *(L.AdaptiveAveragePooling2D(2), L.AdaptiveMaxPooling2D(2), L.AveragePooling2D(2), L.MaxPooling2D(2)),
        *(L.GlobalAveragePooling2D(), L.GlobalMaxPooling2D(), L.SpatialDropout2D(0.3), L.Cropping2D()),
        *(L.UpSampling2D(), L.ZeroPadding2D(), L.ConvLSTM1D(2, 2), L.CenterCrop(4, 4), L.Resizing(4, 4)),
        *(L.AutoContrast(), L.ContrastLimitedAdaptiveHistogramEqualization(), L.Equalization(), L.Solarization(0.5)),
        *(L.RandAugment(), L.RandomBrightness(0.4), L.RandomColorDegeneration(0.4), L.RandomContrast(0.4)),
        *(L.RandomColorJitter(brightness_factor=0.4, contrast_factor=0.4, saturation_factor=0.4, hue_factor=0.4),),
        *(L.RandomCrop(4, 4), L.RandomErasing(), L.RandomFlip(), L.RandomGaussianBlur()),
        *(L.RandomGrayscale(), L.RandomHue(0.4), L.RandomInvert(), L.RandomPerspective(), L.RandomPosterization(4)),
        *(L.RandomRotation(0.2), L.RandomSaturation(0.4), L.RandomSharpness(0.4), L.RandomShear((0.1, 0.2))),
        *(L.RandomTranslation(0.2, 0.2), L.RandomZoom(0.2)),
    ],
    CLIP: [
        *(L.Conv3D(3, 2), L.Conv3DTranspose(3, 2), L.AdaptiveAveragePooling3D(2), L.AdaptiveMaxPooling3D(2)),
        *(L.AveragePooling3D(2), L.MaxPooling3D(2), L.GlobalAveragePooling3D(), L.GlobalMaxPooling3D()),
        *(L.SpatialDropout3D(0.3), L.Cropping3D(), L.UpSampling3D(), L.ZeroPadding3D(), L.ConvLSTM2D(2, 2)),
    ],
    (3, 4, 4, 4, 2): [L.ConvLSTM3D(2, 2)],
    NUMBERS: [
        *(L.Embedding(9, 3), L.ReversibleEmbedding(9, 3), L.CategoryEncoding(9), L.CategoryEncoding(9, "count")),
    ],
}
TWO = {
    FLAT: [
        *(L.Add(), L.Average(), L.Concatenate(), L.Dot(1), L.Maximum(), L.Minimum(), L.Multiply(), L.Subtract()),
    ],
    STEPS: [
        *(L.Attention(), L.AdditiveAttention(), L.MultiHeadAttention(2, 2), L.GroupQueryAttention(2, 2, 1)),
    ],
}
MIXING = {
    FLAT: [
        *(L.Softmax(axis=0), L.Softmax(axis=-2), L.UnitNormalization(axis=0), L.Pipeline([L.Softmax(axis=0)])),
        *(L.Lambda(keras.ops.flip), L.JaxLayer(centred)),
        *(partial(keras.ops.softmax, axis=0), partial(keras.ops.softmax, axis=None)),
    ],
    STEPS: [L.TimeDistributed(L.Softmax(axis=0)), L.TimeDistributed(L.BatchNormalization())],
    (32,): [L.MelSpectrogram(fft_length=8, sequence_stride=4, sampling_rate=100, num_mel_bins=3)],
    IMAGE: [L.MixUp(), L.CutMix()],
}
"""What puts the rows of a batch together."""
LEFT_OUT = {
    **dict.fromkeys(("Layer", "Wrapper"), "what others are made of"),
    "InputLayer": "a part of all models here",
    **dict.fromkeys(("GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"), "parts of an RNN layer here"),
    **dict.fromkeys(("TFSMLayer", "TextVectorization", "StringLookup"), "TensorFlow's alone"),
    **dict.fromkeys(("IntegerLookup", "Hashing", "HashedCrossing"), "TensorFlow's alone"),
    **dict.fromkeys(("FlaxLayer", "TorchModuleWrapper"), "another library's; JaxLayer stands for both"),
    "MaxNumBoundingBoxes": "takes boxes beside images",
    **dict.fromkeys(("AugMix", "RandomElasticTransform"), "cannot be compiled: the last test has them"),
}


def cases(table):
    return [
        pytest.param(where, layer, id=f"{getattr(layer, 'name', 'operation')} of {where}")
        for where, layers in table.items()
        for layer in layers
    ]


def net(where, layer, inputs: int = 1) -> network.Network:
    numbers = where == NUMBERS
    x = [keras.Input((7,) if numbers else where, dtype="int32" if numbers else "float32") for _ in range(inputs)]
    apart = inputs == 1 or isinstance(layer, (L.MultiHeadAttention, L.GroupQueryAttention))
    h = layer(*x) if apart else layer(x)
    pool = {3: L.GlobalAveragePooling1D, 4: L.GlobalAveragePooling2D, 5: L.GlobalAveragePooling3D}
    h = pool.get(len(h.shape), L.Flatten)()(h)
    model = keras.Model(x, L.Dense(3, activation="softmax")(h))
    return network.of(model, keras.optimizers.SGD(), "sparse_categorical_crossentropy", 3)


def test_every_layer_of_keras_is_here():
    known = {c for c in vars(L).values() if isinstance(c, type) and issubclass(c, L.Layer)}
    here = {type(x) for table in (ONE, TWO, MIXING) for layers in table.values() for x in layers}
    assert {c.__name__ for c in known - here} == set(LEFT_OUT)


def got(form: lane_form.LaneForm, rates, rows, training: bool):
    """What a lane gets of its own rows of a batch: outputs, state, penalties; gradients in training."""
    own = np.isin(np.arange(ROWS), OTHERS, invert=True)
    fixed = [v.value for v in form.model.non_trainable_variables]

    def loss(variables):
        with ll.open_scope(ll.Scope(rates, jnp.asarray(own, jnp.float32), jnp.uint32(3))):
            out, state, losses = form.model.stateless_call(
                variables, fixed, list(rows), training=training, return_losses=True
            )
        out = jnp.where(own[:, None], out, 0)
        return jnp.sin(out).sum() + sum(losses), (out, state, losses)

    variables = [v.value for v in form.model.trainable_variables]
    return jax.grad(loss, has_aux=True)(variables) if training else loss(variables)


@pytest.mark.parametrize(("where", "layer", "inputs"), [
    pytest.param(*p.values, n, id=p.id) for table, n in ((ONE, 1), (TWO, 2)) for p in cases(table)
])  # fmt: skip
def test_rows_of_others_change_nothing_of_what_a_lane_gets(where, layer, inputs):
    made = net(where, layer, inputs)
    assert obstacles.of(made) is None
    rng = np.random.default_rng(0)
    whole = where == NUMBERS
    shape = (ROWS, 7) if whole else (ROWS, *where)
    rows = [rng.integers(0, 9, shape) if whole else rng.normal(size=shape).astype(np.float32) for _ in range(inputs)]
    form = lane_form.of(made, sparse=False)
    rates = {k: jnp.float32(v) for k, v in made.rates.items()}
    wild = [a.copy() for a in rows]
    for a in wild:
        a[OTHERS] = (a[OTHERS] + 3) % 9 if whole else 1e3 * (1 + np.abs(a[OTHERS]))
    for training in (True, False):
        here, there = (jax.tree.leaves(got(form, rates, r, training)) for r in (rows, wild))
        for a, b in zip(here, there, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("where", "layer"), cases(MIXING))
def test_what_puts_rows_together_is_no_lane(where, layer):
    together = "rows of a batch see each other|normalises over the batch inside another layer"
    assert re.search(together, obstacles.of(net(where, layer)))


@pytest.mark.parametrize(
    ("where", "layer", "inputs", "reason"),
    [
        (IMAGE, L.AugMix(), 1, "AugMix gives other numbers for the same rows"),
        (IMAGE, L.RandomElasticTransform(), 1, "RandomElasticTransform cannot be traced"),
        (FLAT, L.Concatenate(axis=0), 2, "Concatenate makes another number of rows"),
        (STEPS, L.EinsumDense("abc,bd->cd", (4,)), 1, "EinsumDense makes another number of rows"),
    ],
)
def test_what_cannot_be_compiled_or_changes_the_rows_is_no_lane(where, layer, inputs, reason):
    assert reason in obstacles.of(net(where, layer, inputs))


def test_a_quantized_layer_is_no_lane():
    made = net(FLAT, L.Dense(4))
    made.model.layers[1].quantize("float8")
    assert "is quantized" in obstacles.of(made)
