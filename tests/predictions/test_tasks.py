"""The worker does what is queued, tells how far it is, stops when asked, and loses nothing when killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.utils import timezone
from django.utils.module_loading import import_string
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.periodic import PeriodicDeferrer

from predictions import own_process, tasks
from predictions.models import AlreadyQueuedError, Job, ModelVersion, Prediction
from predictions.models.job import ReportProgress
from tests.drawings import accepted, logged, unique
from tests.meanwhile import meanwhile
from tests.waiting import wait_until

# The worker has connections of its own: it sees what is committed, so nothing here runs in a transaction.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def same_database(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the processes that are started here: settings name the server's own database, not the test's."""
    parameters = connection.get_connection_params()
    names = ("host", "user", "password", "port", "dbname")
    url = " ".join(f"{name}={parameters[name]}" for name in names if parameters.get(name))
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("LOG_LEVEL", "ERROR")


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test changes what the work does, which another process would not see."""

    def call(function: str, report: ReportProgress, **arguments: Any) -> Any:
        return import_string(function)(report, **arguments)

    monkeypatch.setattr(own_process, "call", call)


def work(queue: str = "default") -> None:
    """A worker that goes home when the queue is empty."""
    with app.replace_connector(app.connector.get_worker_connector()) as worker_app:  # type: ignore[attr-defined]
        worker_app.run_worker(
            wait=False,
            install_signal_handlers=False,
            listen_notify=False,
            queues=[queue],
            abort_job_polling_interval=0.1,
        )


def reloaded(job: Job) -> Job:
    return Job.objects.with_state().get(pk=job.pk)


def result_of(job: Job) -> dict[str, Any]:
    result: dict[str, Any] | None = reloaded(job).result
    assert result is not None
    return result


def attempt(job: Job) -> tuple[str, int]:
    """The state and the attempts before it, of one moment."""
    queued = reloaded(job).queued
    assert queued is not None
    return queued.status, queued.attempts


@pytest.fixture
def busy(version: ModelVersion) -> ModelVersion:
    """A version with a log to replay."""
    for number in range(30):
        logged(version, unique(number), number % 10)
    return version


def test_job_is_done_and_its_result_kept(busy: ModelVersion, admin_user: User) -> None:
    job = Job.objects.start(Job.Kind.REPLAY, admin_user, version=busy.name)
    assert (job.requested_by, reloaded(job).state) == (admin_user, "todo")
    work()
    done = reloaded(job)
    assert (done.state, done.progress, done.message) == ("succeeded", 1.0, "done")
    assert result_of(job)["rows"] == 30


def test_failure_is_told(busy: ModelVersion) -> None:
    job = Job.objects.start(Job.Kind.REPLAY, version="v99")
    work()
    failed = reloaded(job)
    assert (failed.state, failed.result) == ("failed", None)
    assert failed.message == "failed: ModelVersion matching query does not exist."


def test_same_work_waits_only_once(busy: ModelVersion) -> None:
    Job.objects.start(Job.Kind.TRAIN)
    with pytest.raises(AlreadyQueuedError, match="Training is queued already"):
        Job.objects.start(Job.Kind.TRAIN)
    assert Job.objects.count() == 1
    for kind in (Job.Kind.REPLAY, Job.Kind.COMPARE):
        Job.objects.start(kind, version="v1")
        Job.objects.start(kind, version="v2")
    assert Job.objects.count() == 5


def test_waiting_job_is_cancelled(busy: ModelVersion) -> None:
    job = Job.objects.start(Job.Kind.REPLAY, version=busy.name)
    assert job.cancel()
    work()
    assert (reloaded(job).state, reloaded(job).result) == ("cancelled", None)
    assert not job.cancel()


def endless(report: ReportProgress, **arguments: str) -> None:
    Job.objects.get().cancel()
    while True:
        report(0.5, "going on")
        time.sleep(0.1)


def test_running_job_stops_when_asked(busy: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.WORK, Job.Kind.REPLAY, f"{__name__}.endless")
    job = Job.objects.start(Job.Kind.REPLAY, version=busy.name)
    work()
    assert (reloaded(job).state, reloaded(job).message, reloaded(job).result) == ("aborted", "stopped", None)
    assert reloaded(job).progress == 0.5


def take_too_much(report: ReportProgress) -> None:
    os.kill(os.getpid(), signal.SIGKILL)  # as the system does where memory is short


def test_job_that_is_killed_fails_and_leaves_its_worker(
    busy: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tasks.WORK, Job.Kind.RETENTION, f"{__name__}.take_too_much")
    killed = Job.objects.start(Job.Kind.RETENTION)
    other = Job.objects.start(Job.Kind.REPLAY, version=busy.name)
    work()
    assert (reloaded(killed).state, reloaded(other).state) == ("failed", "succeeded")
    assert reloaded(killed).message == "failed: its process ended with code -9"


class TwoPartError(Exception):
    """Does not survive pickling: it is made anew from its text alone."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def fail_in_two_parts(report: ReportProgress) -> None:
    raise TwoPartError("this", "that")


def test_text_of_any_failure_is_told(version: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.WORK, Job.Kind.RETENTION, f"{__name__}.fail_in_two_parts")
    job = Job.objects.start(Job.Kind.RETENTION)
    work()
    assert (reloaded(job).state, reloaded(job).message) == ("failed", "failed: this and that")


def break_off(version: str) -> None:
    raise OperationalError("server closed the connection unexpectedly")


def run_now(job: Job) -> None:
    """Instead of waiting for the next try."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE id = %s", [job.queued_id])


def test_job_whose_database_goes_away_is_tried_again(
    busy: ModelVersion, in_this_process: None, monkeypatch: Any
) -> None:
    from predictions.learning import replay

    original, tries = replay.replay, iter([break_off, None])
    monkeypatch.setattr(
        replay, "replay", lambda report, version: (next(tries) or partial(original, report))(version)
    )
    job = Job.objects.start(Job.Kind.REPLAY, version=busy.name)
    work()
    assert attempt(job) == ("todo", 1)
    assert reloaded(job).message == "broken off: server closed the connection unexpectedly"
    run_now(job)
    work()
    assert attempt(job) == ("succeeded", 2)
    assert result_of(job)["rows"] == 30


def test_job_is_not_tried_again_for_ever(busy: ModelVersion, in_this_process: None, monkeypatch: Any) -> None:
    from predictions.learning import replay

    monkeypatch.setattr(replay, "replay", lambda report, version: break_off(version))
    job = Job.objects.start(Job.Kind.REPLAY, version=busy.name)
    for _ in range(tasks.ATTEMPTS + 1):
        work()
        run_now(job)
    assert attempt(job) == ("failed", tasks.ATTEMPTS + 1)


def test_job_that_breaks_off_leaves_the_work_to_one_that_waits_for_it(
    busy: ModelVersion, in_this_process: None, monkeypatch: Any
) -> None:
    from predictions.learning import replay

    original = replay.replay

    def queue_another(report: Any, version: str) -> None:
        Job.objects.start(Job.Kind.REPLAY, version=version)
        monkeypatch.setattr(replay, "replay", original)
        break_off(version)

    first = Job.objects.start(Job.Kind.REPLAY, version=busy.name)
    monkeypatch.setattr(replay, "replay", queue_another)
    work()
    second = Job.objects.latest("pk")
    assert (reloaded(first).state, reloaded(second).state) == ("failed", "succeeded")
    assert "broken off" in reloaded(first).message


def test_progress_that_cannot_be_told_stops_nothing(
    busy: ModelVersion, in_this_process: None, monkeypatch: Any
) -> None:
    monkeypatch.setattr(tasks, "SECONDS_BETWEEN_REPORTS", -1.0)
    told = Job.report

    def lose_the_connection(job: Job, progress: float, message: str) -> None:
        if message.endswith("drawings"):
            connection.close()
            raise OperationalError("server closed the connection unexpectedly")
        told(job, progress, message)

    monkeypatch.setattr(Job, "report", lose_the_connection)
    job = Job.objects.start(Job.Kind.REPLAY, version=busy.name)
    work()
    assert attempt(job) == ("succeeded", 1)


def test_retention_deletes_old_predictions_save_the_accepted(version: ModelVersion) -> None:
    from predictions.learning.retention import delete_expired

    old = timezone.now().replace(year=2020)
    kept = {accepted(version, unique(1), 3, created_at=old).pk, logged(version, unique(2), 3).pk}
    logged(version, unique(3), 3, created_at=old)
    assert delete_expired(lambda progress, message: None, days=0)["deleted"] == 0  # keeps everything
    assert delete_expired(lambda progress, message: None)["deleted"] == 1  # by default
    assert set(Prediction.objects.values_list("pk", flat=True)) == kept


@pytest.mark.django_db(transaction=True)
def test_retention_keeps_what_is_accepted_at_that_moment(version: ModelVersion, admin_user: User) -> None:
    from predictions.learning.retention import delete_expired

    row = logged(version, unique(1), 3, created_at=timezone.now() - timedelta(days=40))
    with meanwhile(lambda: row.review(admin_user, "accepted", 3, expected_version=row.row_version)):
        assert delete_expired(lambda progress, message: None, days=30)["deleted"] == 0
    assert Prediction.objects.get().true_label == 3


def nights_pass(begin: timedelta = timedelta(hours=25)) -> None:
    """As if the night's work, or the installation where there was no night yet, lay so far back."""
    Job.objects.update(requested_at=timezone.now() - begin)
    ModelVersion.objects.update(created_at=timezone.now() - begin)


def finish_all() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'succeeded'")


def kinds() -> list[str]:
    return sorted(Job.objects.values_list("kind", flat=True))


NIGHT = sorted([Job.Kind.RETENTION, Job.Kind.FORGET])


def test_night_trains_when_enough_is_new(version: ModelVersion, settings: Any) -> None:
    settings.RETRAIN_AFTER = 2
    nights_pass()
    accepted(version, unique(1), 3)
    tasks.nightly(0)
    assert kinds() == NIGHT
    accepted(version, unique(2), 3)
    tasks.nightly(0)  # this night's work is started already
    assert kinds() == NIGHT
    finish_all()
    nights_pass()
    tasks.nightly(0)
    assert kinds() == sorted([*NIGHT, *NIGHT, Job.Kind.TRAIN])


def test_night_that_still_waits_is_not_started_again(version: ModelVersion) -> None:
    nights_pass()
    tasks.nightly(0)
    nights_pass()
    tasks.nightly(0)
    assert kinds() == NIGHT


def test_what_waits_of_one_night_does_not_hold_the_rest_of_the_next_up(version: ModelVersion) -> None:
    nights_pass()
    tasks.nightly(0)
    ProcrastinateJob.objects.filter(queueing_lock=Job.Kind.FORGET).update(status="succeeded")
    nights_pass()
    for _ in range(2):
        tasks.nightly(0)
    assert kinds() == sorted([*NIGHT, Job.Kind.FORGET])


def test_installation_without_a_night_waits_for_the_next(version: ModelVersion, settings: Any) -> None:
    settings.RETRAIN_AFTER = 0
    tasks.nightly(0)
    assert kinds() == []


def test_nothing_is_done_at_night_before_there_is_a_version() -> None:
    tasks.nightly(0)
    assert kinds() == []


@pytest.mark.parametrize(
    ("newest", "now", "is_due"),
    [
        ("2026-12-01 02:00:01", "2026-12-01 23:59:00", False),
        ("2026-12-01 02:00:01", "2026-12-02 01:59:59", False),
        ("2026-12-01 02:00:01", "2026-12-02 02:00:00", True),
        ("2026-12-01 09:30:00", "2026-12-02 02:00:00", True),  # it came late
        ("2026-12-01 01:50:00", "2026-12-01 02:00:00", True),
        ("2026-11-20 02:00:01", "2026-12-01 00:30:00", True),
    ],
)
def test_night_is_due_once_from_two_o_clock_to_two_o_clock(
    version: ModelVersion, newest: str, now: str, is_due: bool
) -> None:
    at, looked = (datetime.fromisoformat(f"{text}+00:00") for text in (newest, now))
    Job.objects.create(kind=Job.Kind.RETENTION, requested_at=at)
    assert tasks.night_is_due(looked) == is_due


def test_two_workers_start_one_night(version: ModelVersion) -> None:
    nights_pass()
    with meanwhile(lambda: tasks.nightly(0)):
        tasks.nightly(0)
    assert kinds() == NIGHT


def test_a_worker_that_starts_at_any_time_looks_for_what_the_night_missed() -> None:
    """And for what else the timetable has: Procrastinate passes over what it was too late for."""
    timetable = {task.task.name for task in app.periodic_registry.periodic_tasks.values()}
    assert tasks.nightly.name in timetable
    for minutes in range(0, 24 * 60, 7):
        started = datetime(2026, 12, 1, tzinfo=UTC) + timedelta(minutes=minutes)
        due = PeriodicDeferrer(app.periodic_registry).get_previous_tasks(started.timestamp())
        assert {task.task.name for task, _ in due} == timetable


def test_night_does_not_train_beside_a_forgetting_that_trains(version: ModelVersion, settings: Any) -> None:
    settings.RETRAIN_AFTER = 1
    nights_pass()
    accepted(version, unique(1), 3)
    version.mark_to_forget()
    ModelVersion.objects.filter(pk=version.pk).update(active=True)
    tasks.nightly(0)
    assert kinds() == NIGHT


@pytest.fixture
def worker_process(same_database: None) -> Iterator[Any]:
    """Starts worker processes on the test's database; kills what is left of them."""
    workers: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.sample_worker"]
        workers.append(subprocess.Popen(command, cwd=settings.BASE_DIR, stderr=subprocess.DEVNULL))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()
        worker.wait()


def notice_the_dead() -> None:
    """Instead of waiting for half a minute without a heartbeat. The living send the next one soon."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 minute'")
    with suppress(AlreadyEnqueued):  # the timetable may have been faster
        tasks.retry_stalled.configure().defer(timestamp=0)


def test_job_of_a_killed_worker_is_done_by_another(version: ModelVersion, worker_process: Any) -> None:
    """The log is locked, so that the first is still at work when it is killed, however fast it is."""
    for number in range(30):
        logged(version, unique(number), 1)
    job = Job.objects.start(Job.Kind.REPLAY, version=version.name)
    with psycopg.connect(os.environ["DATABASE_URL"]) as another:
        another.execute("LOCK TABLE predictions_prediction")
        first = worker_process()
        wait_until(waits_for_a_lock)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        assert (reloaded(job).state, reloaded(job).result) == ("doing", None)
    notice_the_dead()
    worker_process()
    wait_until(lambda: reloaded(job).state == "succeeded")
    assert result_of(job)["rows"] == 30
    assert attempt(job) == ("succeeded", 2)


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_locks WHERE relation = 'predictions_prediction'::regclass AND NOT granted"
        )
        return cursor.fetchone() is not None


def test_a_killed_training_leaves_no_half_version_and_is_done_by_another_worker(
    small_version: ModelVersion, worker_process: Any
) -> None:
    quick = {"steps": 300, "batch": 32, "made_up": 20}
    job, first = Job.objects.start(Job.Kind.TRAIN, **quick), worker_process()
    wait_until(lambda: "step" in reloaded(job).message)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert reloaded(job).state == "doing"
    assert list(ModelVersion.objects.all()) == [small_version]
    notice_the_dead()
    worker_process(), worker_process()
    wait_until(lambda: attempt(job) == ("doing", 1))
    second = Job.objects.start(Job.Kind.TRAIN, **quick)
    wait_until(lambda: reloaded(job).state == "succeeded" or reloaded(second).state != "todo")
    assert reloaded(job).state == "succeeded"
    wait_until(lambda: reloaded(second).state == "succeeded")
    trained = ModelVersion.objects.exclude(pk=small_version.pk)
    assert {made.name for made in trained} == {result_of(each)["version"] for each in (job, second)}
    assert all(made.metrics["curve"] and made.gate for made in trained)


def test_job_of_a_dead_worker_ends_where_another_waits_to_do_the_same(version: ModelVersion) -> None:
    dead = Job.objects.start(Job.Kind.TRAIN)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing'")
    waiting = Job.objects.start(Job.Kind.TRAIN)
    tasks.retry_stalled.configure().defer(timestamp=0)
    work("timetable")
    assert (reloaded(dead).state, reloaded(waiting).state) == ("failed", "todo")
    assert "another waits" in reloaded(dead).message


@pytest.mark.parametrize(("task", "most"), [("do", tasks.ATTEMPTS), ("send_webhook", 7)])
@pytest.mark.parametrize("is_last", [True, False])
def test_work_of_a_dead_worker_is_tried_as_often_as_work_that_fails(
    task: str, most: int, is_last: bool
) -> None:
    key = import_string(f"predictions.tasks.{task}").configure(queue="nobody").defer()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = 'doing', attempts = %s", [most if is_last else most - 1]
        )
    tasks.retry_stalled.configure().defer(timestamp=0)
    work("timetable")
    assert ProcrastinateJob.objects.get(pk=key).status == ("failed" if is_last else "todo")


def test_forgetting_waits_for_a_training_and_a_training_for_it() -> None:
    train, forget, replay = (
        Job.objects.start(kind) for kind in (Job.Kind.TRAIN, Job.Kind.FORGET, Job.Kind.REPLAY)
    )
    locks = [job.queued.lock for job in (train, forget, replay) if job.queued]
    assert locks[0] == locks[1] != locks[2]


def replay_while_all_is_deleted(report: ReportProgress, version: str) -> dict[str, Any]:
    from predictions.learning.replay import replay

    result = replay(report, version)
    assert result["drawings"]
    Prediction.objects.all().erase()
    return result


def test_replay_does_not_name_what_was_deleted_while_it_ran(
    busy: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tasks.WORK, Job.Kind.REPLAY, f"{__name__}.replay_while_all_is_deleted")
    job = Job.objects.start(Job.Kind.REPLAY, version=busy.name)
    work()
    assert result_of(job)["changed"]
    assert result_of(job)["drawings"] == []
