"""What migrations do to the rows that are there."""

import hashlib
import io
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import psycopg
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations import RunSQL
from django.db.migrations.executor import MigrationExecutor
from PIL import Image

from classifier.image_file import decode
from mnistsite.management.commands import migrate
from predictions.models import Prediction, Weights
from tests import rows
from tests.pictures import file, photo

pytestmark = pytest.mark.django_db
stored_pictures = import_module("predictions.migrations.0003_stored_pictures")
READ = "SELECT count(*) FROM predictions_prediction"
races = import_module("predictions.migrations.0005_races")


def encode_pictures() -> None:
    with connection.schema_editor() as editor:
        stored_pictures.encode_pictures(apps, editor)


def image(row: Prediction) -> bytes | None:
    stored = Prediction.objects.values_list("image", flat=True).get(pk=row.pk)
    return None if stored is None else bytes(stored)


def test_stored_pictures_are_made_anew_and_what_can_not_be_read_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_pictures, "BATCH", 2)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "at home"
    turned = file(photo(60, 40), "JPEG", exif=exif)
    tiff, damaged = file(photo(60, 40), "TIFF"), file(photo(60, 40))[:200]
    photos, png, *unread = (
        rows.prediction(image=data) for data in (turned, file(photo(60, 40)), tiff, damaged, b"")
    )
    none, strokes = rows.prediction(image=None), rows.prediction(image=tiff, strokes=[[[0, 0], [1, 1]]])
    encode_pictures()
    anew = image(photos)
    assert anew
    assert b"at home" not in anew
    assert np.array_equal(decode(anew), decode(turned))
    assert decode(image(png) or b"").shape == (40, 60, 3)
    assert [image(row) for row in (*unread, none, strokes)] == [None] * 5
    strokes.refresh_from_db()
    assert strokes.strokes == [[[0, 0], [1, 1]]]
    before = image(photos), image(png)
    encode_pictures()
    assert (image(photos), image(png)) == before


def test_weights_that_are_there_get_their_hash() -> None:
    rows.version()
    Weights.objects.update(sha256="")
    (fill,) = (step for step in races.Migration.operations if isinstance(step, RunSQL))
    with connection.cursor() as cursor:
        cursor.execute(str(fill.sql))
    assert Weights.objects.get().sha256 == hashlib.sha256(rows.CHECKPOINT).hexdigest()


@pytest.fixture
def migrate_to(transactional_db: None) -> Iterator[Any]:
    def migrate(name: str) -> None:
        MigrationExecutor(connection).migrate([("predictions", name)])

    newest = MigrationExecutor(connection).loader.graph.leaf_nodes("predictions")
    yield migrate
    MigrationExecutor(connection).migrate(newest)


def test_second_opinions_are_found_by_an_index_at_every_moment_of_a_migration(migrate_to: Any) -> None:
    found = []

    def look(execute: Any, statement: str, *rest: Any) -> Any:
        answer = execute(statement, *rest)
        if "INDEX" in str(statement):
            with connection.connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM pg_indexes WHERE tablename = 'predictions_prediction' "
                    "AND indexname LIKE '%second_opinion'"
                )
                found.append(cursor.fetchone()[0])
        return answer

    with connection.execute_wrapper(look):
        migrate_to("0014_request_id")
        migrate_to("0015_uneven_lot")
    assert set(found) == {1, 2}


@pytest.fixture
def reader(db: None) -> Iterator[Any]:
    """Somebody else, whose transaction goes on when it has read the log, as a long export's does."""
    with psycopg.connect(**connection.get_connection_params()) as reader:
        yield reader


@pytest.fixture
def visitor(db: None) -> Iterator[Any]:
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as visitor:
        visitor.execute("SET lock_timeout = '0.8s'")
        yield visitor


def test_migration_that_wants_a_table_in_use_waits_without_holding_up_visitors(
    migrate_to: Any, reader: Any, visitor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate_to("0013_vacuum_sooner")
    reader.execute(READ)
    monkeypatch.setattr(migrate, "SECONDS_BETWEEN_TRIES", 0.2)
    threading.Timer(3, reader.rollback).start()
    answered, done = [], threading.Event()

    def ask() -> None:
        while not done.is_set():
            visitor.execute(READ)
            answered.append(time.monotonic())

    asking = threading.Thread(target=ask)
    asking.start()
    output = io.StringIO()
    call_command("migrate", "predictions", "0014", stdout=output)
    done.set()
    asking.join()
    assert output.getvalue().count("is tried again") >= 2
    assert np.diff(answered).max() < 0.8
    assert Prediction.objects.filter(request_id="").count() == 0  # the column is there


def test_index_that_is_built_beside_a_long_transaction_is_waited_for(migrate_to: Any, reader: Any) -> None:
    migrate_to("0014_request_id")
    reader.execute(READ)
    threading.Timer(1.5, reader.rollback).start()
    output = io.StringIO()
    call_command("migrate", "predictions", "0015", stdout=output)
    assert "tried again" not in output.getvalue()
    with connection.cursor() as cursor:
        cursor.execute("SELECT bool_and(indisvalid), current_setting('lock_timeout') FROM pg_index")
        assert cursor.fetchone() == (True, "0")


def test_migration_that_finds_its_table_in_use_for_too_long_fails(
    migrate_to: Any, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "SECONDS_TO_TRY", -1)
    migrate_to("0013_vacuum_sooner")
    reader.execute(READ)
    with pytest.raises(CommandError, match="lock timeout"):
        call_command("migrate", "predictions", "0014", verbosity=0)
    reader.rollback()
