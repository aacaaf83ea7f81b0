"""The machine's clock is set forward and back by up to an hour between requests: nothing waits for it."""

import datetime
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from predictions import room, serving
from predictions.api.rate import Limit
from predictions.models import ApiKey, ModelVersion, Prediction
from tests.conftest import ONE

HOUR = 3600
REAL = time.time


class Clock:
    """What this process's clock is ahead of the true time, in seconds. The monotonic one is never set."""

    ahead = 0.0


class SetTime(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return datetime.datetime.now(tz) + datetime.timedelta(seconds=Clock.ahead)


@contextmanager
def clock_that_is_set() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: REAL() + Clock.ahead)
        patch.setattr(timezone, "datetime", SetTime)
        yield
    Clock.ahead = 0.0


def send(client: Client, token: str) -> int:
    key = f"Bearer {token}"
    body = {"strokes": ONE}
    return client.post(
        "/api/predict", body, content_type="application/json", HTTP_AUTHORIZATION=key
    ).status_code


jumps = st.lists(st.floats(-HOUR, HOUR), min_size=1, max_size=4)


@given(jumps=jumps)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
def test_drawings_are_answered_and_logged_whatever_the_clock_says(
    version: ModelVersion, client: Client, jumps: list[float]
) -> None:
    key, before = ApiKey(name="a machine", scopes=[ApiKey.Scope.PREDICT]), Prediction.objects.count()
    token = key.make_token()
    key.save()
    with clock_that_is_set():
        for number, jump in enumerate(jumps, start=1):
            Clock.ahead = jump
            assert send(client, token) == 201
            assert Prediction.objects.count() == before + number
            assert client.get("/readyz").status_code == 200


@given(jumps=jumps)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_who_has_spent_its_share_waits_as_long_as_it_would_have(jumps: list[float]) -> None:
    limit = Limit("work", 500, 5)
    limit.share_at = float("inf")
    limit.spend("spender", 3_500)  # 30 s too much
    with clock_that_is_set():
        for jump in jumps:
            Clock.ahead = jump
            assert 25 < limit.seconds_to_wait("spender") <= 30
            assert limit.seconds_to_wait("another") == 0


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_what_is_looked_at_now_and_then_is_looked_at_no_sooner_and_no_later(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """The active version and the room on the disk."""
    now, looks = [1000.0], list[str]()
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(serving, "SECONDS_BETWEEN_LOOKS", 1.0)
    monkeypatch.setattr(serving, "_looked_at", 0.0)
    monkeypatch.setattr(room, "_looked_at", 0.0)
    look, look_for_room = serving._look, room._look

    def look_at_version(held: serving.Active | None) -> serving.Active:
        looks.append("version")
        return look(held)

    def look_at_room() -> str:
        looks.append("room")
        return look_for_room()

    monkeypatch.setattr(serving, "_look", look_at_version)
    monkeypatch.setattr(room, "_look", look_at_room)

    def ask() -> list[str]:
        looks.clear()
        serving.active()
        room.lack()
        return looks

    assert ask() == ["version", "room"]
    with clock_that_is_set():
        Clock.ahead = jump
        assert ask() == []
        now[0] += 10.5
        assert ask() == ["version", "room"]


def test_clock_of_these_tests_is_the_one_that_the_product_reads() -> None:
    with clock_that_is_set():
        Clock.ahead = -HOUR
        assert 3590 < REAL() - timezone.now().timestamp() < 3610
        assert 3590 < REAL() - time.time() < 3610
