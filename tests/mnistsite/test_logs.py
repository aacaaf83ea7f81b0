"""What the log says of a request, and what it must not."""

import json
import logging
import sys
import uuid
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.test import Client

from mnistsite.logs import Json, Line, redact, request_id
from predictions import serving
from predictions.models import ModelVersion
from tests import rows
from tests.conftest import ONE

VISITOR = uuid.UUID("6f1c6f0e-1111-4222-8333-444455556666")


@pytest.mark.parametrize("given", ["abc-123", str(uuid.UUID("6f1c6f0e-1111-4222-8333-444455556666"))])
def test_request_keeps_the_id_that_the_proxy_gave(
    client: Client, db: None, caplog: pytest.LogCaptureFixture, given: str
) -> None:
    assert client.get("/api/nowhere", HTTP_X_REQUEST_ID=given)["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\nb", "é"])
def test_request_gets_an_id_where_there_is_none_that_is_sound(client: Client, db: None, given: str) -> None:
    name = client.get("/api/model", HTTP_X_REQUEST_ID=given)["X-Request-Id"]
    assert uuid.UUID(name).hex == name


def test_lines_of_a_request_have_its_id(
    client: Client, version: ModelVersion, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Json())
    logging.getLogger("predictions").addHandler(handler)

    def fail() -> None:
        raise OperationalError("away")

    monkeypatch.setattr(serving, "active", fail)
    try:
        body = {"strokes": ONE, "visitor": str(VISITOR)}
        client.post("/api/predict", body, content_type="application/json", HTTP_X_REQUEST_ID="r-1")
    finally:
        logging.getLogger("predictions").removeHandler(handler)
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["request"], line["level"], line["message"]) == ("r-1", "WARNING", "Not answered: away")
    assert request_id.get() == ""


@pytest.mark.parametrize("formatter", [Json(), Line("%(message)s")])
def test_failing_row_is_not_logged(version: ModelVersion, formatter: logging.Formatter) -> None:
    """As PostgreSQL tells of it, the whole row would be."""
    row = rows.prediction(visitor=VISITOR, strokes=[[[12.5, 77.25]]])
    change = "UPDATE predictions_prediction SET user_label = 44 WHERE id = %s"
    with pytest.raises(IntegrityError, match=str(VISITOR)) as failed, connection.cursor() as cursor:
        cursor.execute(change, [row.pk])
    raised = failed.type, failed.value, failed.tb
    logged = formatter.format(logging.LogRecord("x", logging.ERROR, "", 1, "%s", (failed.value,), raised))
    assert "user_label_0_to_10" in logged
    assert str(VISITOR) not in logged and "77.25" not in logged


@pytest.mark.parametrize(
    "text",
    [
        f"/api/stats?visitor={VISITOR}",
        f"X-Visitor: {VISITOR}",
        f"{{'visitor': '{VISITOR}'}}",
        str({"visitor": VISITOR}),
    ],
)
def test_visitor_is_redacted(text: str) -> None:
    assert str(VISITOR) not in redact(text)
