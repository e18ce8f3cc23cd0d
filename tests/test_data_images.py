"""Images from arrays, IDX, `.npz` and folders, and their encoder."""

import base64
import gzip
import io
import json
import struct

import numpy as np
import pytest
from PIL import Image

from goodfit import data, encode
from goodfit.errors import DataError, UsageError

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (40, 6, 5), dtype=np.uint8)
Y = np.arange(40) % 2


def write_idx(path, array):
    content = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_idx_files_and_their_folder(tmp_path):
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", X[:30])
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", Y[:30])
    write_idx(tmp_path / "t10k-images.idx3-ubyte", X[30:])
    with pytest.raises(DataError, match="no labels beside it"):
        data.load(tmp_path)
    write_idx(tmp_path / "t10k-labels.idx1-ubyte", Y[30:])
    dataset = data.load(tmp_path)
    assert (dataset.kind, int(dataset.test.sum())) == ("image", 10)
    np.testing.assert_array_equal(dataset.rows, X)
    np.testing.assert_array_equal(dataset.labels, Y)
    assert len(data.load(tmp_path / "train-images-idx3-ubyte.gz")) == 30
    cut = (tmp_path / "t10k-images.idx3-ubyte").read_bytes()[:-3]
    (tmp_path / "t10k-images.idx3-ubyte").write_bytes(cut)
    with pytest.raises(DataError, match="cut short"):
        data.load(tmp_path)


@pytest.mark.parametrize(
    "names", [("x", "y"), ("images", "labels"), ("x_train", "y_train", "x_test", "y_test")], ids=lambda n: n[0]
)
def test_npz(tmp_path, names):
    parts = (X, Y) if len(names) == 2 else (X[:30], Y[:30], X[30:], Y[30:])
    np.savez(tmp_path / "a.npz", **dict(zip(names, parts, strict=True)))
    dataset = data.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(dataset.rows, X)
    assert dataset.test.sum() == (8 if len(names) == 2 else 10)


def test_bad_npz(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{}, {}], dtype=object), y=[0, 1])
    with pytest.raises(DataError, match="pickled objects, which are never run"):
        data.load(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", first=X, second=Y)
    with pytest.raises(UsageError, match="received first, second"):
        data.load(tmp_path / "b.npz")
    (tmp_path / "c.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(DataError, match="cannot be read"):
        data.load(tmp_path / "c.npz")


def folder(root, sizes, mode="RGB"):
    image = pytest.importorskip("PIL.Image")
    for i, (height, width) in enumerate(sizes):
        path = root / ("dark" if i % 2 else "light") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = RNG.integers(0, 100, (height, width, 3), dtype=np.uint8) + (0 if i % 2 else 150)
        image.fromarray(pixels.astype(np.uint8)).convert(mode).save(path)


def test_a_folder_of_images_per_class(tmp_path):
    folder(tmp_path, [(8, 6)] * 20)
    (tmp_path / "dark" / "broken.png").write_bytes(b"\x89PNG no image")
    dataset = data.load(tmp_path)
    assert (dataset.rows.shape, dataset.rows.dtype) == ((20, 8, 6, 3), np.uint8)
    assert dataset.classes == ("dark", "light")
    assert "1 damaged image was left out (the first: broken.png)." in dataset.notes
    means = dataset.rows.reshape(20, -1).mean(1)
    assert ((means > 125) == (dataset.labels == 1)).all()
    assert data.load(tmp_path, image_size=(4, 4)).rows.shape == (20, 4, 4, 3)
    (tmp_path / "dark" / "broken.png").unlink()
    assert data.read_rows(tmp_path / "dark").shape == (10, 8, 6, 3)


def test_the_kind_that_has_more_files_is_read(tmp_path):
    folder(tmp_path, [(8, 6)] * 20)
    for path in (tmp_path / "dark" / "readme.txt", tmp_path / "light" / "about.txt"):
        path.write_text("not a picture")
    dataset = data.load(tmp_path)
    assert (dataset.kind, len(dataset)) == ("image", 20)
    assert "2 .txt files were left out: most files are images." in dataset.notes
    assert data.read_rows(tmp_path / "dark").shape == (10, 8, 6, 3)
    for i in range(30):
        (tmp_path / ("dark" if i % 2 else "light") / f"{i}.txt").write_text(f"words {i}")
    for i in range(1, 20):
        (tmp_path / ("dark" if i % 2 else "light") / f"{i}.png").unlink()
    dataset = data.load(tmp_path)
    assert (dataset.kind, len(dataset)) == ("text", 32)
    assert "1 image file was left out: most files are texts." in dataset.notes
    assert len(data.read_rows(tmp_path / "light")) == 16


def test_sizes_and_modes_that_differ(tmp_path):
    folder(tmp_path, [(8, 6)] * 12 + [(5, 9)] * 8, mode="L")
    dataset = data.load(tmp_path)
    assert dataset.rows.shape == (20, 8, 6, 1)
    assert "Images of 2 sizes were brought to 8 x 6." in dataset.notes


def test_train_and_test_folders(tmp_path):
    folder(tmp_path / "train", [(4, 4)] * 20)
    folder(tmp_path / "test", [(4, 4)] * 8)
    assert data.load(tmp_path).test.sum() == 8


@pytest.mark.parametrize("rank", [3, 1])
@pytest.mark.parametrize(
    "x", [X, X[..., None].repeat(3, 3), X / 127.5 - 1, X.astype(np.int32)], ids=lambda x: str(x.dtype)
)
def test_images_are_scaled(x, rank):
    dataset = data.load((x, Y))
    encoder = encode.make(dataset, rank=rank).fit(dataset.rows)
    z = encoder.transform(dataset.rows)
    assert z.dtype == np.float32
    assert z.shape == ((40, x[0].size) if rank == 1 else (40, 6, 5, x.shape[3] if x.ndim == 4 else 1))
    assert z.size // len(z) == len(encoder.feature_names)
    np.testing.assert_allclose(z.ravel(), (x.ravel() - x.min()) / (x.max() - x.min()), atol=1e-6)
    back = encode.from_dict(json.loads(json.dumps(encoder.to_dict())))
    np.testing.assert_array_equal(back.transform(dataset.rows), z)


def test_images_of_another_size_are_resized_where_they_are_bytes():
    pytest.importorskip("PIL")
    encoder = encode.ImageEncoder().fit(X)
    assert encoder.transform(np.full((2, 9, 9, 3), 255, np.uint8)).shape == (2, 6, 5, 1)
    assert encoder.transform(np.full((2, 9, 9), 255, np.uint8)).min() == 1
    with pytest.raises(DataError, match="another shape"):
        encoder.transform(np.zeros((2, 9, 9)))
    with pytest.raises(DataError, match="no images"):
        encoder.transform(["text"])


def test_images_are_brought_to_what_a_model_takes():
    pytest.importorskip("PIL")
    small = encode.ImageEncoder(size=(3, 4), channels=3).fit(X)
    assert small.transform(X).shape == (40, 3, 4, 3)
    assert small.notes == ("Images of 6 x 5 were brought to 3 x 4 for the network.",)
    assert encode.ImageEncoder(rank=2).fit(X).transform(X).shape == (40, 6, 5)
    raw = encode.ImageEncoder(scaled=False, rank=1).fit(X)
    np.testing.assert_array_equal(raw.transform(X), X.reshape(40, -1))
    colour = np.repeat(X[..., None], 3, 3)
    np.testing.assert_allclose(
        encode.ImageEncoder(rank=2).fit(colour).transform(colour), X / np.float32(255), atol=1e-6
    )
    numbers = X / 255.0
    halved = encode.ImageEncoder(size=(3, 4)).fit(numbers)
    np.testing.assert_allclose(
        halved.transform(numbers), encode.ImageEncoder(size=(3, 4)).fit(X).transform(X), atol=0.02
    )
    for encoder, rows in ((small, X), (raw, X), (halved, numbers)):
        back = encode.from_dict(json.loads(json.dumps(encoder.to_dict())))
        np.testing.assert_array_equal(back.transform(rows), encoder.transform(rows))


@pytest.mark.parametrize("rows", [X, X / 255.0, X[..., None], np.stack([X] * 3, -1), np.stack([X] * 4, -1)])
def test_a_row_is_shown_as_the_picture_it_is(rows):
    png = data.load((rows, Y)).picture(3)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(png))), float)
    seen = pixels if pixels.ndim == 2 else pixels[..., 0]
    whole = X[3].astype(float)
    if rows.dtype != np.uint8:  # from its darkest to its brightest
        whole = (whole - whole.min()) * 255 / (whole.max() - whole.min())
    np.testing.assert_allclose(seen, whole, atol=1)
    assert data.load((X.reshape(40, -1), Y)).picture(3) is None
    large = data.load((np.repeat(np.repeat(X, 40, 1), 40, 2), Y)).picture(0)
    assert max(Image.open(io.BytesIO(base64.b64decode(large))).size) == 96


def test_warnings_of_pillow_are_not_shown(tmp_path):
    """Pillow warns of a palette with transparent entries, and here a warning is an error."""
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(6):
            image = Image.fromarray(np.full((8, 8), i, np.uint8)).convert("P")
            image.save(tmp_path / name / f"{i}.png", transparency=bytes(range(4)))
    found = data.sources.image_folder.read(tmp_path)
    assert found.rows.shape[0] == 12
