"""The page's side of the API, against the real one."""

import base64
import threading
import uuid
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from predictions.api import bodies, rate
from predictions.models import ModelVersion, Prediction
from streamlit_ui import client
from streamlit_ui.client import NOT_A_DIGIT, RefusedError, TryLaterError
from tests.conftest import ONE, png
from tests.pictures import TOO_LARGE
from tests.product import free_port

VISITOR = str(uuid.uuid4())


@pytest.fixture
def api(live_server: LiveServer, version: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "API_URL", live_server.url)


def drawing() -> dict[str, Any]:
    ids = {"id": str(uuid.uuid4()), "drawing": str(uuid.uuid4())}
    return ids | {"strokes": ONE, "image": png(ONE)}


@pytest.mark.usefixtures("api")
def test_drawing_is_read_labelled_listed_and_deleted() -> None:
    sent = drawing()
    answer = client.predict(sent, VISITOR)
    assert (answer["id"], answer["digit"]) == (sent["id"], 1)
    client.label(answer["id"], NOT_A_DIGIT)
    assert client.history(VISITOR)["predictions"][0]["user_label"] == NOT_A_DIGIT
    assert client.stats(VISITOR)["visitor"]["labelled"] == 1
    client.unlabel(answer["id"])
    assert client.history(VISITOR)["predictions"][0]["user_label"] is None
    assert client.explanation(answer["id"])["input"] == answer["input"]
    assert client.model()["metrics"]["sets"]["mnist_test"]["accuracy"] > 0.99
    assert client.delete(VISITOR) == 1


def send_file(file: bytes) -> client.Answer:
    return client.predict_file(file, str(uuid.uuid4()), VISITOR)


@pytest.mark.usefixtures("api")
def test_file_is_read_as_it_is_and_explained() -> None:
    answer = send_file(base64.b64decode(png(ONE)))
    assert answer["digit"] == 1
    stored = Prediction.objects.get(pk=answer["id"])
    assert (str(stored.visitor), stored.source) == (VISITOR, "upload")
    assert client.explanation(answer["id"])["mask"]


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(
    ("file", "words"),
    [
        (base64.b64decode(png([])), "The drawing is blank"),
        (b"hello", "not a readable image"),
        (b"", "not a readable image"),
        (b"\0\0\0\x18ftypheic" + bytes(99), "please send a JPEG"),
        (TOO_LARGE["png-wide-and-high"](), "would cost too much"),
        (b"\xff\xd8\xff" + bytes(15_000_000), "may have 15 MB"),
    ],
    ids=["blank", "text", "empty", "heic", "bomb", "large"],
)
def test_what_the_api_refuses_comes_with_its_words(file: bytes, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        send_file(file)


@pytest.mark.usefixtures("api")
def test_busy_api_is_to_be_tried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SECONDS_TO_WAIT", 0)
    monkeypatch.setattr(bodies.Place, "free", threading.BoundedSemaphore(1))
    with bodies.Place() as place:
        place.take(0)
        with pytest.raises(TryLaterError, match="busy with other large pictures") as refused:
            send_file(base64.b64decode(png(ONE)) + bytes(2_000_000))
    assert refused.value.seconds >= 1


@pytest.mark.usefixtures("api")
def test_too_many_requests_say_when_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "work", rate.Limit("work", 0.1, 5))
    client.predict(drawing(), VISITOR)
    with pytest.raises(TryLaterError, match="more than the recogniser takes") as refused:
        client.predict(drawing(), VISITOR)
    assert refused.value.seconds >= 1


def test_api_that_is_away_is_to_be_tried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "API_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TryLaterError, match="cannot be reached"):
        client.predict(drawing(), VISITOR)
