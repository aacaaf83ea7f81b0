"""The limit counts work: who causes much is refused for a while, others are not, in any process."""

import time
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from predictions.api import rate
from predictions.api.rate import Limit
from predictions.models import Spending
from tests.conftest import ONE, Post, png
from tests.meanwhile import meanwhile

HOUSE = "192.0.2.1"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic time that the limit sees."""
    now = [1000.0]
    monkeypatch.setattr("predictions.api.rate.time.monotonic", lambda: now[0])
    return now


def limits(number: int) -> list[Limit]:
    """Of so many processes that share: 100 ms a second, so 500 ms at once."""
    return [Limit("work", 500, 5) for _ in range(number)]


def test_work_counts_and_not_requests(db: None, clock: list[float]) -> None:
    (limit,) = limits(1)
    for _ in range(100):
        limit.spend("many small", 4)
    limit.spend("few large", 450)
    limit.spend("few large", 450)
    assert limit.seconds_to_wait("many small") == 0
    assert limit.seconds_to_wait("few large") == 4
    assert limit.seconds_to_wait("another") == 0
    clock[0] += 4
    assert limit.seconds_to_wait("few large") == 0


def test_debt_is_paid_back_by_time_alone(db: None, clock: list[float]) -> None:
    (limit,) = limits(1)
    limit.spend(HOUSE, 5000)
    for _ in range(45):
        assert limit.seconds_to_wait(HOUSE) > 0
        clock[0] += 1
    assert limit.seconds_to_wait(HOUSE) == 0


def test_who_owes_is_not_forgotten_and_who_has_paid_is(db: None, clock: list[float]) -> None:
    (limit,) = limits(1)
    limit.spend("large", 60_000)
    limit.spend("small", 1)
    clock[0] += rate.SECONDS_KEPT + 1
    limit.spend(HOUSE, 1)
    assert limit.seconds_to_wait("large") > 0
    clock[0] += 600
    limit.spend(HOUSE, 1)
    assert limit.accounts.keys() == {HOUSE}


def test_who_owes_for_long_keeps_no_one_else_in_memory(db: None, clock: list[float]) -> None:
    (limit,) = limits(1)
    limit.spend("large", 1e9)
    for number in range(10):
        limit.spend(f"small {number}", 1)
    clock[0] += rate.SECONDS_KEPT + 1
    for _ in range(10):
        limit.spend(HOUSE, 1)
    assert limit.accounts.keys() == {"large", HOUSE}


def test_work_in_all_processes_together_is_limited(db: None, clock: list[float]) -> None:
    """40 in each of four: 160 ms a second together, of which 100 are allowed."""
    processes = limits(4)
    for _ in range(15):
        spend_a_second(processes, clock, 40)
    assert all(limit.seconds_to_wait(HOUSE) for limit in processes)


def spend_a_second(processes: list[Limit], clock: list[float], ms: float) -> None:
    for limit in processes:
        limit.spend(HOUSE, ms)
    clock[0] += 1.01


def test_little_work_in_all_processes_together_is_not(db: None, clock: list[float]) -> None:
    processes = limits(4)
    for _ in range(60):
        spend_a_second(processes, clock, 20)
        assert not any(limit.seconds_to_wait(HOUSE) for limit in processes)


def test_no_address_is_stored(db: None, clock: list[float]) -> None:
    (limit,) = limits(1)
    limit.spend(HOUSE, 400)
    (row,) = Spending.objects.all()
    assert row.sender == rate.key(f"work {HOUSE}") != rate.key("work 192.0.2.2")
    assert row.amount == 400


def test_old_rows_go(db: None, clock: list[float]) -> None:
    (limit,) = limits(1)
    limit.spend(HOUSE, 400)
    Spending.objects.update(at="2026-01-01T00:00:00Z")
    clock[0] += rate.SECONDS_BETWEEN_CLEANINGS + 1
    limit.spend("another", 1)
    assert not Spending.objects.exists()


def test_without_the_database_each_process_limits_alone(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(type(Spending.objects.all()), "add", away)
    (limit,) = limits(1)
    limit.spend(HOUSE, 900)
    assert limit.seconds_to_wait(HOUSE) == 4
    assert "away" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_two_processes_may_share_the_same_senders_at_once() -> None:
    (limit,) = limits(1)
    with meanwhile(lambda: Spending.objects.add({rate.key("work b"): 100.0, rate.key("work a"): 100.0})):
        limit.spend("b", 200)
    sums = dict(Spending.objects.values_list("sender", "amount"))
    assert sums == {rate.key("work a"): 100.0, rate.key("work b"): 300.0}


def test_table_is_not_written_to_the_disks_log(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'predictions_spending'")
        assert cursor.fetchone() == ("u",)


def test_refusal_says_when_to_come_back(post: Post, monkeypatch: Any) -> None:
    monkeypatch.setattr(rate, "work", Limit("work", 5, 5))
    monkeypatch.setattr(rate.work, "share_at", float("inf"))
    answers = [post("predict", {"strokes": ONE}) for _ in range(20)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert {answer.status_code for answer in answers} == {201, 429}
    assert int(refused["Retry-After"]) >= 1
    assert refused.json()["error"]["code"] == "too_many_requests"


def test_costly_request_counts_more_than_a_cheap_one(post: Post, client: Client) -> None:
    def spent(address: str) -> float:
        return rate.work.accounts[address].unshared

    post("predict", {"strokes": ONE})  # loads the model
    body, started = {"image": png(ONE)}, time.thread_time()
    for _ in range(5):  # one alone may have had to collect garbage
        client.get("/api/model", REMOTE_ADDR="192.0.2.7")
        client.post("/api/predict", body, content_type="application/json", REMOTE_ADDR="192.0.2.8")
    assert 0 < spent("192.0.2.7") < spent("192.0.2.8") <= 1000 * (time.thread_time() - started)


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff"),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("", ""),
    ],
)
def test_a_household_counts_as_one(rf: Any, address: str, same: str) -> None:
    one, other = (rate.sender(rf.get("/", REMOTE_ADDR=it)) for it in (address, same))
    strangers = (rate.sender(rf.get("/", REMOTE_ADDR=it)) for it in ("2001:db8:0:1::1", "::ffff:192.0.2.2"))
    assert one == other not in strangers
