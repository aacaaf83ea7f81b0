"""The statement that logs, on a connection as web processes have them."""

import uuid
from collections.abc import Iterator

import pytest
from django.db import connection

from predictions.database.base import DatabaseWrapper, impatient
from predictions.models import Prediction, insert
from tests import rows


@pytest.fixture
def web(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseWrapper]:
    wrapper = DatabaseWrapper(impatient(connection.settings_dict))
    monkeypatch.setattr(insert, "connection", wrapper)
    yield wrapper
    wrapper.close()


@pytest.mark.parametrize("drawing", [None, uuid.uuid4()], ids=["no drawing", "states of one drawing"])
def test_statement_is_prepared_and_planned_for_all_values(
    web: DatabaseWrapper, drawing: uuid.UUID | None
) -> None:
    """PostgreSQL plans the first five times for the values, and then only if that looks cheaper."""
    for _ in range(20):
        rows.prediction(drawing=drawing)
    with web.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements "
            "WHERE statement LIKE '%INSERT INTO predictions_prediction%'"
        )
        assert cursor.fetchall() == [(15, 5)]
    assert Prediction.objects.filter(superseded=False).count() == (1 if drawing else 20)
