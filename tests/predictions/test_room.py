"""Where there is no room, no drawing is taken, and everything else goes on."""

import os
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from predictions import room
from predictions.api import rate
from predictions.models import ModelVersion, Prediction
from tests import rows
from tests.conftest import ONE, Post, png


@pytest.fixture(autouse=True)
def look_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SECONDS_BETWEEN_LOOKS", -1.0)
    monkeypatch.setattr(room, "SECONDS_WHILE_FULL", -1.0)
    monkeypatch.setattr(room, "_lack", "")  # and so it is again afterwards


FULL = [{"MOST_GB": 0.001}, {"LEAST_FREE_GB": 1e9}]


@pytest.mark.parametrize("bound", FULL)
def test_full_log_takes_no_drawing_and_keeps_nothing_of_it(
    post: Post, client: Client, settings: Any, bound: dict[str, float]
) -> None:
    before = post("predict", {"strokes": ONE}).json()["id"]
    for name, value in bound.items():
        setattr(settings, name, value)
    refused = post("predict", {"strokes": ONE})
    assert (refused.status_code, refused["Retry-After"]) == (503, "60")
    assert refused.json()["error"]["code"] == "no_room"
    assert Prediction.objects.count() == 1
    assert post(f"predictions/{before}/feedback", {"label": 1}).status_code == 200
    assert client.get("/readyz").status_code == 200
    settings.MOST_GB, settings.LEAST_FREE_GB = 20, 0
    assert post("predict", {"strokes": ONE}).status_code == 201


@pytest.mark.parametrize("bound", FULL)
def test_admin_says_so_on_every_page(admin_client: Client, settings: Any, bound: dict[str, float]) -> None:
    assert b"no drawings are taken" not in admin_client.get("/admin/auth/user/").content
    for name, value in bound.items():
        setattr(settings, name, value)
    assert b"no drawings are taken" in admin_client.get("/admin/auth/user/").content


def test_disk_is_the_embedded_servers_only(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LEAST_FREE_GB = 1e9
    assert "disk has only" in room.lack()
    monkeypatch.setitem(settings.DATABASES["default"], "HOST", "/run/postgresql")
    assert room.lack() == ""


def fill() -> None:
    for _ in range(60):
        rows.prediction(image=os.urandom(150_000))


def ask(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


@pytest.mark.django_db(transaction=True)
def test_deleted_drawings_leave_room_that_new_ones_fill(settings: Any) -> None:
    size = "SELECT pg_database_size(current_database())"
    rows.version()
    settings.MOST_GB = ask(size) / 1e9 + 0.006
    assert room.lack() == ""
    fill()
    assert "may have" in room.lack()
    newest = Prediction.objects.latest("created_at")
    Prediction.objects.exclude(pk=newest.pk).erase()
    ask("SELECT pg_stat_force_next_flush()")
    ask("VACUUM (ANALYZE) predictions_prediction")  # as autovacuum does
    full = ask(size)
    assert full / 1e9 > settings.MOST_GB  # no file has shrunk
    assert room.lack() == ""
    fill()
    ask("SELECT pg_stat_force_next_flush()")
    assert "may have" in room.lack()
    assert ask(size) < full + 1_000_000


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("points", [0, 70])
def test_end_of_a_page_where_no_row_fits_is_no_room(points: int) -> None:
    """Six rows of 1,039 bytes, or four of 1,763."""
    line = [[round(number * 1.234567, 6), 100.0] for number in range(points)]
    for _ in range(200):
        rows.prediction(image=os.urandom(9), strokes=[line])
    ask("SELECT pg_stat_force_next_flush()")  # else these rows may be counted after the vacuum, as new ones
    ask("VACUUM (ANALYZE) predictions_prediction")
    pages = ask("SELECT relpages FROM pg_class WHERE oid = 'predictions_prediction'::regclass")
    free = ask("SELECT pg_database_size(current_database())") - float(ask(room.SIZE))
    assert free < 0.03 * pages * 8192


def test_size_is_looked_at_now_and_then_only(
    post: Post, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(room, "SECONDS_BETWEEN_LOOKS", 60.0)
    room.lack()
    with django_assert_num_queries(0):
        room.check()


def test_room_that_comes_is_seen_at_once_and_what_is_missing_now_and_then(
    version: ModelVersion, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("predictions.room.time.monotonic", lambda: now[0])
    monkeypatch.setattr(room, "SECONDS_BETWEEN_LOOKS", 10.0)
    monkeypatch.setattr(room, "SECONDS_WHILE_FULL", 0.5)
    monkeypatch.setattr(room, "_looked_at", 0.0)
    assert not room.lack()
    settings.MOST_GB = 0.001
    now[0] += 9
    assert not room.lack()
    now[0] += 2
    assert room.lack()
    settings.MOST_GB = 20
    now[0] += 0.4
    assert room.lack()
    now[0] += 0.2
    assert not room.lack()


def test_address_may_store_so_many_bytes_a_day(
    post: Post, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate, "stored", rate.Limit("stored", 6_000, rate.DAY))
    monkeypatch.setattr(rate.stored, "share_at", float("inf"))
    body = {"image": png(ONE)}
    answers = [post("predict", body) for _ in range(6)]
    kept = [answer.status_code for answer in answers].count(201)
    assert 1 < kept < 6 == len(answers)
    assert Prediction.objects.count() == kept
    assert int(answers[-1]["Retry-After"]) > 60
    other = client.post("/api/predict", body, content_type="application/json", REMOTE_ADDR="192.0.2.5")
    assert other.status_code == 201


def test_what_is_sent_again_stores_nothing_more(post: Post) -> None:
    body = {"strokes": ONE, "id": "6f1c6f0e-1111-4222-8333-444455556666"}
    post("predict", body)
    (account,) = rate.stored.accounts.values()
    before = account.unshared
    assert before > 2_000
    post("predict", body)
    assert account.unshared == before
