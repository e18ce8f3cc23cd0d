"""Every number that a rule compares with, and where it comes from. Standard library only.

*fitted*: by `benchmarks/diagnosis.py --fit` on curves marked for fitting; *chosen*: by the argument that stands
beside it. None was chosen by looking at a set that judges the result.
"""

RISE_SHARE = 0.053
"""Overfitting: rise of the validation loss as a share of what it had come down by. Fitted
(OverfitGuard's 419 curves)."""

RISE_RELATIVE = 0.044
"""Overfitting: the same rise as a share of the lowest validation loss. Fitted likewise: the most silent of the best."""

ROWS_NOISE = 1.06
"""Overfitting: over the root of the number of validation rows, the standard error of that rise. Fitted: how far rises
under 15 % differed between two splits of the longer runs behind the fitting half of goodfit's own labelled runs."""

SURE = 3.0
"""A change counts as sure from this many standard errors. Chosen: the lowest of 20 noisy epochs lies about two
standard errors under their mean, so two would call every flat curve a rising one."""

FEW = 2.5
"""Of n points, all but straight by luck, the wobble is taken this over (n - 2)^2 larger than it looks. Computed: flat
noise then passes `SURE` in about 2 of 100 curves of any length up to ten; without it in 7 of 100 of three epochs."""

SHORT = 10
"""Overfitting: epochs up to which rises in a row count. Chosen: the trend averages over nothing so far, and roughness
rests on eight second differences at the most."""

CLEAR = 0.1
"""Overfitting: rise over the lowest loss from which three rises in a row are enough. Chosen: more than twice
`RISE_RELATIVE`."""

NEVER = 0.05
"""Overfitting from the start: the most that the validation loss came down by, as a share. Chosen on the fitting half of
goodfit's own labelled runs: sound ones come down by a fifth and more."""

START = 0.15
"""Overfitting from the start: how far the training loss has to fall, and the validation loss may not. Chosen
likewise."""

STILL_FALLING = 0.02
"""Overfitting: the training loss has to fall by this share after the best epoch. Chosen."""

WORTH_MORE_EPOCHS = 0.125
"""Too few epochs: share of the loss that as many epochs again (ten at least) should take off. Fitted: of the longer
runs behind the fitting half of goodfit's own labelled runs those foretold an eighth or more got a tenth better in 19 of
20 cases, those foretold a tenth to an eighth in 17 of 20."""

HOLDS = 0.6
"""Too few epochs: share of the training loss's late fall that the validation loss has to have. Fitted: it silences 18
of the 20 alarms on the healthy extension of the fitting half of goodfit's own labelled runs. Of the longer runs behind
that half 294 of 300 called too short above it got a tenth better, and 16 of 23 below."""

WORTH_POINTS = 0.05
"""Too few epochs: points of accuracy that these epochs should bring. Fitted on the same runs: the highest that loses no
run of the fitting half which is too short, since of foretold 2 to 6 points only two thirds come true."""

WORTH_ERRORS = 0.2
"""Too few epochs: or this share of the errors (and half a point). Chosen: near 100 % points stop meaning much."""

CHANCE = 0.02
"""Underfitting: a training accuracy within this of always answering the commonest class has learned nothing. Chosen."""

NOTHING_LEARNED = 0.02
"""Underfitting: a loss that has come down by less than this share of its start, or of chance, has learned nothing.
Chosen: calibrated answers that are right for 58 % of the rows of two classes gain as much."""

JUST_ABOVE = 0.05
"""Underfitting: points of accuracy above chance that such a loss does not make worth having. Chosen: the commonest
class may be as much commoner than the others, or the best of many epochs lucky."""

FITS = 0.9
"""Underfitting: a network that begins at this training accuracy need not get better. Chosen."""

BELOW_LINEAR = 0.02
"""Underfitting: training accuracy this far below a linear model's validation accuracy. Chosen: two points are more
than the noise of a validation set of 1,000 rows."""

FALLEN_BACK = 0.3
"""Diverged: share of its gain that the training loss has lost again at the end. Chosen; 1 is back at the start."""

THROWN_OFF = 2.0
"""Learning rate too high: training loss against the highest that its accuracy explains. Chosen: a network that has
only lost its confidence cannot pass 1."""

LEARNED = 0.1
"""Learning rate too high: a training accuracy that rose by this much is under way. Chosen."""

FIRST_WORSE_THAN_CHANCE = 1.75
"""Learning rate too high: mean training loss of the first epoch against ln(classes). Fitted: on the fitting half of
goodfit's own labelled runs those that were not thrown off reach 1.62, the others begin at 1.91 (geometric middle)."""

FIRST_THROWN_OFF = 10.0
"""Learning rate too high: the same of the first epoch's running loss alone, where little was learned
after it. Chosen."""

FIRST_OF_NONE = 8.0
"""Learning rate too high: or that loss itself, at an accuracy under a half. Chosen: chance over 3,000 classes."""

MOST_CLASSES = 1000
"""Learning rate too high: classes that the first loss may stand for where their number is unknown. Chosen."""

FLIP = 0.02
"""Learning rate too high: the least by which validation accuracy leaps from one same answer to another. Chosen."""

EPOCHS_TO_HALVE = 40
"""Learning rate too low: epochs that halving the first loss takes at its pace. Chosen: ten epochs then take off an
eighth (`WORTH_MORE_EPOCHS`), so that a steady fall is too slow, or wants more epochs, at every length."""

STRAIGHT = 0.5
"""Learning rate too low: steps of the last third against those of the first. Chosen: a network that converges has
taken far smaller steps by then."""

UNMOVED = 0.1
"""Learning rate too low: a loss that is above chance and came down by less than this share of itself. Chosen: the
output's bias alone, at a usual rate, brings it to chance within an epoch."""

LOST_POINTS = 0.5
"""Diverged: share of the training accuracy's gain that is lost again at the end. Chosen."""

SWING_POINTS = 0.03
"""Oscillation: size of a swing of the training accuracy. From the literature on seeded faults."""

SWING = 0.1
"""Oscillation: size of a swing as a share of the loss's fall. Chosen."""

SWING_SHARE = 0.2
"""Oscillation: share of epochs with such a swing. Chosen: as in the literature on seeded faults."""

FEWEST_TURNS = 3
"""Oscillation: swings at least. Chosen: four points in any order have two in 10 of 24 cases."""

FLAT = 0.05
"""Plateau: share of the fall that may come after it. Chosen."""

NOISY = 0.15
"""Noisy validation: wobble of one epoch as a share of the fall. Chosen: the best of ten epochs is then off by more
than a fifth of all that was learned."""

VERY_NOISY = 3.3
"""Noisy validation: times its thresholds from which it is more than `info`. Fitted: on the fitting half of goodfit's
own labelled runs healthy ones reach 0.4 and those with another fault, which shall keep its name, 3.0; a tenth more."""

NOISY_TO_TRAIN = 3.0
"""Noisy validation: wobble against that of the running training loss. Chosen."""

NO_CROSS_ENTROPY = 1.9
"""Wrong loss: loss in half of the least that a calibrated cross-entropy has at its accuracy, so that one has 2 at the
least. Fitted: on validation rows of the fitting curves other losses end at 1.76 and cross-entropies begin at 2.05."""

ABSURD = 1000.0
"""Wrong loss: or a loss above this though the network learns. Chosen: Keras cuts the cross-entropy of a row of
probabilities off at 16."""

NO_HITS = 0.05
"""Wrong loss: an accuracy that never passes this counts exact hits of numbers. Chosen."""

SAME_SUM = 0.2
"""Double softmax: how far the sum of loss and accuracy may move while the accuracy rises by more. Chosen on the fitting
half of goodfit's own labelled runs."""

TOO_UNSURE = 1.6
"""Double softmax: loss against the highest that its accuracy explains. Chosen on the same runs."""

BY_BIAS = 4e-4
"""Underfitting: fall of the loss in an epoch, as a share of it, from which something does move in a network whose
answers stand still. Chosen on the fitting half of goodfit's own labelled runs: the output's bias takes off 0.001 and
more, a thousandth of a usual learning rate 0.0002."""

AT_ONCE = 3
"""Unshuffled split: epochs from the first on in which validation has to be far behind. Chosen: no network overfits so
soon."""

OTHER_ROWS = 0.65
"""Unshuffled split: validation accuracy as a share of the running training accuracy in these epochs. Chosen: of rows of
one kind those of validation are told better at first, since the running value is that of the epoch's mean."""

OTHER_LOSS = 1.3
"""Unshuffled split: first validation loss against the first running training loss. Chosen, as above."""

FROZEN = 1e-3
"""Learning rate too high: a loss that moves by less than this share in the last third, at an accuracy that does not
move at all. Chosen."""

ABOVE_START = 1.15
"""Diverged: how far above its highest before the training loss ends, to be sure though a few points look rough.
Chosen."""

STOPPED = 0.1
"""Double softmax: share of a binary loss that as many epochs again should take off, up to which it has stopped.
Chosen."""
