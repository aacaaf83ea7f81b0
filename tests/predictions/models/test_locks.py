"""Locks of one class never meet those of another, whatever ids a client sends."""

import threading
import uuid

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction

from predictions.models import locks
from predictions.models.locks import Lock, hold, numbers
from tests import rows


@pytest.fixture
def other(db: None) -> psycopg.Connection:
    """Somebody else's connection to the test's database."""
    name = connection.settings_dict["NAME"]
    return psycopg.connect(settings.DATABASE_URL, dbname=name, autocommit=True)


def is_free(other: psycopg.Connection, sql: str, *key: int) -> bool:
    """Whether the other connection gets the lock."""
    row = other.execute(f"SELECT pg_try_advisory_xact_lock({sql})", key).fetchone()
    assert row
    return bool(row[0])


def test_every_class_is_held_on_its_own(other: psycopg.Connection) -> None:
    with other, transaction.atomic():
        for held in Lock:
            hold(held, "the same key")
            free = [lock for lock in Lock if is_free(other, "%s, %s", *numbers(lock, "the same key"))]
            assert free == [lock for lock in Lock if lock > held]
        assert is_free(other, "%s, %s", *numbers(Lock.JOB, "another key"))


@pytest.mark.parametrize("lock", list(Lock))
def test_no_id_of_a_drawing_takes_another_lock(other: psycopg.Connection, lock: Lock) -> None:
    """The id whose digits are that lock's two numbers, and both halves of it."""
    first, second = (number % 2**32 for number in numbers(lock))
    with other, transaction.atomic():
        rows.prediction(drawing=uuid.UUID(int=first << 32 | second))
        rows.prediction(drawing=uuid.UUID(int=(first << 32 | second) << 64 | first << 32 | second))
        assert is_free(other, "%s, %s", *numbers(lock))
        assert is_free(other, "%s::bigint", first << 32 | second)


@pytest.mark.django_db(transaction=True)
def test_a_training_keeps_no_prediction_waiting_and_no_prediction_a_training(
    other: psycopg.Connection,
) -> None:
    rows.version()
    drawing = uuid.UUID(int=(numbers(Lock.TRAINING)[0] << 32) | numbers(Lock.TRAINING)[1] % 2**32)
    with other:
        for pair in ("%s, %s", "(%s::bigint << 32) | (%s::bigint & 4294967295)"):
            other.execute(f"SELECT pg_advisory_lock({pair})", numbers(Lock.TRAINING))
        logged = threading.Thread(target=log_and_close, args=[drawing])
        logged.start()
        logged.join(30)
        assert not logged.is_alive()
    with transaction.atomic():
        rows.prediction(drawing=drawing)
        assert locks.try_to_hold(Lock.TRAINING)
        locks.release(Lock.TRAINING)


def log_and_close(drawing: uuid.UUID) -> None:
    rows.prediction(drawing=drawing)
    connection.close()
