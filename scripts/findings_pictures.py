"""Draw docs/findings/CODE.svg: for every finding a real training that has it, beside a sound one.

python scripts/findings_pictures.py [CODE ...]

Every curve is of a dense network trained here, in NumPy, on the handwritten digits that come with scikit-learn (8 x 8
pixels): plain code that any fault can be put into, and no compiler to wait for. What `goodfit.diagnose` finds in the
curves is printed.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import goodfit

FOLDER = Path(__file__).parents[1] / "docs" / "findings"
WIDE, HIGH, LEFT, TOP, BOTTOM = 560, 240, 52, 40, 34
COLOURS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#a3a3a3", "#525252")
X, Y = load_digits(return_X_y=True)
AT = np.random.default_rng(0).permutation(len(Y))
X, Y = X[AT] / 16, Y[AT]
SPLIT = 900
SMALL = 1e-7
Curves = dict[str, "np.ndarray | list[float]"]

BENDS: dict[str, tuple[Callable, Callable]] = {  # the function, and its slope from what it gave
    "relu": (lambda z: np.maximum(z, 0), lambda a: (a > 0).astype(float)),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-np.clip(z, -60, 60))), lambda a: a * (1 - a)),
    "linear": (lambda z: z, np.ones_like),
}


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def ends(loss: str, z: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean loss, its gradient by the last layer's sums, and the output, as Keras has them."""
    rows = len(z)
    if loss == "mse":
        return float(np.mean((z - target) ** 2)), 2 * (z - target) / z.size, z
    p = softmax(z)
    if loss == "crossentropy":
        return float(-np.mean(np.log(np.maximum((p * target).sum(1), SMALL)))), (p - target) / rows, p
    if loss == "softmax twice":
        q = softmax(p)
        g = (q - target) / rows
        return float(-np.mean(np.log((q * target).sum(1)))), p * (g - (g * p).sum(1, keepdims=True)), p
    if loss == "relu end":  # Keras divides by the sum, and keeps away from 0 and 1
        out = np.maximum(z, 0)
        share = np.clip(out / np.maximum(out.sum(1, keepdims=True), SMALL), SMALL, 1 - SMALL)
        inside = (share > SMALL) & (share < 1 - SMALL) & (z > 0)
        g = -target / share * inside / rows
        total = np.maximum(out.sum(1, keepdims=True), SMALL)
        return (
            float(-np.mean(np.log((share * target).sum(1)))),
            (g - (g * share).sum(1, keepdims=True)) / total * (z > 0),
            out,
        )
    raise ValueError(loss)


def trained(
    *, x=X, y=Y, split=SPLIT, held=None, units=(64,), activation="relu", loss="crossentropy", rate=0.003, epochs=20,
    bias=0.0, scale=None, constant=None, momentum=None, batch=64, seed=0, classes=10, patience=None, watch=None,
) -> Curves:  # fmt: skip
    """Train with Adam, or with SGD where a momentum is given; curves after each epoch as Keras logs them."""
    rng = np.random.default_rng(seed)
    x, (xv, yv) = np.asarray(x, float), (x[split:], y[split:]) if held is None else held
    xt, yt = x[:split], y[:split]
    sizes = [x.shape[1], *units, classes]
    ws, bs = [], []
    for i, (m, n) in enumerate(pairwise(sizes)):
        limit = np.sqrt(6 / (m + n))
        inner = i < len(units)
        w = rng.uniform(-limit, limit, (m, n)) if scale is None or not inner else rng.normal(0, scale, (m, n))
        ws.append(np.full((m, n), constant) if constant is not None and inner else w)
        bs.append(np.full(n, bias if inner else 0.0))
    parts = [*ws, *bs]
    first, second = [np.zeros_like(p) for p in parts], [np.zeros_like(p) for p in parts]
    bend, slope = BENDS[activation]
    hot = np.eye(classes)
    out: dict[str, list[float]] = {}
    steps, best, since = 0, np.inf, 0

    def forward(rows):
        layers = [rows]
        for w, b in zip(ws[:-1], bs[:-1], strict=True):
            layers.append(bend(layers[-1] @ w + b))
        return layers, layers[-1] @ ws[-1] + bs[-1]

    def gradients(rows, labels):
        layers, z = forward(rows)
        value, g, p = ends(loss, z, hot[labels])
        of_ws, of_bs = [], []
        for i in range(len(ws) - 1, -1, -1):
            of_ws.insert(0, layers[i].T @ g)
            of_bs.insert(0, g.sum(0))
            g = (g @ ws[i].T) * slope(layers[i]) if i else g
        return value, float((p.argmax(1) == labels).mean()), [*of_ws, *of_bs]

    for _ in range(epochs):
        sums = np.zeros(2)
        for at in np.array_split(rng.permutation(len(yt)), max(1, len(yt) // batch)):
            value, right, grads = gradients(xt[at], yt[at])
            sums += len(at) * np.asarray([value, right])
            steps += 1
            for p, g, m, v in zip(parts, grads, first, second, strict=True):
                if momentum is not None:
                    m *= momentum
                    m -= rate * g
                    p += m
                    continue
                m += 0.1 * (g - m)
                v += 0.001 * (g * g - v)
                p -= rate * (m / (1 - 0.9**steps)) / (np.sqrt(v / (1 - 0.999**steps)) + 1e-7)
        value, right, _ = gradients(xv, yv)
        _, _, probe = gradients(xt[:128], yt[:128])
        log = {"loss": sums[0] / len(yt), "accuracy": sums[1] / len(yt), "val_loss": value, "val_accuracy": right}
        log |= {f"gradient_norm/{i + 1}": float(np.linalg.norm(g)) for i, g in enumerate(probe[: len(ws)])}
        log["dead_units/1"] = float(np.mean(forward(xt[:128])[0][1].max(0) <= 0)) if units else 0.0
        log |= watch(forward) if watch else {}
        for k, v in log.items():
            out.setdefault(k, []).append(v)
        best, since = (value, 0) if value < best else (best, since + 1)
        if patience is not None and since >= patience:
            break
    return {k: np.asarray(v) for k, v in out.items()}


def both(run: Curves) -> Curves:
    """Training and validation loss."""
    return {"loss": run["loss"], "val_loss": run["val_loss"]}


def beside(sick: Curves, key: str = "loss", **sound) -> Curves:
    """A curve of a sick run and the same of a sound one."""
    return {f"{key}": sick[key], f"{key}, sound": trained(**{"epochs": len(sick[key]), **sound})[key]}


FEW = {"split": 120, "units": (256, 256), "rate": 0.001}
WRONG = np.where(np.arange(len(Y)) % 5 == 0, np.roll(Y, 1), Y)
SORTED = np.argsort(Y[:1125], kind="stable")
RARE = np.flatnonzero((Y != 8) | (np.arange(len(Y)) % 8 == 0))
Drawn = tuple[str, Curves, Curves]
"""What is drawn, the curves of it, and all curves of the training."""


def overfitting() -> Drawn:
    run = trained(y=WRONG, split=400, units=(256,), epochs=30)
    return "loss; a fifth of the labels are wrong, and are learned by heart", both(run), run


def underfitting() -> Drawn:
    run = trained(units=(16,) * 8, activation="sigmoid", epochs=12)
    return (
        "training accuracy of eight narrow layers with sigmoid, and of one of 64 with ReLU",
        beside(run, "accuracy"),
        run,
    )


def learning_rate_too_high() -> Drawn:
    run = trained(rate=1.0)
    return "loss at a learning rate of 1.0, and of 0.003 (Adam)", beside(run), run


def learning_rate_too_low() -> Drawn:
    run = trained(rate=1e-5)
    return "loss at a learning rate of 0.00001, and of 0.003 (Adam)", beside(run), run


def oscillation() -> Drawn:
    run = trained(rate=0.6, momentum=0.9, batch=32, epochs=30, units=(32,))
    return "loss with SGD, momentum 0.9, at a learning rate of 0.6", beside(run), run


def plateau() -> Drawn:
    run = trained(units=(1,), rate=0.01, epochs=60)
    return "loss with one hidden unit, and with 64", beside(run), run


def diverged() -> Drawn:
    run = trained(rate=30.0, momentum=0.0, loss="mse", epochs=12)
    shown = {k: np.log10(v) for k, v in both(run).items()}
    return "log10 of the squared error with SGD at a learning rate of 30", shown, run


def too_few_epochs() -> Drawn:
    run = trained(rate=0.0005, epochs=6)
    return "loss when training ended after 6 epochs", both(run), run


def too_many_epochs() -> Drawn:
    run = {"val_loss": trained(y=WRONG, split=400, units=(256,), epochs=30)["val_loss"]}
    return "validation loss where no training curve was logged", run, run


def noisy_validation() -> Drawn:
    run = trained(held=(X[-12:], Y[-12:]), rate=0.02, batch=16, epochs=25)
    return "loss with 12 validation rows", both(run), run


def dying_relu() -> Drawn:
    run = trained(bias=-20.0, epochs=10)
    shown = {"dead units, layer 1": run["dead_units/1"], **beside(run, "accuracy")}
    return "share of units that are zero on every row, and accuracy; biases began at -20", shown, run


def vanishing_gradient() -> Drawn:
    run = trained(units=(16,) * 8, activation="sigmoid", epochs=12)
    shown = {f"layer {i}": np.log10(np.maximum(run[f"gradient_norm/{i}"], 1e-12)) for i in (1, 3, 6, 9)}
    return "log10 of the gradient's norm by layer; eight hidden layers with sigmoid", shown, run


def exploding_gradient() -> Drawn:
    run = trained(scale=1.0, units=(64,) * 6, epochs=12)
    shown = {k: np.log10(v) for k, v in beside(run).items()}
    return "log10 of the loss; six layers whose weights began with standard deviation 1", shown, run


def wrong_loss() -> Drawn:
    run = trained(loss="mse", rate=0.003)
    return (
        "validation accuracy with squared error on a linear output, and with cross-entropy",
        beside(run, "val_accuracy"),
        run,
    )


def wrong_activation() -> Drawn:
    run = trained(loss="relu end", epochs=15)
    return "loss with a ReLU in place of the softmax", beside(run), run


def double_softmax() -> Drawn:
    run = trained(loss="softmax twice")
    return "loss when from_logits=True follows a softmax: it cannot fall under 1.46", beside(run), run


def unscaled_input() -> Drawn:
    run = trained(x=X * 16_000, epochs=15)
    return "log10 of the loss on pixels of 0 to 16,000, and of 0 to 1", {
        k: np.log10(np.maximum(v, SMALL)) for k, v in beside(run).items()
    }, run  # fmt: skip


def constant_initializer() -> Drawn:
    run = trained(constant=0.1)
    return "accuracy when all units begin equal", beside(run, "accuracy"), run


def no_nonlinearity() -> Drawn:
    shape = {"units": (64, 64), "epochs": 30}
    run = trained(activation="linear", **shape)
    return "loss of two hidden layers that are linear, and with ReLU", beside(run, **shape), run


def unshuffled_split() -> Drawn:
    run = trained(x=X[SORTED], y=Y[SORTED], split=int(len(SORTED) * 0.8), epochs=15)
    return "loss on rows sorted by class: the validation rows hold classes never trained on", both(run), run


def duplicate_rows() -> Drawn:
    few = {"y": WRONG, "split": 400, "units": (256,), "epochs": 30}
    run = trained(held=(X[:200], WRONG[:200]), **few)
    return "validation loss on rows that are trained on too, and on new ones", {
        "val_loss": run["val_loss"], "val_loss, new rows": trained(**few)["val_loss"],
    }, run  # fmt: skip


def conflicting_labels() -> Drawn:
    x = np.concatenate([X[:450], X[:225], X[SPLIT:]])
    y = np.concatenate([Y[:450], (Y[:225] + 1) % 10, Y[SPLIT:]])
    run = trained(x=x, y=y, split=675, units=(256,), epochs=30)
    return "training accuracy when a third of the rows repeat another with another label", beside(run, "accuracy"), run


def target_leak() -> Drawn:
    run = trained(x=np.concatenate([X, np.eye(10)[Y]], 1))
    return "validation loss with the label among the columns, and without", beside(run, "val_loss"), run


def class_imbalance() -> Drawn:
    x, y = X[RARE], (Y[RARE] == 8).astype(int)
    rare = x[SPLIT:][y[SPLIT:] == 1]

    def found(forward: Callable) -> dict[str, float]:
        return {"rare rows found": float((forward(rare)[1].argmax(1) == 1).mean())}

    run = trained(x=x, y=y, classes=2, units=(8,), rate=0.001, epochs=20, watch=found)
    shown = {k: run[k] for k in ("val_accuracy", "rare rows found")}
    return f"accuracy, and the share of the rare class found ({np.mean(y):.1%} of the rows)", shown, run


def tiny_validation() -> Drawn:
    runs = {
        f"25 rows ({i + 1})": trained(held=(X[at : at + 25], Y[at : at + 25]), epochs=15)
        for i, at in enumerate(range(SPLIT, SPLIT + 100, 25))
    }
    whole = trained(epochs=15)
    shown = {k: r["val_accuracy"] for k, r in runs.items()} | {"all 897 rows": whole["val_accuracy"]}
    return "validation accuracy of one training, on four times 25 rows and on 897", shown, runs["25 rows (1)"]


def last_weights_kept() -> Drawn:
    run = trained(y=WRONG, split=400, units=(256,), epochs=60, patience=10)
    return "loss until early stopping with patience 10, which kept the last weights", both(run), run


def svg(code: str, caption: str, curves: Curves) -> str:
    """A line chart, values as they are."""
    values = np.concatenate([np.asarray(v, float) for v in curves.values()])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    epochs = max(len(v) for v in curves.values())
    right, bottom = WIDE - 140, HIGH - BOTTOM
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDE}" height="{HIGH}" viewBox="0 0 {WIDE} {HIGH}" '
        f'font-family="sans-serif" font-size="11" role="img"><title>{html.escape(f"{code}: {caption}")}</title>',
        f'<rect width="{WIDE}" height="{HIGH}" fill="#fff"/><text x="{LEFT}" y="20">{html.escape(caption)}</text>',
        f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#737373"/>',
    ]
    for v in (low, (low + high) / 2, high):
        y = bottom - (v - low) / ((high - low) or 1) * (bottom - TOP)
        lines.append(f'<text x="{LEFT - 5}" y="{y + 4:.0f}" text-anchor="end">{v:.3g}</text>')
    for e in sorted({1, (epochs + 1) // 2, epochs}):
        x = LEFT + (e - 1) / max(1, epochs - 1) * (right - LEFT)
        lines.append(f'<text x="{x:.0f}" y="{bottom + 15}" text-anchor="middle">{e}</text>')
    lines.append(f'<text x="{(LEFT + right) // 2}" y="{HIGH - 4}" text-anchor="middle">epoch</text>')
    for i, (name, curve) in enumerate(curves.items()):
        at, colour = np.flatnonzero(np.isfinite(np.asarray(curve, float))), COLOURS[i % len(COLOURS)]
        places = " ".join(
            f"{LEFT + e / max(1, epochs - 1) * (right - LEFT):.1f},"
            f"{bottom - (float(curve[e]) - low) / ((high - low) or 1) * (bottom - TOP):.1f}"
            for e in at
        )
        lines.append(f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        lines.append(f'<text x="{right + 8}" y="{TOP + 8 + 16 * i}" fill="{colour}">{html.escape(name)}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for code in sys.argv[1:] or goodfit.diagnose.CODES:
        caption, curves, run = globals()[code]()
        (FOLDER / f"{code}.svg").write_text(svg(code, caption, curves), encoding="utf-8")
        found = goodfit.diagnose({k: v for k, v in run.items() if "/" not in k and " " not in k})
        print(f"{code}: {', '.join(f'{f.code} ({f.severity})' for f in found) or 'nothing'} in the curves", flush=True)
