"""A visitor's history: newest first, page by page, and deleted when they say so."""

import base64
import itertools
import threading
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from predictions.models import LabelChange, ModelVersion, Prediction
from tests.conftest import ONE, Post, png

VISITOR, OTHER = str(uuid.uuid4()), str(uuid.uuid4())


@pytest.fixture
def drawn(post: Post) -> list[str]:
    """Five drawings of one visitor, oldest first, and one of somebody else's."""
    post("predict", {"strokes": ONE, "visitor": str(uuid.uuid4())})
    return [post("predict", {"strokes": ONE, "visitor": VISITOR}).json()["id"] for _ in range(5)]


def get(client: Client, **query: Any) -> Any:
    return client.get("/api/predictions", query, HTTP_X_VISITOR=VISITOR)


def test_pages_hold_every_row_once_newest_first(client: Client, drawn: list[str]) -> None:
    seen: list[str] = []
    before = None
    while before or not seen:
        page = get(client, limit=2, **({"before": before} if before else {})).json()
        seen += [prediction["id"] for prediction in page["predictions"]]
        before = page["next"]
    assert seen == drawn[::-1]


def test_history_shows_only_the_newest_state_of_a_drawing(client: Client, post: Post) -> None:
    state = {"strokes": ONE, "visitor": VISITOR, "drawing": str(uuid.uuid4())}
    post("predict", state)
    newest = post("predict", state).json()["id"]
    assert [row["id"] for row in get(client).json()["predictions"]] == [newest]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"before": "x"}])
def test_bad_query_is_refused(client: Client, db: None, query: dict[str, Any]) -> None:
    assert get(client, **query).json()["error"]["code"] == "invalid_request"


def test_history_needs_a_visitor_and_a_known_place(client: Client, db: None) -> None:
    assert client.get("/api/predictions").status_code == 400
    assert get(client, before=str(uuid.uuid4())).status_code == 404


def test_deleting_takes_this_visitors_rows_and_no_others(client: Client, drawn: list[str]) -> None:
    response = client.delete("/api/predictions", HTTP_X_VISITOR=VISITOR)
    assert response.json() == {"deleted": 5}
    assert not Prediction.objects.filter(pk__in=drawn).exists()
    assert Prediction.objects.count() == 1
    assert client.delete("/api/predictions").status_code == 400


@pytest.mark.django_db(transaction=True)
def test_deletion_leaves_neither_row_nor_trace_of_what_is_labelled_meanwhile(version: ModelVersion) -> None:
    """What comes between two queries of the deletion, or finds its row gone, is nobody's error."""
    answers: list[Any] = []
    addresses = itertools.count(1)

    def client() -> Client:
        return Client(REMOTE_ADDR=f"10.0.0.{next(addresses) % 255}")  # so that no rate limit is reached

    def draw_and_label() -> None:
        for _ in range(25):
            row = send("predict", {"strokes": ONE, "visitor": VISITOR})["id"]
            send(f"predictions/{row}/feedback", {"label": 1})
            answers.append(client().get(f"/api/predictions/{row}/explanation"))
        connection.close()

    def send(path: str, body: Any) -> Any:
        answers.append(client().post(f"/api/{path}", body, content_type="application/json"))
        return answers[-1].json()

    drawing = threading.Thread(target=draw_and_label)
    drawing.start()
    while drawing.is_alive():
        answers.append(client().delete("/api/predictions", HTTP_X_VISITOR=VISITOR))
    drawing.join()
    assert {answer.status_code for answer in answers} <= {200, 201, 404}
    assert Client().delete("/api/predictions", HTTP_X_VISITOR=VISITOR).status_code == 200
    assert not Prediction.objects.exists() and not LabelChange.objects.exists()


@pytest.mark.parametrize("call", ["predictions", "stats"])
def test_visitor_in_the_address_names_nobody(client: Client, drawn: list[str], call: str) -> None:
    """Addresses are logged, by whatever lies between."""
    answer = client.get(f"/api/{call}", {"visitor": VISITOR})
    assert answer.status_code == 400 if call == "predictions" else answer.json()["visitor"] is None
    assert client.delete(f"/api/predictions?visitor={VISITOR}").status_code == 400
    assert Prediction.objects.filter(visitor=VISITOR).count() == 5


def test_picture_with_the_visitor_in_the_address_is_refused(client: Client, version: ModelVersion) -> None:
    path = f"/api/predict?visitor={VISITOR}"
    answer = client.post(path, base64.b64decode(png(ONE)), content_type="image/png")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert not Prediction.objects.exists()


@pytest.mark.parametrize(
    ("told", "stored"),
    [({}, VISITOR), ({"visitor": None}, VISITOR), ({"visitor": OTHER}, OTHER)],
    ids=["nobody", "null", "another"],
)
def test_header_names_the_visitor_unless_the_body_does(
    client: Client, version: ModelVersion, told: dict[str, Any], stored: str
) -> None:
    body = {"strokes": ONE} | told
    client.post("/api/predict", body, content_type="application/json", HTTP_X_VISITOR=VISITOR)
    assert str(Prediction.objects.get().visitor) == stored


def test_header_names_the_visitor_of_a_drawing(client: Client, post: Post) -> None:
    client.post("/api/predict", {"strokes": ONE}, content_type="application/json", HTTP_X_VISITOR=VISITOR)
    assert str(Prediction.objects.get().visitor) == VISITOR
    bad = client.post("/api/predict", {"strokes": ONE}, content_type="application/json", HTTP_X_VISITOR="x")
    assert bad.status_code == 400
