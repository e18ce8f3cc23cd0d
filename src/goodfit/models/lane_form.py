"""A Keras model to its lane form and back.

The lane form is a clone in which the few layers that keep a varying number in Python, draw random numbers, or look
across rows are swapped (`lane_layers`). Where the input is sparse and feeds a single `Dense` layer, the engine
multiplies by that layer's kernel itself, for all lanes at once, and the clone starts from the product. The kernel is
then taken out where the engine takes its optimizer step too, else it stays a variable of the clone.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from goodfit.models import copies, draws, objective
from goodfit.models import lane_layers as ll
from goodfit.models.network import Network
from goodfit.models.swap import PENALTIES, pooled, swapped, varied
from goodfit.models.walk import flat_layers, own_weights, readers

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class LaneForm:
    """The lane form of a network.

    Attributes:
        network: The stock network it was made of.
        model: The clone with lane layers.
        first: Position in the stock model's weights of the kernel that was taken out, or None.
        head: Where the kernel that sparse rows are multiplied by stays: `trainable` or `non_trainable`, and its place
            among these variables of the clone; None where it is taken out, or where there is none.
        trainable: Position in the stock model's weights of each of the clone's trainable variables.
        non_trainable: The same for its non-trainable variables; -1 for the state of a random generator.
    """

    network: Network
    model: keras.Model
    first: int | None
    head: tuple[str, int] | None
    trainable: tuple[int, ...]
    non_trainable: tuple[int, ...]


def penalties(model: keras.Model) -> tuple[Array, Array]:
    """L1 and L2 factor of every weight of a stock model, each of shape `(weights,)`; 0 where it has none."""
    factors = np.zeros((2, len(model.weights)), np.float32)
    for i, variable in enumerate(model.weights):
        regularizer = variable.regularizer
        if isinstance(regularizer, PENALTIES):
            factors[:, i] = getattr(regularizer, "l1", 0.0), getattr(regularizer, "l2", 0.0)
    return factors[0], factors[1]


def of(network: Network, *, sparse: bool, fused: bool = True) -> LaneForm:
    """The lane form of a network.

    Args:
        network: Any network.
        sparse: Whether its input is sparse.
        fused: Whether the engine can take the optimizer's step itself; the first kernel of sparse rows is then taken
            out where that is possible.
    """
    stock = network.model
    head = sparse_head(stock) if sparse else None
    keep = head is not None and not (fused and _plain(head))
    rates = {id(layer): key for key, layer in varied(stock).items()}
    salts: dict[int, int] = {}
    pools = pooled(stock)
    taken = {id(pool) for pool in pools.values()}

    def swap(layer: keras.Operation) -> keras.Operation:
        if not isinstance(layer, keras.layers.Layer):
            return copies.plain(layer)
        salt = salts.setdefault(id(layer), len(salts))
        if id(layer) in taken:
            return keras.layers.Identity(name=layer.name, dtype=layer.dtype_policy)
        clone = ll.LaneHead(head, keep) if layer is head else swapped(layer, salt, rates.get(id(layer)))
        if id(layer) in pools:
            clone.pooled = True
        return clone

    model = copies.copy(stock, swap, inputs=None if head is None else [keras.Input((head.units,), name="product")])
    copies.settle(zip(flat_layers(stock), flat_layers(model), strict=True))
    for variable in model.trainable_variables:
        if isinstance(variable.regularizer, PENALTIES):
            variable.regularizer = None  # its gradient is added by the engine, with the lane's own factor
    place = {id(v): i for i, v in enumerate(stock.weights)}
    pairs: dict[int, int] = {}
    for a, b in zip(flat_layers(stock), flat_layers(model), strict=True):
        skip = 1 if a is head and not keep else 0  # a Dense layer's variables are kernel, bias
        for v, w in zip(own_weights(a)[skip:], own_weights(b), strict=True):
            if v.shape != w.shape:
                raise RuntimeError(f"lane form of {a.name}: {v.path} {v.shape} stands against {w.path} {w.shape}")
            pairs[id(w)] = place[id(v)]
    trainable = tuple(pairs[id(v)] for v in model.trainable_variables)
    non_trainable = tuple(pairs.get(id(v), -1) for v in model.non_trainable_variables)
    first = None if head is None else place[id(head.kernel)]
    if not keep:
        return LaneForm(network, model, first, None, trainable, non_trainable)
    kinds = {"trainable": trainable, "non_trainable": non_trainable}
    at = next((kind, found.index(first)) for kind, found in kinds.items() if first in found)
    return LaneForm(network, model, None, at, trainable, non_trainable)


def sparse_head(model: keras.Model) -> keras.layers.Dense | None:
    """The `Dense` layer that alone reads the model's only input, if it takes nothing but its product with the rows."""
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1 or len(inputs[0].shape) != 2:
        return None
    found = readers(model)
    if len(found) != 1 or type(found[0]) is not keras.layers.Dense or len(found[0]._inbound_nodes) != 1:
        return None
    head = found[0]
    usual = len(own_weights(head)) == 1 + head.use_bias  # neither quantised nor with LoRA
    usual = usual and head.compute_dtype == head.variable_dtype == "float32"  # as the product is
    return head if usual and head.activity_regularizer is None else None


def _plain(head: keras.layers.Dense) -> bool:
    """Whether nothing but L1, L2 and the optimizer's step moves a layer's kernel."""
    regularizer = head.kernel_regularizer
    return head.trainable and not head.kernel_constraint and (regularizer is None or isinstance(regularizer, PENALTIES))


@draws.quick()
def to_stock(network: Network, weights: list[Array]) -> keras.Model:
    """A fresh stock model that holds one lane's weights.

    Args:
        network: The network the lane was trained as.
        weights: The lane's weights, in the order of the stock model's `weights`.

    Returns:
        A compiled stock `keras.Model`; saving it needs no goodfit, nor does loading it.
    """
    model = copies.copy(network.model)
    for variable, value in zip(model.weights, weights, strict=True):
        variable.assign(value)
    copies.settle(zip(flat_layers(network.model), flat_layers(model), strict=True))
    optimizer = copies.optimizer(network.optimizer)
    model.compile(optimizer=optimizer, loss=_stock_loss(network), metrics=["accuracy", *network.metrics])
    optimizer.build(model.trainable_variables)  # an unbuilt one would be saved without its slots
    return model


def _stock_loss(network: Network) -> keras.losses.Loss:
    """The loss as a user would write it: integer labels unless they are smoothed."""
    loss, smoothing = network.loss, network.label_smoothing
    config = objective.settings(loss)
    if isinstance(loss, keras.losses.CategoricalCrossentropy) and not smoothing:
        kept = {k: config[k] for k in ("from_logits", "reduction")}
        return keras.losses.SparseCategoricalCrossentropy(**kept)
    return type(loss).from_config({**config, "label_smoothing": smoothing}) if smoothing else loss
