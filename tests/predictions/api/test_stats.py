"""Totals and accuracy, and the version that answers."""

import uuid

from django.test import Client
from django.utils import timezone

from predictions.models import ModelVersion, Prediction
from tests.conftest import ONE, Post

VISITOR = str(uuid.uuid4())


def test_empty_log_has_no_accuracy(client: Client, db: None) -> None:
    nothing = {"predictions": 0, "labelled": 0, "correct": 0, "accuracy": None}
    assert client.get("/api/stats").json() == {"everyone": nothing, "visitor": None}


def test_accuracy_counts_claims_and_lets_the_operator_overrule_them(client: Client, post: Post) -> None:
    ids = [post("predict", {"strokes": ONE, "visitor": VISITOR}).json()["id"] for _ in range(4)]
    post(f"predictions/{ids[0]}/feedback", {"label": 1})
    post(f"predictions/{ids[1]}/feedback", {"label": 7})
    post(f"predictions/{ids[2]}/feedback", {"label": 7})
    reviewed = {"true_label": 1, "review_status": "accepted", "reviewed_at": timezone.now()}
    Prediction.objects.filter(pk=ids[1]).update(**reviewed)
    stats = client.get("/api/stats", HTTP_X_VISITOR=VISITOR).json()
    assert stats["everyone"] == {"predictions": 4, "labelled": 3, "correct": 2, "accuracy": 2 / 3}
    assert stats["visitor"] == stats["everyone"]


def test_first_label_of_all_counts_at_once(client: Client, post: Post) -> None:
    prediction = post("predict", {"strokes": ONE, "visitor": VISITOR}).json()["id"]
    assert client.get("/api/stats", HTTP_X_VISITOR=VISITOR).json()["everyone"]["labelled"] == 0
    post(f"predictions/{prediction}/feedback", {"label": 1})
    stats = client.get("/api/stats", HTTP_X_VISITOR=VISITOR).json()
    assert stats["everyone"]["labelled"] == stats["visitor"]["labelled"] == 1


def test_rejected_rows_and_other_visitors_do_not_count(client: Client, post: Post) -> None:
    prediction = post("predict", {"strokes": ONE}).json()["id"]
    post(f"predictions/{prediction}/feedback", {"label": 7})
    Prediction.objects.update(review_status="rejected", reviewed_at=timezone.now())
    stats = client.get("/api/stats", HTTP_X_VISITOR=VISITOR).json()
    assert stats["everyone"]["labelled"] == 0
    assert stats["visitor"]["predictions"] == 0


def test_model_is_the_active_version_with_its_metrics(client: Client, version: ModelVersion) -> None:
    answer = client.get("/api/model").json()
    assert answer["name"] == version.name
    assert answer["metrics"] == version.metrics


def test_the_version_that_answered_at_a_time(client: Client, version: ModelVersion) -> None:
    before = timezone.now()
    later = ModelVersion.objects.register(bytes(version.weights.checkpoint))
    later.promote(reason="A test.", override=True)
    now = timezone.now()
    times = {"name": (now, later.name), "before": (before, version.name)}
    for at, name in times.values():
        assert client.get("/api/model", {"at": at.isoformat()}).json()["name"] == name
    assert client.get("/api/model", {"at": "2020-01-01T00:00:00Z"}).status_code == 404
    assert client.get("/api/model", {"at": "2020-01-01T00:00:00"}).status_code == 400
    assert client.get("/api/model", {"at": "yesterday"}).status_code == 400
