"""Every number that a rule compares with, and where it comes from. Standard library only.

*fitted*: by `benchmarks/diagnosis.py --fit` on curves marked for fitting; *chosen*: by the argument that stands
beside it. None was chosen by looking at a set that judges the result.
"""

RISE_SHARE = 0.053
"""Overfitting: rise of the validation loss as a share of what it had come down by. Fitted
(OverfitGuard's 419 curves)."""

RISE_RELATIVE = 0.03
"""Overfitting: the same rise as a share of the lowest validation loss. Fitted
(OverfitGuard's 419 curves)."""

SURE = 3.0
"""A change counts as sure from this many standard errors. Chosen: the lowest of 20 noisy epochs lies about two
standard errors under their mean, so two would call every flat curve a rising one."""

STILL_FALLING = 0.02
"""Overfitting: the training loss has to fall by this share after the best epoch. Chosen."""

WORTH_MORE_EPOCHS = 0.10
"""Too few epochs: share of the loss that as many epochs again (ten at least) should take off.
Chosen: below it the accuracy of a
classifier hardly moves."""

WORTH_POINTS = 0.02
"""Too few epochs: points of accuracy that these epochs should bring. Chosen: twice the practical zone within
which variants count as equal."""

WORTH_ERRORS = 0.2
"""Too few epochs: or this share of the errors (and half a point). Chosen: near 100 % points stop meaning much."""

CHANCE = 0.02
"""Underfitting: a training accuracy within this of always answering the commonest class has learned nothing. Chosen."""

NOTHING_LEARNED = 0.02
"""Underfitting: a training loss that fell by less than this share of its start has learned nothing. Chosen."""

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
"""Learning rate too high: mean training loss of the first epoch against ln(classes). Fitted by eye on the fitting half
of goodfit's own labelled runs: sound ones stay under 1.5, those with a hundredfold rate begin at 1.8."""

FIRST_THROWN_OFF = 10.0
"""Learning rate too high: the same of the first epoch's running loss alone, where little was learned
after it. Chosen."""

EPOCHS_TO_HALVE = 50
"""Learning rate too low: epochs it would take to halve the loss at its pace. Chosen: beyond what anyone waits for."""

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

FLAT = 0.05
"""Plateau: share of the fall that may come after it. Chosen."""

NOISY = 0.15
"""Noisy validation: wobble of one epoch as a share of the fall. Chosen: the best of ten epochs is then off by more
than a fifth of all that was learned."""

VERY_NOISY = 4.0
"""Noisy validation: times its thresholds from which it is more than `info`. Fitted by eye on the fitting half of
goodfit's own labelled runs: sound ones on 91 validation rows reach 3."""

NOISY_TO_TRAIN = 3.0
"""Noisy validation: wobble against that of the running training loss. Chosen."""

NO_CROSS_ENTROPY = 1.8
"""Wrong loss: loss in half of the least that a calibrated cross-entropy has at its accuracy. Chosen: by theory that is
2 at the least, and a squared error 1.44 at the most (over sigmoid; less over many classes). On the fitting curves
cross-entropies begin at 2.0 and other losses end at 1.65."""

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
