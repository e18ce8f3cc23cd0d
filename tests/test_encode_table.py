"""Table and array encoders: any cell is harmless, scales are sensible, JSON brings them back to the bit."""

import json
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit import data, encode
from goodfit.encode import ArrayEncoder, TableEncoder
from goodfit.errors import DataError

N = 60
ROWS = pl.DataFrame(
    {
        "age": [float(20 + i % 40) if i % 7 else None for i in range(N)],
        "gain": [0 if i % 3 else 1000 * i * i for i in range(N)],
        "job": ["clerk", "nurse", None, "cook", "clerk", "nurse"] * 10,
        "vip": [True, False, None] * 20,
        "mixed": [str(i) if i % 5 else "unknown" for i in range(N)],
        "day": [f"2024-{1 + i % 12:02}-{1 + i % 28:02}T10:00:00Z" for i in range(N)],
        "born": [date(1990, 1, 1) + timedelta(days=37 * i) for i in range(N)],
        "same": ["x"] * N,
        "row": range(N),
        "user_id": [f"u{i * 7919 % 1000}" for i in range(N)],
    }
)


FITTED = TableEncoder().fit(ROWS)


def feature(encoder, rows, name):
    return encoder.transform(rows)[:, encoder.feature_names.index(name)]


def test_a_mixed_table():
    encoder = TableEncoder()
    x = encoder.fit_transform(ROWS)
    assert x.dtype == np.float32
    assert np.isfinite(x).all()
    assert x.shape == (N, len(encoder.feature_names))
    assert encoder.feature_names == [
        *("age", "age is missing", "gain", "gain = 0"),
        *("job = clerk", "job = nurse", "job = cook", "job is missing"),
        *("vip = False", "vip = True", "vip is missing"),
        *("mixed", "mixed is missing", "mixed = unknown", "day", "born"),
    ]
    told = " ".join(encoder.notes)
    assert "tell rows apart: row, user_id" in told
    assert "constant, or hardly repeat a value: same" in told
    for name in ("age", "gain", "mixed", "day", "born"):
        column = feature(encoder, ROWS, name)
        assert abs(column.mean()) < 1e-5
        assert abs(column.std() - 1) < 1e-5


def test_it_is_back_from_json_to_the_bit():
    encoder = TableEncoder().fit(ROWS)
    back = encode.from_dict(json.loads(json.dumps(encoder.to_dict())))
    np.testing.assert_array_equal(back.transform(ROWS), encoder.transform(ROWS))
    assert back.feature_names == encoder.feature_names


def test_rows_are_encoded_one_by_one_as_together():
    encoder = TableEncoder().fit(ROWS)
    together = encoder.transform(ROWS)
    np.testing.assert_array_equal(np.concatenate([encoder.transform(ROWS[[i]]) for i in range(N)]), together)
    np.testing.assert_array_equal(encoder.transform(ROWS.to_dicts()), together)
    texts = ROWS.with_columns(pl.all().cast(pl.String))
    np.testing.assert_array_equal(encoder.transform(texts), together)
    assert encoder.transform([]).shape == (0, together.shape[1])


CELL = st.one_of(
    st.none(), st.text(max_size=8), st.integers(), st.floats(), st.booleans(), st.dates(), st.datetimes(), st.binary()
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(ROWS.columns, CELL)), min_size=1, max_size=4))
def test_no_cell_is_harmful(rows):
    encoder = FITTED
    if any(set(row) & set(encoder.codecs) for row in rows):
        x = encoder.transform(rows)
        assert np.isfinite(x).all()
        assert np.abs(x).max() <= 8


def test_unknown_and_missing_are_told_apart():
    encoder = TableEncoder().fit(ROWS)
    rows = [{"job": "pilot"}, {"job": None}, {"job": " clerk "}, {"job": "NA"}]
    np.testing.assert_array_equal(feature(encoder, rows, "job is missing"), [0, 1, 0, 1])
    np.testing.assert_array_equal(feature(encoder, rows, "job = clerk"), [0, 0, 1, 0])
    median = feature(encoder, [{"age": float(ROWS["age"].median())}], "age")
    np.testing.assert_array_equal(feature(encoder, [{"age": None}], "age"), median)


def test_rare_categories_are_pooled_and_unknown_ones_join_them():
    town = ["Bonn"] * 50 + ["Kiel"] * 40 + [f"village {i}" for i in range(10)]
    encoder = TableEncoder().fit(pl.DataFrame({"town": town}))
    assert encoder.feature_names == ["town = Bonn", "town = Kiel", "town = (other)"]
    np.testing.assert_array_equal(encoder.transform([{"town": "Rome"}, {"town": "village 3"}])[:, 2], [1, 1])
    many = pl.DataFrame({"code": [f"c{i % 500}" for i in range(10_000)]})
    assert len(TableEncoder().fit(many).feature_names) == 101


def test_numbers_and_flags_as_others_write_them():
    encoder = TableEncoder().fit(pl.DataFrame({"code": ["1", "2", "x"] * 20, "flag": ["True", "False", "True"] * 20}))
    np.testing.assert_array_equal(
        feature(encoder, pl.DataFrame({"code": [1.0, 2.0], "flag": [True, False]}), "code = 1"), [1, 0]
    )
    rows = [{"code": 2, "flag": "true"}, {"code": "2", "flag": "FALSE"}]
    np.testing.assert_array_equal(feature(encoder, rows, "flag = True"), [1, 0])


def test_skew_is_tamed():
    rng = np.random.default_rng(0)
    heavy = np.exp(rng.normal(0, 3, 2000))
    encoder = TableEncoder().fit(pl.DataFrame({"x": heavy}))
    x = encoder.transform(pl.DataFrame({"x": heavy}))[:, 0]
    assert np.abs(x).max() < 6  # the largest is 20 deviations out as it stands
    assert (np.diff(x[np.argsort(heavy)]) >= 0).all()


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["31/01/2020", "01/02/2020", "02/03/2020"], [0, 1, 2]),
        (["01/31/2020", "02/01/2020", "03/02/2020"], [0, 1, 2]),
        (["03.02.2020", "01.03.2020", "02.12.2019"], [2, 0, 1]),
        (["2020-05-01", "2020-04-30 23:59", "2020-05-01T00:01"], [1, 0, 2]),
    ],
)
def test_dates_are_ordered_however_written(texts, order):
    encoder = TableEncoder().fit(pl.DataFrame({"when": texts * 5}))
    assert np.argsort(encoder.transform([{"when": t} for t in texts])[:, 0]).tolist() == order


def test_dates_of_every_type():
    stamps = [datetime(2020, 1, 1) + timedelta(hours=31 * i) for i in range(20)]
    frame = pl.DataFrame({"at": stamps, "time": [s.time() for s in stamps], "for": [s - stamps[0] for s in stamps]})
    x = TableEncoder().fit_transform(frame)
    assert x.shape == (20, 3)
    np.testing.assert_allclose(x[:, 0], x[:, 2], atol=1e-6)


def test_a_text_column_in_a_table_gives_words():
    texts = [f"a long enough text about subject number {i} with words" for i in range(30)]
    frame = pl.DataFrame({"text": texts, "n": [i % 7 for i in range(30)]})
    assert "text: about" in TableEncoder().fit(frame).feature_names
    assert TableEncoder(words=False).fit(frame).feature_names == ["n"]


def test_missing_columns_are_told():
    encoder = TableEncoder().fit(ROWS)
    with pytest.raises(DataError, match=r"lack the column 'age'.*Did you mean 'Age'"):
        encoder.transform(ROWS.rename({"age": "Age"}))
    with pytest.raises(DataError, match="lack the column"):
        encoder.transform([{"nothing": 1}])
    with pytest.raises(DataError, match="no column says anything"):
        TableEncoder().fit(ROWS[["same"]])


def test_arrays_are_scaled():
    x = np.array([[0, 5, 1e9, np.nan], [2, 5, 1e9 + 1, 1], [4, 5, 1e9 + 2, 3]] * 5)
    encoder = ArrayEncoder()
    z = encoder.fit_transform(x)
    said = "5 rows have numbers that are missing or infinite: {} stands in their place."
    assert encoder.notes == (said.format("their column's mean"),)
    assert ArrayEncoder(scaled=False).fit(x).notes == (said.format("0"),)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(z[:3, 0], [-1.2247449, 0, 1.2247449], rtol=1e-6)
    np.testing.assert_array_equal(z[:, 1], 0)
    np.testing.assert_array_equal(encoder.transform([[0, 99, 1e9, 1]])[:, 1], 0)
    np.testing.assert_array_equal(encoder.transform([[np.inf, np.nan, 0, 1]])[0, :2], 0)
    assert encoder.transform([[1e300, 5, 1e9, 1]])[0, 0] == 8
    back = encode.from_dict(json.loads(json.dumps(encoder.to_dict())))
    np.testing.assert_array_equal(back.transform(x), z)
    with pytest.raises(DataError, match="another number of columns"):
        encoder.transform(x[:, :2])
    with pytest.raises(DataError, match="every column is constant"):
        ArrayEncoder().fit(np.ones((5, 2)))


def test_each_kind_has_its_encoder():
    y = [0, 1] * 30
    for rows, kind in ((ROWS, "table"), (np.arange(120).reshape(60, 2), "array")):
        dataset = data.load((rows, y))
        encoder = encode.make(dataset)
        assert encoder.kind == dataset.kind == kind
        assert len(encoder.fit(dataset.select(~dataset.test)).transform(dataset.rows)) == 60
