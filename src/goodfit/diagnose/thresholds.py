"""Every number that a rule compares with, and where it comes from. Standard library only.

*fitted*: by `benchmarks/diagnosis.py --fit` on curves marked for fitting; *chosen*: by the argument that stands
beside it. None was chosen by looking at a set that judges the result.
"""

RISE_SHARE = 0.05
"""Overfitting: rise of the validation loss as a share of what it had come down by. Fitted
(OverfitGuard's 419 curves)."""

RISE_RELATIVE = 0.035
"""Overfitting: the same rise as a share of the lowest validation loss. Fitted
(OverfitGuard's 419 curves)."""

SURE = 3.0
"""A change counts as sure from this many standard errors. Chosen: the lowest of 20 noisy epochs lies about two
standard errors under their mean, so two would call every flat curve a rising one."""

STILL_FALLING = 0.02
"""Overfitting: the training loss has to fall by this share after the best epoch. Chosen."""

WORTH_MORE_EPOCHS = 0.10
"""Too few epochs: share of the loss that as many epochs again should take off. Chosen: below it the accuracy of a
classifier hardly moves."""

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
