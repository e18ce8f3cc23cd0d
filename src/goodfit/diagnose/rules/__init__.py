"""The rules on curves, one a file, in the order in which causes outrank each other."""

from goodfit.diagnose.rules.base import Rule
from goodfit.diagnose.rules.diverged import Diverged
from goodfit.diagnose.rules.double_softmax import DoubleSoftmax
from goodfit.diagnose.rules.last_weights_kept import LastWeightsKept
from goodfit.diagnose.rules.learning_rate_too_high import LearningRateTooHigh
from goodfit.diagnose.rules.learning_rate_too_low import LearningRateTooLow
from goodfit.diagnose.rules.noisy_validation import NoisyValidation
from goodfit.diagnose.rules.oscillation import Oscillation
from goodfit.diagnose.rules.overfitting import Overfitting
from goodfit.diagnose.rules.plateau import Plateau
from goodfit.diagnose.rules.too_few_epochs import TooFewEpochs
from goodfit.diagnose.rules.too_many_epochs import TooManyEpochs
from goodfit.diagnose.rules.underfitting import Underfitting
from goodfit.diagnose.rules.unshuffled_split import UnshuffledSplit
from goodfit.diagnose.rules.wrong_loss import WrongLoss

RULES: tuple[Rule, ...] = (
    Diverged(),
    DoubleSoftmax(),
    WrongLoss(),
    LearningRateTooHigh(),
    LearningRateTooLow(),
    Underfitting(),
    UnshuffledSplit(),
    Overfitting(),
    Oscillation(),
    Plateau(),
    TooFewEpochs(),
    NoisyValidation(),
    LastWeightsKept(),
    TooManyEpochs(),
)
"""Every rule; of two findings of one severity the earlier names the main cause."""

__all__ = ["RULES", "Rule"]
