"""The JSON API: a drawing in, a logged prediction out; feedback, history and figures."""

import time
from typing import Annotated, Any
from uuid import UUID, uuid4

from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError
from django.http import HttpRequest
from ninja import NinjaAPI, Query, Status
from ninja.throttling import AnonRateThrottle

from classifier.preprocess import decode_image, render_strokes, to_input
from predictions import serving
from predictions.errors import ApiError, answer_errors
from predictions.explanation import explain
from predictions.metrics import FEEDBACK, LATENCY, PREDICTIONS
from predictions.models import NOT_A_DIGIT, Prediction
from predictions.schemas import (
    DeletedOut,
    ErrorOut,
    ExplanationOut,
    FeedbackIn,
    HistoryOut,
    ModelOut,
    PredictIn,
    PredictionOut,
    StatsOut,
)

SECONDS_STATS_ARE_KEPT = 10
Limit = Annotated[int, Query(ge=1, le=100)]

api = NinjaAPI(
    title="Handwritten digits",
    version="1",
    throttle=[AnonRateThrottle(settings.API_RATE)],
)
answer_errors(api)
errors = {4: ErrorOut, 503: ErrorOut}


@api.post("/predict", response={201: PredictionOut})
def predict(request: HttpRequest, body: PredictIn) -> Status[dict[str, Any]]:
    """Read a drawing. The answer is in the log before it is sent."""
    started = time.perf_counter()
    model_input = to_input(render_strokes(body.strokes) if body.strokes else decode_image(body.image or b""))
    version, predictor = serving.active()
    reading = predictor.read(model_input[None])[0]
    seconds = time.perf_counter() - started
    prediction = Prediction(
        id=body.id or uuid4(),
        source=body.source,
        visitor=body.visitor,
        drawing=body.drawing,
        image=body.image,
        strokes=body.strokes,
        input=model_input.tobytes(),
        model_version=version,
        digit=reading.digit,
        confidence=reading.confidence,
        probabilities=list(reading.probabilities),
        uncertain=reading.uncertain,
        reason=reading.reason,
        latency_ms=1000 * seconds,
    )
    logged = log_once(prediction)
    LATENCY.observe(seconds)
    PREDICTIONS.labels(version.name, logged.source, logged.digit, logged.uncertain).inc()
    return Status(201, logged.to_dict())


def log_once(prediction: Prediction) -> Prediction:
    """Log the prediction, or return the row that its id already has: a client may retry."""
    try:
        prediction.log()
    except IntegrityError:
        return find(prediction.pk)
    return prediction


@api.post("/predictions/{uuid:prediction_id}/feedback", response=PredictionOut)
def give_feedback(request: HttpRequest, prediction_id: UUID, body: FeedbackIn) -> dict[str, Any]:
    """Say which digit it was; again to change it, until an operator has reviewed it."""
    prediction = find(prediction_id)
    label = NOT_A_DIGIT if body.true_label is None else body.true_label
    if not prediction.claim(label):
        raise ApiError(409, "reviewed", "An operator has already reviewed this prediction.")
    FEEDBACK.labels(label == prediction.digit).inc()
    return prediction.to_dict()


@api.delete("/predictions/{uuid:prediction_id}/feedback", response=PredictionOut)
def take_feedback_back(request: HttpRequest, prediction_id: UUID) -> dict[str, Any]:
    """Undo the feedback, until an operator has reviewed it."""
    prediction = find(prediction_id)
    if not prediction.claim(None):
        raise ApiError(409, "reviewed", "An operator has already reviewed this prediction.")
    return prediction.to_dict()


def find(prediction_id: UUID) -> Prediction:
    predictions = Prediction.objects.select_related("model_version")
    prediction = (
        predictions.defer("image", "strokes", "model_version__checkpoint").filter(pk=prediction_id).first()
    )
    if prediction is None:
        raise ApiError(404, "unknown_prediction", "There is no prediction of that id.")
    return prediction


@api.get("/predictions/{uuid:prediction_id}/explanation", response=ExplanationOut)
def explanation(request: HttpRequest, prediction_id: UUID) -> dict[str, Any]:
    """How the drawing was read, in pictures: step by step, and which ink mattered."""
    return explain(find(prediction_id))


@api.get("/predictions", response=HistoryOut)
def history(
    request: HttpRequest,
    visitor: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    before: UUID | None = None,
) -> dict[str, Any]:
    """A visitor's finished drawings, newest first."""
    rows = Prediction.objects.filter(visitor=visitor, superseded=False)
    if before:
        rows = rows.before(find(before))
    page = list(
        rows.select_related("model_version").defer("image", "strokes", "model_version__checkpoint")[:limit]
    )
    following = page[-1].pk if len(page) == limit else None
    return {"predictions": [prediction.to_dict() for prediction in page], "next": following}


@api.delete("/predictions", response=DeletedOut)
def delete_history(request: HttpRequest, visitor: UUID) -> dict[str, int]:
    """Delete everything that this visitor has drawn, for good."""
    _, deleted = Prediction.objects.filter(visitor=visitor).delete()
    return {"deleted": deleted.get(Prediction._meta.label, 0)}


@api.get("/stats", response=StatsOut)
def stats(request: HttpRequest, visitor: UUID | None = None) -> dict[str, Any]:
    """Totals and accuracy over labelled rows: everyone's (up to ten seconds old) and the visitor's own."""
    everyone = cache.get_or_set("stats", Prediction.objects.accuracy, SECONDS_STATS_ARE_KEPT)
    own = Prediction.objects.filter(visitor=visitor).accuracy() if visitor else None
    return {"everyone": everyone, "visitor": own}


@api.get("/model", response=ModelOut)
def model(request: HttpRequest) -> dict[str, Any]:
    """The version that answers now, with what was measured when it was made."""
    version = serving.active().version
    return {"name": version.name, "created_at": version.created_at, "metrics": version.metrics}
