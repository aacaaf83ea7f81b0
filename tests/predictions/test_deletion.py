"""What a visitor's deletion reaches, in the whole database."""

import json
import uuid
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from psycopg import sql

from predictions.learning.pipeline import fine_tune
from predictions.learning.replay import replay
from predictions.models import Job, LabelDoubt, ModelVersion, Prediction, SplitRow
from tests.conftest import ONE, ZERO, png
from tests.drawings import accepted
from tests.predictions.learning.test_pipeline import QUICK, quiet
from training.dataset import Mnist
from training.synthesis import digits

VISITOR, OTHERS = uuid.uuid4(), [uuid.uuid4() for _ in range(19)]
COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"


def places(found: uuid.UUID | bytes) -> set[str]:
    """Every column of every table that holds this, as a text, in JSON, as a UUID or in bytes."""
    texts = [found.hex()] if isinstance(found, bytes) else spellings(found)
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS)
        return {
            f"{table}.{column}" for table, column in cursor.fetchall() if holds(cursor, table, column, texts)
        }


def spellings(key: uuid.UUID) -> list[str]:
    return [str(key), key.hex, str(key).encode().hex(), key.hex.encode().hex()]


def holds(cursor: Any, table: str, column: str, texts: list[str]) -> bool:
    patterns = [f"%{text}%" for text in texts]
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {}::text ILIKE ANY (%s))")
    cursor.execute(query.format(sql.Identifier(table), sql.Identifier(column)), [patterns])
    return bool(cursor.fetchone()[0])


@pytest.fixture
def drawn(
    client: Client, small_version: ModelVersion, small_mnist: Mnist, admin_user: User, settings: Any
) -> list[Prediction]:
    """The visitor's drawings in every state that there is, among other people's: sent in each way, replaced,
    labelled, reviewed and told of, doubted, trained on, replayed."""
    settings.WEBHOOK_URLS = ["http://localhost/hook"]
    drawing, headers = str(uuid.uuid4()), {"X-Visitor": str(VISITOR)}
    sent: Any = None
    for strokes in (ONE, ZERO):
        body = {"strokes": strokes, "image": png(strokes), "drawing": drawing, "visitor": str(VISITOR)}
        sent = client.post("/api/predict", body, content_type="application/json").json()
        label = {"label": 1}
        client.post(f"/api/predictions/{sent['id']}/feedback", label, content_type="application/json")
    client.post("/api/predict", {"image": png(ONE), "visitor": str(VISITOR)})
    client.get("/api/predictions", headers=headers)
    client.get("/api/stats", headers=headers)
    client.get(f"/api/predictions/{sent['id']}/explanation")
    row = Prediction.objects.get(pk=sent["id"])
    row.review(admin_user, "accepted", 0, selected_by="list", expected_version=row.row_version)
    images, labels = digits(60, np.random.default_rng(1))
    for number, (image, digit) in enumerate(zip(images, labels, strict=True)):
        accepted(small_version, image, int(digit), visitor=[VISITOR, *OTHERS][number % 20])
    SplitRow.objects.all().assign()
    LabelDoubt.objects.create(prediction=row, label=0, suggestion=6, quality=0.1)
    made = ModelVersion.objects.get(name=fine_tune(quiet, **QUICK)["version"])
    Job.objects.create(kind="replay", result=replay(quiet, version=made.name))
    return list(Prediction.objects.filter(visitor=VISITOR))


def test_deletion_leaves_the_visitors_id_nowhere(client: Client, drawn: list[Prediction]) -> None:
    assert places(VISITOR) == {"predictions_prediction.visitor"}
    assert len(drawn) == 6
    deleted = client.delete("/api/predictions", headers={"X-Visitor": str(VISITOR)}).json()["deleted"]
    assert deleted == len(drawn)
    assert places(VISITOR) == set()


def test_deletion_leaves_no_drawing_and_no_label_and_ids_only_where_the_data_card_says(
    client: Client, drawn: list[Prediction]
) -> None:
    pictures = [bytes(row.image) for row in drawn if row.image]
    assert pictures and places(pictures[0]) == {"predictions_prediction.image"}
    assert "procrastinate_jobs.args" in set().union(*(places(row.pk) for row in drawn))
    client.delete("/api/predictions", headers={"X-Visitor": str(VISITOR)})
    assert not any(places(picture) for picture in pictures)
    assert not any(places(bytes(row.input)) for row in drawn)
    left = set().union(*(places(row.pk) for row in drawn))
    assert left == {"predictions_erasedid.id"}


def test_search_finds_every_spelling(db: None, small_version: ModelVersion) -> None:
    key = uuid.uuid4()
    Job.objects.create(kind="replay", message=key.hex, result=json.loads(json.dumps({"id": [str(key)]})))
    Prediction.objects.create(
        model_version=small_version,
        digit=1,
        confidence=1,
        probabilities=[0.1] * 10,
        latency_ms=1,
        input=str(key).encode(),
        drawing=key,
    )
    columns = {"predictions_job.message", "predictions_job.result"}
    assert places(key) == columns | {"predictions_prediction.input", "predictions_prediction.drawing"}
