"""The page's side of the API, against the real one."""

import uuid
from typing import Any, cast

import pytest
from ninja.throttling import AnonRateThrottle
from pytest_django.live_server_helper import LiveServer

from predictions.api import views
from predictions.models import ModelVersion
from streamlit_ui import client
from streamlit_ui.client import NOT_A_DIGIT, RefusedError, TryLaterError
from tests.conftest import ONE, png
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
    assert client.explanation(answer["id"])["saliency"]
    assert client.model()["metrics"]["sets"]["mnist_test"]["accuracy"] > 0.99
    assert client.delete(VISITOR) == 1


@pytest.mark.usefixtures("api")
def test_what_the_api_refuses_comes_with_its_words() -> None:
    with pytest.raises(RefusedError, match="The drawing is blank"):
        client.predict({"id": str(uuid.uuid4()), "image": png([])}, VISITOR, "upload")


@pytest.mark.usefixtures("api")
def test_too_many_requests_say_when_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    (throttle,) = cast("list[AnonRateThrottle]", views.api.throttle)
    monkeypatch.setattr(throttle, "num_requests", 1)
    client.predict(drawing(), VISITOR)
    with pytest.raises(TryLaterError, match="more than the recogniser takes") as refused:
        client.predict(drawing(), VISITOR)
    assert refused.value.seconds >= 1


def test_api_that_is_away_is_to_be_tried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "API_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TryLaterError, match="cannot be reached"):
        client.predict(drawing(), VISITOR)
