"""What each finding means: the one source of `goodfit explain` and of `docs/findings.md`. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from goodfit.diagnose.finding import CODES


@dataclass(frozen=True)
class Entry:
    """A code in words.

    Attributes:
        code: One of `CODES`.
        seen_in: Where it is looked for: `curves`, `internals`, `data` or `model`.
        meaning: What it means.
        evidence: The numbers it rests on.
        remedy: What to do.
        silent: When it stays silent, though one might expect it.
    """

    code: str
    seen_in: str
    meaning: str
    evidence: str
    remedy: str
    silent: str


ENTRIES = (
    Entry(
        "overfitting",
        "curves",
        "The network goes on learning its training rows by heart: from the named epoch on the validation loss rises "
        "while the training loss falls.",
        "Rise of the smoothed validation loss above its lowest point, as a share of what it had come down by and of "
        "that lowest loss; how many standard errors that is (between seeds where there are three or more, else against "
        "the curve's own wobble; in ten epochs or fewer three rises in a row will do); the training loss at the best "
        "epoch and at the end. Or a validation loss that never got better while the training loss fell.",
        "Stop at the best epoch (early stopping with the best weights kept), dropout, L2 or L1, a smaller network, "
        "more data.",
        "The rise is within the noise, smaller than so few validation rows can tell, or rests on one epoch; the "
        "training loss does not fall any more; early stopping "
        "has kept the best weights (then it is `info`). A gap between the two curves alone is no finding.",
    ),
    Entry(
        "underfitting",
        "curves",
        "The network cannot even fit its training rows.",
        "Training accuracy against always answering the commonest class and, where known, against a linear model; "
        "how much the training loss has moved at all; a loss that stays at its start or at chance beside an accuracy "
        "that few rows or a commoner class may explain; an accuracy that does not change by one row while the loss "
        "moves.",
        "A higher learning rate where the loss stands still or creeps down, a lower one where it wobbles; a larger "
        "network, more epochs, inputs of a common scale, less regularisation.",
        "What the data allow is unknown and the training loss came down: a flat curve at 70 % may be all there is.",
    ),
    Entry(
        "too_few_epochs",
        "curves",
        "Training ended while the network was still getting better.",
        "What the validation loss fell by in the last third, what share that is of the training loss's fall, and what "
        "as many epochs again should take off if the steps go on shrinking as they did.",
        "More epochs (with early stopping), or a higher learning rate.",
        "The expected gain is under an eighth of the loss; the validation loss falls by less than three fifths of what "
        "the training loss falls by, and so will soon arrive; the accuracy has stopped rising, the learning-rate "
        "schedule has run out, or the network overfits. Without a validation curve it is `info`.",
    ),
    Entry(
        "too_many_epochs",
        "curves",
        "The best epoch came long before the last.",
        "The best epoch, the number of epochs, and whether the validation loss has risen since.",
        "Early stopping, or that many epochs.",
        "Early stopping was in use. It is `info` unless there is no training curve to tell overfitting from "
        "divergence by.",
    ),
    Entry(
        "diverged",
        "curves",
        "Training itself broke down: the training loss became NaN or infinite, or climbed back to where it came from.",
        "The first epoch without a finite loss and in how many runs; or the training loss at its lowest, at the end "
        "and at the start.",
        "A lower learning rate, gradient clipping, inputs of a common scale, batch normalisation.",
        "Only the validation loss rises (that is overfitting), or a single spike at the end.",
    ),
    Entry(
        "learning_rate_too_high",
        "curves",
        "The steps are too long: the loss leaps instead of falling, or is thrown far off and stays there.",
        "The training loss after the first epochs against that of answering by chance, and the size of its upward "
        "leaps against its fall; a validation accuracy that leaps between a few values while nothing is learned; how "
        "far the weights move in the farthest epoch against their size.",
        "A learning rate three to ten times lower, or a schedule that warms up.",
        "The loss has come down in spite of the leaps, and the weights do not move too far.",
    ),
    Entry(
        "learning_rate_too_low",
        "curves",
        "The steps are too short: the loss falls steadily but so slowly that it would take far more epochs to arrive.",
        "What the training loss fell by, how even its steps are, and how many epochs halving its first value would "
        "take: over 40, however long the run.",
        "A learning rate ten times higher.",
        "The steps are shrinking, or the validation loss has arrived. A steady fall by more than an eightieth of the "
        "first loss an epoch is a matter of epochs (`too_few_epochs`); one that does not stand out from the loss's own "
        "wobble is none yet (`underfitting`, where nothing else was learned).",
    ),
    Entry(
        "oscillation",
        "curves",
        "The training loss or accuracy swings from epoch to epoch.",
        "Share of epochs that turn back, and the size of these swings against the fall as a whole.",
        "A lower learning rate, a larger batch, a schedule that decays.",
        "The swings are small against what was learned or under 2 % of the loss, fewer than three, or only the "
        "validation curve has them; or nothing was learned at all (`underfitting`).",
    ),
    Entry(
        "plateau",
        "curves",
        "After a good start the training loss stopped moving, far above where it could be.",
        "The epoch it stopped at, what it still fell by afterwards, and the training accuracy there.",
        "A higher learning rate, or a schedule; a larger network, batch normalisation.",
        "The network had learned what there is: a converged curve is flat too. Without an accuracy it is `info`.",
    ),
    Entry(
        "noisy_validation",
        "curves",
        "The validation curve jumps about so much that its best epoch is a matter of luck.",
        "Wobble of the validation loss from epoch to epoch against that of the training loss and against its fall.",
        "More validation rows, more seeds, repeated hold-out, a lower learning rate.",
        "The jumps are small against the fall, or the training loss jumps as much.",
    ),
    Entry(
        "dying_relu",
        "internals",
        "Units that are zero on every row: they get no gradient and never come back.",
        "Share of units of a layer that are zero on all rows of a probe batch, and since which epoch.",
        "A lower learning rate, He initialisation, leaky ReLU, inputs of a common scale.",
        "Fewer than 70 % of a layer's units are dead, or the layer is the output. It is `info` where the loss comes "
        "down all the same, unless no unit lives and no gradient reaches the first layer: then only a bias learns.",
    ),
    Entry(
        "vanishing_gradient",
        "internals",
        "The first layers hardly get any gradient.",
        "Norm of the first layer's gradient against the last layer's, and by itself, on a probe batch; or the share "
        "of a layer's outputs at the flat ends of its sigmoid or tanh; or gradients that are exactly 0 everywhere.",
        "ReLU in place of sigmoid or tanh, batch normalisation, residual connections, He initialisation.",
        "A gradient above a thousandth of the last layer's, or above 1e-4. It is `info` where the loss comes down all"
        " the same.",
    ),
    Entry(
        "exploding_gradient",
        "internals",
        "Gradients grow from layer to layer, or are not finite; before training: the untrained network's loss is far "
        "above that of answering by chance.",
        "Norm of the first layer's gradient against the last layer's; non-finite entries; the loss of the first batch"
        " against ln(classes).",
        "Gradient clipping, a lower learning rate, batch normalisation, inputs of a common scale, Keras's default "
        "initialiser.",
        "The loss comes down all the same. A first loss under three times ln(classes) is not told, under five times "
        "it is `info`.",
    ),
    Entry(
        "wrong_loss",
        "model",
        "The loss does not fit the targets or the output.",
        "Loss, last activation, units of the output, number and coding of the classes. In a log alone: a loss lower "
        "than a calibrated cross-entropy can be at its accuracy, or far above any while the accuracy rises.",
        "`binary_crossentropy` with one sigmoid unit; `sparse_categorical_crossentropy` with integers and softmax; "
        "`categorical_crossentropy` with one-hot rows.",
        "The loss is a function of one's own, or the model has several outputs: they are not judged. More units than "
        "classes are `info`.",
    ),
    Entry(
        "wrong_activation",
        "model",
        "The output's activation does not fit the loss or the targets: a softmax over one unit is always 1, ReLU "
        "cannot give probabilities, sigmoid cannot reach 20.",
        "Last activation, units of the output, loss, range of the targets.",
        "Sigmoid for one unit, softmax for several, none with `from_logits=True` and none for numbers of any size.",
        "The loss or the activation is a function of one's own.",
    ),
    Entry(
        "double_softmax",
        "model",
        "Softmax or sigmoid is applied twice: in the output and, by `from_logits=True`, in the loss again.",
        "Last activation and the loss's `from_logits`; a training loss that cannot fall under a floor. In a log alone "
        "(three classes or more): loss and accuracy add up to the same in every epoch, about ln(e + classes - 1).",
        "Drop the last activation, or set `from_logits=False`. Keras warns of it on its TensorFlow backend only.",
        "The last layer has no activation.",
    ),
    Entry(
        "unscaled_input",
        "data",
        "Columns of very different or very large scale go into the network as they are.",
        "Root mean square of the columns; for raw tables the standard deviations, and columns that never change.",
        "Scale them (`keras.layers.Normalization`, fitted on training rows), or batch normalisation at the input.",
        "The first layer scales, normalises or looks up; no column's root mean square is above 30. For raw tables, "
        "which are usually scaled on their way, it is `info`.",
    ),
    Entry(
        "constant_initializer",
        "model",
        "All units of a layer begin equal and so stay equal, or part only slowly: the layer has the power of one unit.",
        "Hidden layers whose units all have the same weights.",
        "Keras's default initialiser (`glorot_uniform`), or `he_normal` before ReLU.",
        "The layer has one unit, is the output, or ends a branch that is added to another (zeros there are meant).",
    ),
    Entry(
        "no_nonlinearity",
        "model",
        "Layers with kernels follow each other with nothing between them that bends: together they are one linear "
        "layer. Also a bias right before batch normalisation, which takes it away again.",
        "The layers and their activations.",
        "`activation='relu'` on the hidden layers; `use_bias=False` before batch normalisation.",
        "There is one such layer only. One linear pair in a network that bends elsewhere is `info`, and so is the "
        "bias; a narrow linear layer before a wide one is a factorisation and not told.",
    ),
    Entry(
        "unshuffled_split",
        "data",
        "The rows are sorted and the validation rows are the last ones: classes are missing on one side. Keras's "
        "`validation_split` takes the last rows, unshuffled.",
        "Shares of the classes on both sides (where nothing is split yet, in the last fifth of the rows against those"
        " before), how far they are apart and how many standard deviations that is. In a log alone: validation "
        "accuracy and loss far behind the running ones from the first epoch on.",
        "Shuffle before splitting, or split by class (`stratify`).",
        "The shares differ by no more than chance would have it, or by less than a tenth of the rows with no class "
        "missing.",
    ),
    Entry(
        "duplicate_rows",
        "data",
        "The same row, or nearly the same text, stands more than once; where it stands in training and in validation "
        "or test rows, the score on it is memory.",
        "How many rows of a side stand in the training rows too, exactly or nearly (70 % of a text's word triples); "
        "without a split how many repeat.",
        "Remove them, or keep equal rows on one side.",
        "It is `info` under 1 % of the scored rows, and under 5 % of the rows where nothing is split yet; in `Doctor`"
        " also for rows of zeros and ones, which may be equal by their encoding.",
    ),
    Entry(
        "conflicting_labels",
        "data",
        "Equal rows carry different labels: no network can get both right.",
        "How many rows, and the highest accuracy that they allow.",
        "Look at them; correct or remove them.",
        "There are none. It is `info` where they cost less than a point of accuracy.",
    ),
    Entry(
        "target_leak",
        "data",
        "One column gives the target away, or names the row.",
        "Agreement of its values with the classes, one to one; or the share of the errors of always answering the "
        "commonest class that it alone takes away, on rows it was not fitted on, against the next column.",
        "Leave the column out, unless it will be known when predictions are made.",
        "A second column can do nearly the same (the task is easy), or there are under 100 rows. A column of words "
        "that names the row is `info`.",
    ),
    Entry(
        "class_imbalance",
        "data",
        "Some classes are so rare or one so common that accuracy says little.",
        "Rows of the rarest and the commonest class; accuracy of always answering the commonest.",
        "Look at accuracy by class or macro-F1; class weights; more rows of the rare classes.",
        "The commonest class has less than 80 % of the rows and every class ten or more. It is `info` under 95 %.",
    ),
    Entry(
        "tiny_validation",
        "data",
        "The validation rows are too few to see the difference that is looked for.",
        "Half-width of the accuracy's 95 % interval, and the rows on which a paired test would see the difference "
        "(McNemar, 80 % power, networks that disagree on a tenth of the rows).",
        "More validation rows, repeated hold-out, cross-validation.",
        "There are as many rows. It is `info` where no difference was named and the interval is narrower than five "
        "points to each side.",
    ),
    Entry(
        "last_weights_kept",
        "curves",
        "Early stopping ended the training but left the weights of the last epoch, not of the best.",
        "The best epoch, the last epoch and the patience.",
        "`EarlyStopping(restore_best_weights=True)`, or `ModelCheckpoint(save_best_only=True)`.",
        "It is not known whether early stopping was used.",
    ),
)
"""Every code in words."""

CATALOGUE = {code: next(e for e in ENTRIES if e.code == code) for code in CODES}
"""The entry of each code, in the order of `CODES`."""

SEEN_IN = {
    "curves": "the curves of a training",
    "internals": "gradients and activations, while training",
    "data": "the data, before training",
    "model": "the model and its compile settings, before training",
}
"""Where a finding is looked for, in words."""


def text(entry: Entry) -> str:
    """An entry as plain text, for the terminal."""
    parts = {
        "": entry.meaning,
        "Seen in": SEEN_IN[entry.seen_in] + ".",
        "Evidence": entry.evidence,
        "What to do": entry.remedy,
        "Silent when": entry.silent,
    }
    return "\n\n".join([entry.code, *(f"{k}: {v}" if k else v for k, v in parts.items())])


def markdown() -> str:
    """`docs/findings.md`: a table of all codes, then each entry."""
    lines = [
        "# Findings",
        "",
        "Made from `goodfit/diagnose/catalogue.py` by `scripts/findings_docs.py`; `goodfit explain CODE`",
        "prints the same. The pictures are of networks that `scripts/findings_pictures.py` trains.",
        "",
    ]
    lines += ["| code | seen in | what it means |", "|---|---|---|"]
    lines += [f"| [`{e.code}`](#{e.code}) | {e.seen_in} | {e.meaning} |" for e in CATALOGUE.values()]
    for e in CATALOGUE.values():
        lines += [
            "",
            f"## {e.code}",
            "",
            e.meaning,
            "",
            f"![A training with {e.code}](findings/{e.code}.svg)",
            "",
            f"- **Seen in**: {SEEN_IN[e.seen_in]}.",
            f"- **Evidence**: {e.evidence}",
        ]
        lines += [f"- **What to do**: {e.remedy}", f"- **Silent when**: {e.silent}"]
    return "\n".join(lines) + "\n"
