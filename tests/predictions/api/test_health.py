"""livez, readyz and metrics; and what happens while the database is away."""

import pytest
from django.db import OperationalError, connection
from django.test import Client

from predictions import serving
from predictions.models import ModelVersion, Prediction
from tests.conftest import ONE, Post


def test_alive_and_ready_with_database_and_model(client: Client, version: ModelVersion) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready", "model_version": version.name}


def test_not_ready_without_a_model(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "SECONDS_BETWEEN_LOOKS", -1.0)
    response = client.get("/readyz")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "no_model")


def test_database_away_is_503_with_a_time_to_retry(client: Client, post: Post) -> None:
    def away(*args: object) -> None:
        raise OperationalError("the connection is lost")

    with connection.execute_wrapper(away):
        for response in (client.get("/readyz"), post("predict", {"strokes": ONE})):
            assert response.status_code == 503
            assert response["Retry-After"]
        assert client.get("/livez").status_code == 200
    assert not Prediction.objects.exists()


def test_metrics_count_predictions(client: Client, post: Post) -> None:
    post("predict", {"strokes": ONE})
    lines = client.get("/metrics").content.decode()
    assert 'digits_predictions_total{digit="1"' in lines
    assert "digits_latency_seconds_count" in lines
