"""Every table of the log and of the learning loop, one file a subject. Imports nothing of the app but
pictures."""

from predictions.models.api_key import ApiKey
from predictions.models.doubt import LabelDoubt
from predictions.models.drift import DriftMonitor
from predictions.models.erased import ErasedId
from predictions.models.job import AlreadyQueuedError, Job
from predictions.models.label_change import LabelChange
from predictions.models.lesson import Lesson
from predictions.models.prediction import DIGITS, LABELS, NAMES, NOT_A_DIGIT, Prediction, PredictionQuerySet
from predictions.models.review import (
    BLOBS,
    BLOBS_OF_PREDICTION,
    CONFLICT,
    CONTRADICTED,
    LEFT_TO_QUEUE,
    StaleRowError,
)
from predictions.models.second_opinion import REJECTED, SecondOpinion
from predictions.models.spending import Spending
from predictions.models.split import SIDES, Side, SplitRow
from predictions.models.version import (
    GateClosedError,
    ModelVersion,
    Promotion,
    UnreadableWeightsError,
)
from predictions.models.weights import Weights

__all__ = [
    "BLOBS",
    "BLOBS_OF_PREDICTION",
    "CONFLICT",
    "CONTRADICTED",
    "DIGITS",
    "LABELS",
    "LEFT_TO_QUEUE",
    "NAMES",
    "NOT_A_DIGIT",
    "REJECTED",
    "SIDES",
    "AlreadyQueuedError",
    "ApiKey",
    "DriftMonitor",
    "ErasedId",
    "GateClosedError",
    "Job",
    "LabelChange",
    "LabelDoubt",
    "Lesson",
    "ModelVersion",
    "Prediction",
    "PredictionQuerySet",
    "Promotion",
    "SecondOpinion",
    "Side",
    "Spending",
    "SplitRow",
    "StaleRowError",
    "UnreadableWeightsError",
    "Weights",
]
