"""Feedback: a visitor's claim, theirs to change until an operator has reviewed the row."""

import uuid
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from predictions.models import NOT_A_DIGIT, Prediction
from tests.conftest import ONE, Post


@pytest.fixture
def prediction(post: Post) -> Prediction:
    return Prediction.objects.get(pk=post("predict", {"strokes": ONE}).json()["id"])


def test_claim_is_stored_with_its_time(post: Post, prediction: Prediction) -> None:
    before = timezone.now()
    response = post(f"predictions/{prediction.pk}/feedback", {"label": 7})
    prediction.refresh_from_db()
    assert response.status_code == 200
    assert response.json()["user_label"] == prediction.user_label == 7
    assert prediction.user_label_at and prediction.user_label_at >= before
    assert prediction.true_label is None


def test_not_a_digit_can_be_claimed(post: Post, prediction: Prediction) -> None:
    post(f"predictions/{prediction.pk}/feedback", {"not_a_digit": True})
    prediction.refresh_from_db()
    assert prediction.user_label == NOT_A_DIGIT


def test_claim_can_be_changed_and_taken_back(client: Client, post: Post, prediction: Prediction) -> None:
    path = f"predictions/{prediction.pk}/feedback"
    post(path, {"label": 7})
    assert post(path, {"label": 1}).json()["user_label"] == 1
    assert client.delete(f"/api/{path}").json()["user_label"] is None
    prediction.refresh_from_db()
    assert (prediction.user_label, prediction.user_label_at) == (None, None)


def test_reviewed_row_keeps_its_claim(client: Client, post: Post, prediction: Prediction) -> None:
    path = f"predictions/{prediction.pk}/feedback"
    Prediction.objects.update(review_status="accepted", true_label=1, reviewed_at=timezone.now())
    for response in (post(path, {"label": 7}), client.delete(f"/api/{path}")):
        assert response.status_code == 409
        assert response.json()["error"]["code"] == "reviewed"
    prediction.refresh_from_db()
    assert prediction.user_label is None


LABELS = [{"label": label} for label in (10, -1, "7", 1.5, True, None)]


@pytest.mark.parametrize("body", [{}, [], {"not_a_digit": False}, {"label": 3, "not_a_digit": True}, *LABELS])
def test_claim_that_is_none_is_refused(post: Post, prediction: Prediction, body: Any) -> None:
    response = post(f"predictions/{prediction.pk}/feedback", body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_request")
    prediction.refresh_from_db()
    assert prediction.user_label is None


def test_unknown_prediction_is_not_found(client: Client, post: Post) -> None:
    path = f"predictions/{uuid.uuid4()}/feedback"
    assert post(path, {"label": 1}).json()["error"]["code"] == "unknown_prediction"
    assert client.delete(f"/api/{path}").status_code == 404
    assert post("predictions/7/feedback", {"label": 1}).status_code == 404
