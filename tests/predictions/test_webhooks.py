"""Webhooks: what is told to whom, how it is signed, and what becomes of an address that does not answer."""

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from logging import Formatter
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connection, transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from mnistsite.logs import Json, Line
from predictions import tasks
from predictions.models import Prediction, StaleRowError
from predictions.models.webhook import announce
from tests import rows
from tests.meanwhile import meanwhile

pytestmark = pytest.mark.django_db
SECRET = "a secret of thirty-two characters"


class Receiver(HTTPServer):
    """Keeps what it is sent; answers with the statuses it is given, then with 204."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, bytes]] = []
        self.statuses: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.headers["X-Signature"], body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        settings.WEBHOOK_URLS, settings.WEBHOOK_SECRET = [server.url], SECRET
        yield server
        server.shutdown()
        thread.join()


def queued() -> list[dict[str, Any]]:
    jobs = ProcrastinateJob.objects.filter(queue_name="webhooks").order_by("pk")
    return [json.loads(job.args["body"]) for job in jobs]


def test_without_an_address_nothing_is_queued() -> None:
    announce("label")
    assert queued() == []


def test_labels_and_promotions_are_told(receiver: Receiver) -> None:
    olive, row = rows.operator(), rows.prediction()
    row.review(olive, "accepted", 7, expected_version=row.row_version)
    row.model_version.promote(olive, "A test.")
    training, label, promotion = queued()
    assert (training["event"], training["version"]) == ("training", "v1")
    told = {name: label[name] for name in ("event", "predictions", "review_status", "true_label", "by")}
    assert told == {
        "event": "label",
        "predictions": [str(row.pk)],
        "review_status": "accepted",
        "true_label": 7,
        "by": "olive",
    }
    assert (promotion["event"], promotion["version"], promotion["by"]) == ("promotion", "v1", "olive")
    assert len({message["id"] for message in (training, label, promotion)}) == 3


def labels() -> list[tuple[int | None, list[str]]]:
    """Told of labels: which one, and whose."""
    return [(told["true_label"], told["predictions"]) for told in queued() if "review_status" in told]


def test_each_of_many_labels_is_told_as_it_was_stored(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("predictions.models.review.NAMED", 2)
    claimed, ones = rows.claimed(7), [rows.prediction(digit=1) for _ in range(5)]
    left = rows.prediction()
    decided = Prediction.objects.exclude(pk=left.pk)
    assert decided.review(rows.operator(), "accepted") == 6
    told = labels()
    assert all(len(keys) <= 2 for _, keys in told)
    assert {key: label for label, keys in told for key in keys} == {
        str(key): label for key, label in decided.values_list("pk", "true_label")
    }
    assert (7, [str(claimed.pk)]) in told
    assert sum(len(keys) for _, keys in told) == len([claimed, *ones])


@pytest.mark.django_db(transaction=True)
def test_of_two_who_decide_at_once_only_the_decision_that_stands_is_told(receiver: Receiver) -> None:
    row, olive, otto = rows.prediction(), rows.operator(), rows.operator("otto")
    seen = Prediction.objects.get(pk=row.pk)
    first = partial(row.review, olive, "accepted", 7, expected_version=row.row_version)
    with meanwhile(first), pytest.raises(StaleRowError):
        seen.review(otto, "accepted", 1, expected_version=seen.row_version)
    assert labels() == [(7, [str(row.pk)])]


def test_a_decision_that_is_taken_back_is_told(receiver: Receiver) -> None:
    row, olive = rows.prediction(), rows.operator()
    row.review(olive, "accepted", 7, expected_version=row.row_version)
    row.undo(olive, expected_version=row.row_version)
    assert labels() == [(7, [str(row.pk)]), (None, [str(row.pk)])]
    assert queued()[-1]["by"] == "olive"


def test_without_an_address_a_decision_is_one_statement_in_its_transaction(
    django_assert_num_queries: Any,
) -> None:
    row, olive = rows.prediction(), rows.operator()
    with django_assert_num_queries(5):  # a savepoint's two, and two that say whose the trace is
        Prediction.objects.filter(pk=row.pk).review(olive, "accepted", 7)


@pytest.mark.parametrize("status", ["todo", "succeeded"])
def test_messages_forget_deleted_drawings_and_keep_the_others(receiver: Receiver, status: str) -> None:
    gone, kept = rows.prediction(), rows.prediction()
    Prediction.objects.filter(pk__in=[gone.pk, kept.pk]).review(rows.operator(), "accepted", 1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = %s::procrastinate_job_status", [status])
    before = queued()
    Prediction.objects.filter(pk=gone.pk).erase()
    *others, label = queued()
    assert label == before[-1] | {"predictions": [str(kept.pk)]}
    assert others == before[:-1]


def test_what_is_rolled_back_is_not_told(receiver: Receiver) -> None:
    olive, row = rows.operator(), rows.prediction()
    before = len(queued())
    with transaction.atomic():
        Prediction.objects.filter(pk=row.pk).review(olive, "rejected")
        assert len(queued()) == before + 1
        transaction.set_rollback(True)
    assert len(queued()) == before


def test_a_message_is_signed_with_the_secret(receiver: Receiver) -> None:
    tasks.send_webhook(receiver.url, '{"event": "label"}')
    [(signature, body)] = receiver.got
    assert body == b'{"event": "label"}'
    assert signature == f"sha256={hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}"


@pytest.mark.parametrize("status", [301, 404, 500])
def test_what_is_not_taken_is_sent_again_after_growing_pauses(receiver: Receiver, status: int) -> None:
    receiver.statuses = [status]
    with pytest.raises(tasks.RefusedError, match=str(status)):
        tasks.send_webhook(receiver.url, "{}")
    job: Any = ProcrastinateJob(attempts=0)
    pauses = []
    for job.attempts in range(8):
        decision = tasks.AFTER_GROWING_PAUSES.get_retry_decision(exception=tasks.RefusedError(), job=job)
        pauses.append(decision is not None)
    assert pauses == [True] * 7 + [False]
    assert tasks.send_webhook.retry_strategy is tasks.AFTER_GROWING_PAUSES


@pytest.mark.django_db(transaction=True)
def test_the_worker_sends_what_is_queued_until_it_is_taken(receiver: Receiver) -> None:
    from tests.predictions.test_tasks import work

    receiver.statuses = [503]
    announce("drift", figure="ink")
    work("webhooks")
    assert [job.status for job in ProcrastinateJob.objects.filter(queue_name="webhooks")] == ["todo"]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = now()")
    work("webhooks")
    assert [job.status for job in ProcrastinateJob.objects.filter(queue_name="webhooks")] == ["succeeded"]
    assert [json.loads(body)["figure"] for _, body in receiver.got] == ["ink", "ink"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("formatter", [Line("%(message)s"), Json()])
@pytest.mark.parametrize("answers", [True, False])
def test_no_log_holds_more_of_an_address_than_its_host(
    receiver: Receiver, settings: Any, caplog: pytest.LogCaptureFixture, formatter: Formatter, answers: bool
) -> None:
    from tests.predictions.test_tasks import work

    receiver.statuses = [500]
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        port = receiver.server_port if answers else nobody.getsockname()[1]
        settings.WEBHOOK_URLS = [f"http://ada:pass-word@127.0.0.1:{port}/services/team/s3cret?key=s3cret"]
        with connection.cursor() as cursor:
            announce("drift", figure="ink")
            cursor.execute("UPDATE procrastinate_jobs SET attempts = 7")  # this failure is the last
        work("webhooks")
    [job] = ProcrastinateJob.objects.filter(queue_name="webhooks")
    lines = [formatter.format(record) for record in caplog.records]
    assert job.status == "failed"
    assert any(f"send_webhook[{job.pk}] ended with status: Error" in line for line in lines)
    assert any("RefusedError: 127.0.0.1 " in line for line in lines)
    assert not any(secret in line for line in lines for secret in ("s3cret", "pass-word", "team", "ink"))


def test_addresses_without_a_secret_are_an_error(settings: Any) -> None:
    settings.WEBHOOK_URLS, settings.WEBHOOK_SECRET = ["http://localhost/hook"], "short"
    assert "mnistsite.E007" in {found.id for found in run_checks()}
    settings.WEBHOOK_SECRET = SECRET
    assert "mnistsite.E007" not in {found.id for found in run_checks()}
