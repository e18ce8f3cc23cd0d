"""Lanes against Keras on its backends, and the n-gram counter against scikit-learn: one table of ratios.

    python benchmarks/speed.py [--size fast|regular|large] [--only NAME,...] [--peers jax,tensorflow,torch]

Every figure is the median over rounds in which ours and the peers' processes take turns. An epoch is training and
validation; compilation stands apart (`first`: from process start to the end of the first epoch, compilation included).
Writes out/speed.json beside this file. The IMDB reviews are taken from GOODFIT_DATA; without them the built-in
docstrings stand in, and the table says so.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

HERE = Path(__file__).parent
OUT = HERE / "out"
PEERS = {"jax": ["keras", "jax"], "tensorflow": ["keras", "tensorflow-cpu"], "torch": ["keras", "torch"]}
WORKLOADS = {
    "imdb_16": {"data": "text", "units": [16, 16], "batch_size": 512, "optimizer": "rmsprop", "lanes": 29},
    "imdb_16_100": {"data": "text", "units": [16, 16], "batch_size": 512, "optimizer": "rmsprop", "lanes": 100},
    "imdb_512": {"data": "text", "units": [512, 512], "batch_size": 512, "optimizer": "rmsprop", "lanes": 2},
    "tabular": {
        "data": "table", "units": [64, 32], "batch_size": 32, "optimizer": "adam", "lanes": 29,
        "normalised": True, "dropout": 0.3,
    },
    "cnn": {"data": "images", "filters": [32, 64], "units": [], "batch_size": 64, "optimizer": "adam", "lanes": 4},
}  # fmt: skip
SIZES = {"fast": (3_000, 2, 1), "regular": (25_000, 4, 2), "large": (25_000, 6, 3)}
"""Rows, epochs and rounds."""


def text_rows(rows: int) -> tuple[dict, str]:
    """Multi-hot rows of 10,000 words, sparse."""
    import numpy as np

    from goodfit import data, encode

    name = (
        "imdb"
        if any((Path(p) / "imdb").is_dir() for p in os.environ.get("GOODFIT_DATA", "").split(os.pathsep))
        else "docstrings"
    )
    dataset = data.load(name)
    keep = np.random.default_rng(0).permutation(np.flatnonzero(~dataset.test))[:rows]
    x = encode.make(dataset).fit(dataset.select(keep)).transform(dataset.select(keep)).tocsr()
    cut = int(0.6 * len(keep))
    out = {"features": x.shape[1], "y": dataset.labels[keep[:cut]], "y_val": dataset.labels[keep[cut:]]}
    for part, block in (("x", x[:cut]), ("x_val", x[cut:])):
        out |= {f"{part}_indptr": block.indptr, f"{part}_indices": block.indices}
    return out, f"{name}, {len(dataset.classes)} classes"


def table_rows(rows: int) -> tuple[dict, str]:
    """100 columns, 10 classes, made by scikit-learn."""
    from sklearn.datasets import make_classification

    x, y = make_classification(rows, 100, n_informative=30, n_classes=10, random_state=0)
    cut = int(0.8 * rows)
    x = ((x - x.mean(0)) / x.std(0)).astype("float32")
    return {"x": x[:cut], "y": y[:cut], "x_val": x[cut:], "y_val": y[cut:]}, "made"


def image_rows(rows: int) -> tuple[dict, str]:
    """Fashion-MNIST where it is at hand, else digits blown up to 28x28."""
    import gzip

    import numpy as np

    for folder in (Path(p) / "fashion-mnist" for p in os.environ.get("GOODFIT_DATA", "").split(os.pathsep) if p):
        if folder.is_dir():
            raw = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())[16:]
            x = np.frombuffer(raw, np.uint8).reshape(-1, 28, 28, 1).astype("float32") / 255
            y = np.frombuffer(gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes())[8:], np.uint8)
            name = "fashion-mnist"
            break
    else:
        from sklearn.datasets import load_digits

        digits = load_digits()
        x = np.kron(digits.images, np.ones((1, 3, 3)))[..., None].astype("float32") / 16
        x, y, name = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0))), digits.target, "digits"
    x, y = x[:rows], y[:rows].astype("int64")
    cut = int(0.8 * len(x))
    return {"x": x[:cut], "y": y[:cut], "x_val": x[cut:], "y_val": y[cut:]}, name


DATA = {"text": text_rows, "table": table_rows, "images": image_rows}


def environment(peer: str) -> Path:
    """The interpreter of a peer's own environment, made and filled on first use."""
    folder = HERE.parent / f".venv-{peer}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print(f"installing {', '.join(PEERS[peer])} into {folder.name}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS[peer]], check=True)
        (folder / "ready").touch()
    return python


def run(python: Path | str, script: str, *args: object, backend: str = "jax") -> dict:
    """A process of its own; what it prints last is JSON."""
    env = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [str(python), str(HERE / script), *map(str, args)], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{script} on {backend} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def tokenise(rows: int) -> list[dict]:
    """(1,2)-grams of raw texts: seconds against CountVectorizer."""
    from sklearn.feature_extraction.text import CountVectorizer

    from goodfit import data
    from goodfit.encode import ngrams

    paths = [Path(p) / "imdb" / "IMDB Dataset.csv" for p in os.environ.get("GOODFIT_DATA", "").split(os.pathsep) if p]
    path = next((p for p in paths if p.exists()), None)
    dataset = data.load(str(path), "sentiment") if path else data.load("docstrings")
    texts = data.joined_texts(dataset.rows)[:rows]
    began = time.perf_counter()
    ngrams.fit(texts, ngram_range=(1, 2))
    ours = time.perf_counter() - began
    began = time.perf_counter()
    CountVectorizer(ngram_range=(1, 2)).fit_transform(texts)
    theirs = time.perf_counter() - began
    return [row("tokenise", "scikit-learn", ours, theirs, None, None)]


def row(
    workload: str, peer: str, ours: float, theirs: float, accuracy: float | None, peer_accuracy: float | None
) -> dict:
    return {
        "workload": workload, "peer": peer, "ratio": theirs / ours, "ours": ours, "theirs": theirs,
        "accuracy": accuracy, "peer_accuracy": peer_accuracy,
    }  # fmt: skip


def measure(name: str, peers: list[str], size: str) -> list[dict]:
    """A workload's rows of the table, one a peer."""
    spec, (rows, epochs, rounds) = dict(WORKLOADS[name]), SIZES[size]
    arrays, what = DATA[spec["data"]](min(rows, 10_000) if spec["data"] == "images" else rows)
    spec["classes"] = int(arrays["y"].max()) + 1
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workload.npz"
        np.savez(path, spec=np.asarray(json.dumps(spec)), **arrays)
        ours: list[dict] = []
        theirs: dict[str, list[dict]] = {p: [] for p in peers}
        for _ in range(rounds):
            ours.append(run(sys.executable, "lanes.py", path, epochs, spec["lanes"]))
            for peer in peers:
                theirs[peer].append(run(environment(peer), "peer.py", path, max(2, epochs // 2), backend=peer))
    print(f"  {name}: {what}", file=sys.stderr)

    def epoch(found: list[dict], skip: int) -> float:
        return float(np.median([t for f in found for t in f["epochs"][skip:]]))

    out = []
    for peer, found in theirs.items():
        label = f"Keras on {peer}"
        out.append(row(name, label, epoch(ours, 0), epoch(found, 1), ours[-1]["accuracy"], found[-1]["accuracy"]))
        if name == "imdb_16":
            first = min(f["first"] for f in ours), min(f["first"] for f in found)
            out.append(row("first epoch of 29 runs, of one", label, *first, None, None))
            out.append(row("memory", label, max(f["peak"] for f in ours), max(f["peak"] for f in found), None, None))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="regular")
    parser.add_argument("--only", default=",".join([*WORKLOADS, "tokenise"]))
    parser.add_argument("--peers", default=",".join(PEERS))
    args = parser.parse_args()
    table: list[dict] = []
    for name in args.only.split(","):
        table += (
            tokenise(SIZES[args.size][0]) if name == "tokenise" else measure(name, args.peers.split(","), args.size)
        )
    OUT.mkdir(exist_ok=True)
    (OUT / "speed.json").write_text(json.dumps(table, indent=1))
    print(f"{'workload':32}{'peer':22}{'ours':>12}{'theirs':>12}{'ratio':>8}{'accuracy':>10}{'peer':>8}")
    for r in table:
        accuracies = "".join(
            f"{'' if a is None else f'{a:.4f}':>{w}}" for a, w in ((r["accuracy"], 10), (r["peer_accuracy"], 8))
        )
        print(f"{r['workload']:32}{r['peer']:22}{r['ours']:12.4g}{r['theirs']:12.4g}{r['ratio']:8.1f}{accuracies}")


if __name__ == "__main__":
    main()
