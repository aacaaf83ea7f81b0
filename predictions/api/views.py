"""The JSON API: a drawing in, a logged prediction out; feedback, history and figures."""

import time
from typing import Annotated, Any
from uuid import UUID, uuid4

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from ninja import Header, NinjaAPI, Query, Schema
from pydantic import AwareDatetime

from classifier.preprocess import read_drawing, to_input
from predictions import room, serving
from predictions.api import description, rate
from predictions.api.bodies import receive
from predictions.api.errors import ApiError, answer_errors, refuse_for
from predictions.api.explanation import explain
from predictions.api.json_answers import Renderer, answer
from predictions.api.keys import needs
from predictions.api.metrics import FEEDBACK, LATENCY, PREDICTIONS
from predictions.api.schemas import (
    DeletedOut,
    ErrorOut,
    ExplanationOut,
    FeedbackIn,
    HistoryOut,
    ModelOut,
    PredictionOut,
    StatsOut,
)
from predictions.counts import count_anew
from predictions.models import NOT_A_DIGIT, ModelVersion, Prediction

SECONDS_STATS_ARE_KEPT = 10
# What a drawing takes on the disk beside its picture: its input, its place in the indexes; a point as JSON.
BYTES_OF_A_ROW, BYTES_OF_A_POINT = 2_000, 24
TOO_MUCH_STORED = "Your address has stored too much lately; please try again a little later."
Limit = Annotated[int, Query(ge=1, le=100)]
# The only key to somebody's drawings; addresses end in logs, headers need not.
Visitor = Annotated[UUID, Header(alias="X-Visitor")]

api = NinjaAPI(title="Handwritten digits", version="1", renderer=Renderer())
answer_errors(api)


def answers(schema: type[Schema], *refusals: int, status: int = 200) -> dict[int, type[Schema]]:
    """For the API's description: the answer, and the errors, some of which any call may get."""
    return {status: schema, **dict.fromkeys((400, 401, 403, *refusals, 429, 503), ErrorOut)}


@api.post(
    "/predict",
    response=answers(PredictionOut, 408, 413, 415, 422, status=201),
    openapi_extra=description.PREDICT,
    auth=needs("predict"),
)
def predict(request: HttpRequest) -> HttpResponse:
    """Read a drawing. The answer is in the log before it is sent.

    A picture may come in JSON, in a form, or as its file alone:

        curl -F image=@photo.jpg http://localhost:8000/api/predict
        curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' http://localhost:8000/api/predict

    A picture is what its content says, whatever its name or type. Its file may have 15 MB.
    """
    started = time.perf_counter()
    room.check()
    sender = rate.sender(request)
    if wait := rate.stored.seconds_to_wait(sender):
        return refuse_for(wait, TOO_MUCH_STORED)
    with receive(request) as (body, turn):
        version, predictor = serving.active()
        with turn:
            drawing = read_drawing(body.image, body.strokes)
            model_input = to_input(drawing.ink)
            reading = predictor.read_clearly(model_input, is_clear=drawing.is_clear)
    seconds = time.perf_counter() - started
    prediction = Prediction.from_reading(
        reading,
        id=body.id or uuid4(),
        source=body.source,
        visitor=body.visitor,
        drawing=body.drawing,
        image=drawing.file,
        strokes=body.strokes,
        input=model_input.tobytes(),
        model_version=version,
        latency_ms=1000 * seconds,
        request_id=request.META["HTTP_X_REQUEST_ID"],
    )
    logged = log_once(prediction)
    if logged is prediction:
        rate.stored.spend(
            sender, BYTES_OF_A_ROW + len(drawing.file or b"") + BYTES_OF_A_POINT * body.count_points()
        )
    return answer(201, logged.to_dict())


def log_once(prediction: Prediction) -> Prediction:
    """Log and count the prediction, or return the row that its id already has: a client may retry."""
    if not prediction.log():
        return find(prediction.pk)
    LATENCY.observe(prediction.latency_ms / 1000)
    version = prediction.model_version.name
    PREDICTIONS.labels(version, prediction.source, prediction.digit, prediction.uncertain).inc()
    return prediction


@api.post(
    "/predictions/{uuid:prediction_id}/feedback",
    response=answers(PredictionOut, 404, 409),
    auth=needs("feedback"),
)
def give_feedback(request: HttpRequest, prediction_id: UUID, body: FeedbackIn) -> dict[str, Any]:
    """Say which digit it was; again to change it, until an operator has reviewed it."""
    label = NOT_A_DIGIT if body.label is None else body.label
    prediction = claim(prediction_id, label)
    FEEDBACK.labels(label == prediction.digit).inc()
    return prediction.to_dict()


@api.delete(
    "/predictions/{uuid:prediction_id}/feedback",
    response=answers(PredictionOut, 404, 409),
    auth=needs("feedback"),
)
def take_feedback_back(request: HttpRequest, prediction_id: UUID) -> dict[str, Any]:
    """Undo the feedback, until an operator has reviewed it."""
    return claim(prediction_id, None).to_dict()


def claim(prediction_id: UUID, label: int | None) -> Prediction:
    """Note the visitor's word, or take it back, unless an operator has had the last one."""
    prediction = find(prediction_id)
    if not prediction.claim(label):
        find(prediction_id)  # it may have been deleted meanwhile
        raise ApiError(409, "reviewed", "An operator has already reviewed this prediction.")
    return prediction


def find(prediction_id: UUID) -> Prediction:
    """Raises Prediction.DoesNotExist, as any later look at a row that was deleted does: the answer is 404."""
    return Prediction.objects.without_blobs().get(pk=prediction_id)


@api.get(
    "/predictions/{uuid:prediction_id}/explanation",
    response=answers(ExplanationOut, 404),
    auth=needs("predict"),
)
def explanation(request: HttpRequest, prediction_id: UUID) -> dict[str, Any]:
    """How the drawing was read, in pictures: step by step, and what would be read without a part of it."""
    return explain(find(prediction_id))


@api.get("/predictions", response=answers(HistoryOut, 404), auth=needs("feedback"))
def history(
    request: HttpRequest,
    visitor: Visitor,
    limit: Limit = 20,
    before: UUID | None = None,
) -> dict[str, Any]:
    """A visitor's finished drawings, newest first."""
    rows = Prediction.objects.filter(visitor=visitor, superseded=False)
    if before:
        rows = rows.before(find(before))
    page = list(rows.without_blobs()[:limit])
    following = page[-1].pk if len(page) == limit else None
    return {"predictions": [prediction.to_dict() for prediction in page], "next": following}


@api.delete("/predictions", response=answers(DeletedOut), auth=needs("feedback"))
def delete_history(request: HttpRequest, visitor: Visitor) -> dict[str, int]:
    """Delete everything that this visitor has drawn, for good."""
    return {"deleted": Prediction.objects.filter(visitor=visitor).erase()}


@api.get("/stats", response=answers(StatsOut), auth=needs("predict"))
def stats(
    request: HttpRequest, visitor: Annotated[UUID | None, Header(alias="X-Visitor")] = None
) -> dict[str, Any]:
    """Totals and accuracy over labelled rows: everyone's (seconds old) and the visitor's own."""
    own = Prediction.objects.filter(visitor=visitor).accuracy() if visitor else None
    return {"everyone": count_everyone(own), "visitor": own}


def count_everyone(own: dict[str, Any] | None) -> dict[str, Any]:
    """The latest count, unless one visitor alone has labelled more since than everyone had then."""
    counted: dict[str, Any] | None = cache.get("stats")
    if counted is None or (own and own["labelled"] > counted["labelled"]):
        return count_anew("stats", Prediction.objects.accuracy, at_least=SECONDS_STATS_ARE_KEPT)
    return counted


@api.get("/model", response=answers(ModelOut, 404), auth=needs("predict"))
def model(request: HttpRequest, at: AwareDatetime | None = None) -> dict[str, Any]:
    """The version that answers now, or answered `at` a time, with what was measured when it was made."""
    version = ModelVersion.objects.answering_at(at) if at else serving.active().version
    if version is None:
        raise ApiError(404, "not_found", "No version answered then.")
    return {"name": version.name, "created_at": version.created_at, "metrics": version.metrics}
