"""POST /api/predict: every answer is a row, every bad drawing is a clear error."""

import base64
import io
import struct
import threading
import uuid
import zlib
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image

from classifier.image_file import decode
from predictions import serving
from predictions.api import bodies
from predictions.models import ModelVersion, Prediction
from tests.conftest import ONE, ZERO, Post, png
from tests.meanwhile import at_once


def test_answer_is_the_stored_row(post: Post, version: ModelVersion) -> None:
    response = post("predict", {"strokes": ZERO})
    answer, row = response.json(), Prediction.objects.get()
    assert response.status_code == 201
    assert answer["id"] == str(row.pk)
    assert answer["digit"] == row.digit == 0
    assert answer["confidence"] == row.confidence == max(row.probabilities)
    assert answer["probabilities"] == row.probabilities
    assert sum(row.probabilities) == pytest.approx(1)
    assert answer["model_version"] == version.name
    assert row.model_version == version
    assert row.strokes == ZERO
    assert row.source == Prediction.Source.API
    assert row.latency_ms > 0


def test_time_until_the_answer_counts_all_that_the_request_waited_for(post: Post) -> None:
    bodies.TURN.acquire()  # another small drawing is being read
    threading.Timer(0.2, bodies.TURN.release).start()
    post("predict", {"strokes": ZERO})
    assert Prediction.objects.get().latency_ms > 100


def test_answer_shows_what_the_model_saw(post: Post) -> None:
    answer = post("predict", {"strokes": ZERO}).json()
    picture = Image.open(io.BytesIO(base64.b64decode(answer["input"])))
    assert picture.size == (28, 28)
    assert picture.tobytes() == bytes(Prediction.objects.get().input)


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_image_is_read_and_its_pixels_are_kept(post: Post, prefix: str) -> None:
    image = png(ONE)
    assert post("predict", {"image": prefix + image}).json()["digit"] == 1
    stored = bytes(Prediction.objects.get().image or b"")
    assert np.array_equal(decode(stored), decode(base64.b64decode(image)))


def test_image_and_strokes_together_are_both_logged(post: Post) -> None:
    post("predict", {"image": png(ZERO), "strokes": ZERO, "source": "page"})
    row = Prediction.objects.get()
    assert (row.digit, row.source) == (0, "page")
    assert row.image and row.strokes


def test_same_id_again_answers_the_same_and_adds_no_row(post: Post) -> None:
    request = {"strokes": ONE, "id": str(uuid.uuid4()), "drawing": str(uuid.uuid4())}
    first = post("predict", request)
    again = post("predict", request | {"strokes": ZERO})
    assert again.status_code == 201
    assert again.json() == first.json()
    assert Prediction.objects.get().superseded is False


def test_newer_prediction_supersedes_the_drawings_older_ones(post: Post) -> None:
    drawing = str(uuid.uuid4())
    first = post("predict", {"strokes": ONE, "drawing": drawing}).json()["id"]
    second = post("predict", {"strokes": ZERO, "drawing": drawing}).json()["id"]
    assert Prediction.objects.get(pk=first).superseded
    assert not Prediction.objects.get(pk=second).superseded


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("same", ["id", "drawing"])
def test_requests_at_once_lose_and_double_nothing(version: ModelVersion, same: str) -> None:
    """Eight at once: with one id there is one row; of one drawing there is one newest row."""
    answers: list[Any] = []
    shared = {same: str(uuid.uuid4())}

    def send() -> None:
        body = {"strokes": ONE, **shared}
        answers.append(Client().post("/api/predict", body, content_type="application/json"))

    at_once(*[send] * 8)
    assert {answer.status_code for answer in answers} == {201}
    assert Prediction.objects.count() == len({answer.json()["id"] for answer in answers})
    assert Prediction.objects.filter(superseded=False).count() == 1


def bomb() -> bytes:
    """The header of a PNG of 30,000 × 30,000 pixels, with next to no data behind it."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    chunks = [b"IHDR" + header, b"IDAT" + zlib.compress(b"")]
    framed = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


BLANK = png([])
BAD = {
    "no drawing": ({}, 400, "invalid_request"),
    "a list": ([1, 2], 400, "invalid_request"),
    "null image": ({"image": None}, 400, "invalid_request"),
    "image is a number": ({"image": 5}, 400, "invalid_request"),
    "not base64": ({"image": "%%%"}, 400, "invalid_request"),
    "base64 beyond ASCII": ({"image": "é" * 8}, 400, "invalid_request"),
    "not an image": ({"image": text(b"hello")}, 400, "not_an_image"),
    "empty image": ({"image": ""}, 400, "not_an_image"),
    "half a PNG": ({"image": text(base64.b64decode(BLANK)[:60])}, 400, "not_an_image"),
    "a bomb": ({"image": text(bomb())}, 413, "image_too_large"),
    "blank": ({"image": BLANK}, 422, "blank_drawing"),
    "strokes of words": ({"strokes": [[["a", "b"]]]}, 400, "invalid_request"),
    "strokes of booleans": ({"strokes": [[[True, False]]]}, 400, "invalid_request"),
    "points of three": ({"strokes": [[[1, 2, 3]]]}, 400, "invalid_request"),
    "empty stroke": ({"strokes": [[]]}, 400, "invalid_request"),
    "no strokes": ({"strokes": []}, 400, "invalid_request"),
    "too many points": ({"strokes": [[[0, 0]] * 20_001]}, 400, "invalid_request"),
    "strokes beside what is no image": ({"strokes": ONE, "image": text(b"hello")}, 400, "not_an_image"),
    "strokes beside an empty image": ({"strokes": ONE, "image": ""}, 400, "not_an_image"),
    "strokes beside a bomb": ({"strokes": ONE, "image": text(bomb())}, 413, "image_too_large"),
    "id is no UUID": ({"strokes": ONE, "id": "7"}, 400, "invalid_request"),
    "unknown source": ({"strokes": ONE, "source": "moon"}, 400, "invalid_request"),
}


@pytest.mark.parametrize(("body", "status", "code"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_a_clear_error_and_no_row(post: Post, body: Any, status: int, code: str) -> None:
    response = post("predict", body)
    assert response.status_code == status
    assert response.json()["error"]["code"] == code
    assert response.json()["error"]["message"]
    assert not Prediction.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "not_json"),
        (b"\xff\xfe", 400, "not_json"),
        (b'{"strokes": [[[NaN, 1]]]}', 400, "invalid_request"),
        (b'{"strokes": [[[1e999, 1]]]}', 400, "invalid_request"),
        (b"[" * 100_000, 400, "not_json"),
        (b" " * 1_000_001, 413, "too_large"),
    ],
)
def test_body_that_is_no_request_is_refused(
    client: Client, version: ModelVersion, body: bytes, status: int, code: str
) -> None:
    response = client.post("/api/predict", body, content_type="application/json")
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_huge_coordinates_are_read_like_any_others(post: Post) -> None:
    huge = [[[x * 1e300, y * 1e300] for x, y in stroke] for stroke in ZERO]
    assert post("predict", {"strokes": huge}).json()["digit"] == 0


def test_without_an_active_version_nothing_is_answered(client: Client, db: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(serving, "SECONDS_BETWEEN_LOOKS", -1.0)
    response = client.post("/api/predict", {"strokes": ONE}, content_type="application/json")
    assert response.status_code == 503
    assert response["Retry-After"]
    assert not Prediction.objects.exists()


def test_promoted_version_answers_next(post: Post, version: ModelVersion) -> None:
    newer = ModelVersion.objects.register(bytes(version.weights.checkpoint))
    newer.promote(override=True, reason="Not compared in this test.")
    assert post("predict", {"strokes": ONE}).json()["model_version"] == newer.name != version.name


def test_no_request_reads_what_grows_with_the_reviews(post: Post) -> None:
    """A version's row names every drawing that it was made from, and its weights take a megabyte."""
    post("predict", {"strokes": ONE})
    with CaptureQueriesContext(connection) as queries:
        answer = post("predict", {"strokes": ONE}).json()
        post(f"predictions/{answer['id']}/feedback", {"label": 1})
    read = " ".join(query["sql"] for query in queries)
    assert "predictions_modelversion" in read
    assert not any(column in read for column in ('"dataset"', '"metrics"', '"checkpoint"'))


def count_of_predictions(client: Client) -> float:
    lines = client.get("/metrics").content.decode().splitlines()
    counted = ("digits_predictions_total{", "digits_latency_seconds_count")
    return sum(float(line.split()[-1]) for line in lines if line.startswith(counted))


def test_a_retry_is_counted_once(client: Client, post: Post) -> None:
    body = {"strokes": ONE, "id": str(uuid.uuid4())}
    before = count_of_predictions(client)
    first, again = post("predict", body), post("predict", body)
    assert first.json() == again.json()
    assert count_of_predictions(client) == before + 2  # one prediction, one latency


def test_refusal_names_what_it_refuses(client: Client, post: Post) -> None:
    def message(response: Any) -> str:
        return str(response.json()["error"]["message"])

    assert message(post("predict", {"strokes": [[["a", 1]]]})).startswith("strokes.0.0.0: ")
    assert message(client.post("/api/predict", content_type="application/json")).startswith("body: ")
    assert message(client.get("/api/predictions")).startswith("X-Visitor: ")


def test_description_tells_of_the_errors(client: Client) -> None:
    responses = client.get("/api/openapi.json").json()["paths"]["/api/predict"]["post"]["responses"]
    assert responses.keys() == {"201", "400", "401", "403", "408", "413", "415", "422", "429", "503"}
    assert responses["422"]["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorOut")


def test_wrong_method_and_unknown_path_answer_in_the_same_shape(client: Client, db: None) -> None:
    wrong = client.get("/api/predict")
    assert (wrong.json()["error"]["code"], wrong["Allow"]) == ("method_not_allowed", "POST")
    assert client.get("/api/nowhere").json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("given", ["6f1c6f0e-2222-4222-8333-444455556666", "not; sound", ""])
def test_row_names_the_request_as_the_answer_and_the_log_do(client: Client, post: Post, given: str) -> None:
    body = {"strokes": ONE, "id": "6f1c6f0e-1111-4222-8333-444455556666"}
    answer = client.post("/api/predict", body, content_type="application/json", HTTP_X_REQUEST_ID=given)
    name = answer["X-Request-Id"]
    assert Prediction.objects.get().request_id == name != "not; sound" and len(name) >= 32
    assert post("predict", body).status_code == 201  # sent again, the row stays what it was
    assert Prediction.objects.get().request_id == name
