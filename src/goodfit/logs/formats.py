"""The formats, the most particular first: the first that knows a file's content reads it."""

from goodfit.logs.base import Format
from goodfit.logs.huggingface import HuggingFace
from goodfit.logs.journal import Journal
from goodfit.logs.keras_csv import KerasCSV
from goodfit.logs.keras_json import KerasJSON
from goodfit.logs.keras_output import KerasOutput
from goodfit.logs.lightning import Lightning
from goodfit.logs.mlflow import MLflowDatabase
from goodfit.logs.plain_csv import PlainCSV
from goodfit.logs.tensorboard import TensorBoard
from goodfit.logs.ultralytics import Ultralytics
from goodfit.logs.wandb import WandB

FORMATS: tuple[Format, ...] = (
    TensorBoard(),
    MLflowDatabase(),
    Journal(),
    HuggingFace(),
    KerasOutput(),
    KerasJSON(),
    WandB(),
    Ultralytics(),
    Lightning(),
    KerasCSV(),
    PlainCSV(),
)
