"""The rules on curves, one a file, in the order in which causes outrank each other."""

from goodfit.diagnose.rules.base import Rule
from goodfit.diagnose.rules.diverged import Diverged
from goodfit.diagnose.rules.overfitting import Overfitting
from goodfit.diagnose.rules.too_few_epochs import TooFewEpochs
from goodfit.diagnose.rules.too_many_epochs import TooManyEpochs
from goodfit.diagnose.rules.underfitting import Underfitting

RULES: tuple[Rule, ...] = (Diverged(), Underfitting(), Overfitting(), TooFewEpochs(), TooManyEpochs())
"""Every rule; of two findings of one severity the earlier names the main cause."""

__all__ = ["RULES", "Rule"]
