"""Text encoders: sparse, fitted on what they are given, back from JSON to the bit."""

import json

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from goodfit import data, encode
from goodfit.encode import TextEncoder
from goodfit.errors import DataError, UsageError

TEXTS = ["the cat sat", "the dog sat on the cat", "", "a bird 🐦 sang, the cat ran", "año nuevo ñandú"]


def dense(rows, features):
    return pl.DataFrame(rows, schema=features, orient="row")


def test_multi_hot_says_whether_a_word_stands():
    encoder = TextEncoder(max_features=3)
    x = encoder.fit_transform(TEXTS)
    assert isinstance(x, csr_array)
    assert (x.dtype, x.indices.dtype, x.has_sorted_indices) == (np.float32, np.int32, True)
    assert encoder.feature_names == ["the", "cat", "sat"]
    np.testing.assert_array_equal(x.toarray()[:3], [[1, 1, 1], [1, 1, 1], [0, 0, 0]])


def test_counts():
    x = TextEncoder(max_features=3, output_mode="count").fit_transform(TEXTS)
    np.testing.assert_array_equal(x.toarray()[1], [2, 1, 1])


@pytest.mark.parametrize("ngram_range", [(1, 1), (1, 2)])
def test_tf_idf_is_that_of_scikit_learn(ngram_range):
    from sklearn.feature_extraction.text import TfidfTransformer

    counts = TextEncoder(output_mode="count", ngram_range=ngram_range).fit_transform(TEXTS)
    x = TextEncoder(output_mode="tf_idf", ngram_range=ngram_range).fit_transform(TEXTS)
    np.testing.assert_allclose(x.toarray(), TfidfTransformer().fit_transform(counts).toarray(), rtol=2e-6)


@pytest.mark.parametrize("mode", encode.text.OUTPUT_MODES)
def test_laws_of_an_encoder(mode):
    encoder = TextEncoder(output_mode=mode, ngram_range=(1, 2), max_features=9)
    fitted = encoder.fit_transform(TEXTS)
    np.testing.assert_array_equal(fitted.toarray(), encoder.transform(TEXTS).toarray())
    back = encode.from_dict(json.loads(json.dumps(encoder.to_dict())))
    for rows in (TEXTS, ["unknown words only", "", "the CAT"], pl.DataFrame({"text": TEXTS}), []):
        x, y = encoder.transform(rows), back.transform(rows)
        assert x.shape == (len(rows), 9) == (len(rows), len(encoder.feature_names))
        np.testing.assert_array_equal(x.toarray(), y.toarray())
    halves = [encoder.transform(TEXTS[:2]).toarray(), encoder.transform(TEXTS[2:]).toarray()]
    np.testing.assert_array_equal(np.concatenate(halves), fitted.toarray())


def test_what_it_is_given_to_predict():
    encoder = TextEncoder(("title", "body"), max_features=5)
    frame = pl.DataFrame({"title": ["a cat", None], "body": ["sat", "the dog"], "other": [1, 2]})
    x = encoder.fit_transform(frame).toarray()
    np.testing.assert_array_equal(encoder.transform(frame.to_dicts()).toarray(), x)
    np.testing.assert_array_equal(encoder.transform(["a cat sat", "the dog"]).toarray(), x)
    np.testing.assert_array_equal(encoder.transform(np.array(["a cat sat", "the dog"])).toarray(), x)
    np.testing.assert_array_equal(
        encoder.transform(frame[["title"]])[[0]].toarray(), encoder.transform(["a cat"]).toarray()
    )
    with pytest.raises(DataError, match=r"no text column 'title'\. Did you mean 'titel'"):
        encoder.transform(pl.DataFrame({"titel": ["x"], "n": [1]}))
    with pytest.raises(DataError, match="no texts"):
        encoder.transform(np.zeros((2, 3)))


def test_development_rows_alone_decide():
    frame = pl.DataFrame({"text": [f"shared words and word{i} here" for i in range(40)], "y": ["a", "b"] * 20})
    dataset = data.load(frame, "y")
    encoder = encode.make(dataset).fit(dataset.select(~dataset.test))
    unseen = {f"word{i}" for i in np.flatnonzero(dataset.test)}
    assert unseen
    assert unseen.isdisjoint(encoder.feature_names)


def test_options_are_checked():
    with pytest.raises(UsageError, match="output_mode"):
        TextEncoder(output_mode="embedding")
    with pytest.raises(DataError, match="no word"):
        TextEncoder().fit(["...", "!"])
    with pytest.raises(DataError, match="Lower min_df"):
        TextEncoder(min_df=9).fit(TEXTS)
    dataset = data.load((TEXTS * 4, ["a", "b", "c", "a", "b"] * 4))
    with pytest.raises(UsageError, match="text data do not have"):
        encode.make(dataset, colour=3)


def test_sequences_are_numbers_of_words_in_their_order():
    dataset = data.load((TEXTS * 3, list(range(5)) * 3))
    encoder = encode.make(dataset, output_mode="int", max_features=5, output_sequence_length=4).fit(TEXTS)
    assert encoder.vocabulary == ["the", "cat", "sat"]
    np.testing.assert_array_equal(encoder.transform(TEXTS)[:3], [[2, 3, 4, 0], [2, 1, 4, 1], [0, 0, 0, 0]])
    assert encoder.transform(["", "sat unseen"]).tolist() == [[0] * 4, [4, 1, 0, 0]]
    long = encode.SequenceEncoder().fit(TEXTS)
    assert long.transform(TEXTS).shape == (5, len(long.feature_names))
    back = encode.from_dict(json.loads(json.dumps(encoder.to_dict())))
    np.testing.assert_array_equal(back.transform(TEXTS), encoder.transform(TEXTS))
