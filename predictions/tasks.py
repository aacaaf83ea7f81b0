"""The worker's tasks: the jobs that people start, and the timetable."""

import hmac
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections, transaction
from django.db.models import Max, Min
from django.utils import timezone
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.exceptions import JobAborted, UniqueViolation
from procrastinate.jobs import Job as QueuedJob
from procrastinate.jobs import Status
from procrastinate.worker import Worker

from predictions import own_process
from predictions.models import AlreadyQueuedError, Job, ModelVersion, Prediction, webhook
from predictions.models.job import ReportProgress
from predictions.models.locks import Lock, hold
from predictions.models.lost_connection import LOST, connect_again_if_lost, drop_if_lost

SECONDS_BETWEEN_REPORTS = 1.0
NIGHT = timedelta(hours=2)  # after midnight, UTC
# A job that takes its worker down with it is not tried for ever.
ATTEMPTS = 3
# A worker that is stopped gives its job back to the queue; one whose database goes away tries again.
TRIED_AGAIN = RetryStrategy(max_attempts=ATTEMPTS, wait=5, retry_exceptions=[JobAborted, *LOST])

# After 4 s, 16 s, a minute, … and after the last five hours no more.
AFTER_GROWING_PAUSES = RetryStrategy(max_attempts=7, exponential_wait=4)

# By name: this work imports torch, which the processes that queue it and the worker itself do without.
WORK = {
    Job.Kind.TRAIN: "predictions.learning.pipeline.fine_tune",
    Job.Kind.COMPARE: "predictions.learning.gate.compare_with_active",
    Job.Kind.REPLAY: "predictions.learning.replay.replay",
    Job.Kind.CHECK_LABELS: "predictions.learning.label_check.check_labels",
    Job.Kind.RETENTION: "predictions.learning.retention.delete_expired",
    Job.Kind.FORGET: "predictions.learning.forgetting.forget",
}


class RefusedError(Exception):
    """A webhook's address did not take the message."""


def take_a_sound_connection(run: Callable[[], Any], context: JobContext, worker: Worker) -> Any:  # noqa: ANN401
    """A thread keeps its connection from task to task: once broken, it would fail them all."""
    close_old_connections()
    return run()


@app.task(pass_context=True, retry=TRIED_AGAIN, task_middleware=[take_a_sound_connection])
def do(context: JobContext, job_id: int) -> None:
    """Have the work of a job row done and keep its result; a failure's first line is kept as the message."""
    job = Job.objects.with_state().get(pk=job_id)
    job.report(0.0, "started")
    try:
        result = own_process.call(WORK[Job.Kind(job.kind)], reporter(context, job), **job.arguments)
        connect_again_if_lost()
        keep(job, result)
        job.report(1.0, "done")
    except (JobAborted, *LOST) as error:
        connect_again_if_lost()
        job.report(job.progress, "stopped" if isinstance(error, JobAborted) else f"broken off: {error}"[:500])
        if job.waits_again():  # the queue takes the same work only once
            raise AlreadyQueuedError("Another job waits to do the same.") from error
        raise
    except Exception as error:
        job.report(job.progress, f"failed: {error}"[:500])
        raise


@transaction.atomic
def keep(job: Job, result: Any) -> None:  # noqa: ANN401
    """A replay names drawings, and some may have been deleted while it ran."""
    if job.kind == Job.Kind.REPLAY:
        drawings = {UUID(drawing["id"]): drawing for drawing in result["drawings"]}
        left = Prediction.objects.all().still_there(drawings)
        result |= {"drawings": [drawing for key, drawing in drawings.items() if key in left]}
    job.result = result
    job.save(update_fields=["result"])


def reporter(context: JobContext, job: Job) -> ReportProgress:
    """Reports at most once a second, and stops the work where somebody has asked for that.

    Progress that can't be told is no reason to stop.
    """
    reported = float("-inf")

    def report(progress: float, message: str) -> None:
        nonlocal reported
        if context.should_abort():
            raise JobAborted
        if time.monotonic() - reported > SECONDS_BETWEEN_REPORTS:
            reported = time.monotonic()
            try:
                job.report(progress, message)
            except LOST:
                drop_if_lost()

    return report


# Procrastinate passes over what is more than ten minutes late, as on a machine that sleeps at night; what
# comes every ten minutes comes when a worker starts, too.
@app.periodic(cron="*/10 * * * *")
@app.task(
    queue="timetable",
    queueing_lock="nightly",
    retry=TRIED_AGAIN,
    task_middleware=[take_a_sound_connection],
)
def nightly(timestamp: int) -> None:
    """Start the night's work at 02:00 UTC, or where no worker ran then, as soon as one does."""
    if begin_night(timezone.now()):
        train_if_due()


@transaction.atomic
def begin_night(now: datetime) -> bool:
    """Delete what is too old, forget what was deleted; False where this night's work has begun already."""
    hold(Lock.JOB, Job.Kind.RETENTION)  # two workers may look at once, and only the first begins
    if not night_is_due(now):
        return False
    for kind in (Job.Kind.RETENTION, Job.Kind.FORGET):
        start_unless_queued(kind)
    return True


def night_is_due(now: datetime) -> bool:
    """Whether nothing was started since the last 02:00 UTC. A new installation waits for the next one."""
    last = (now.astimezone(UTC) - NIGHT).replace(hour=0, minute=0, second=0, microsecond=0) + NIGHT
    nights = Job.objects.filter(kind__in=(Job.Kind.RETENTION, Job.Kind.FORGET), requested_by=None)
    newest = nights.aggregate(at=Max("requested_at"))["at"]
    begun = newest or ModelVersion.objects.aggregate(at=Min("created_at"))["at"]
    return begun is not None and begun < last


def train_if_due() -> None:
    """When enough new drawings have been reviewed."""
    from predictions.learning.pipeline import new_drawings

    active = ModelVersion.objects.active()
    is_replaced = active is not None and active.to_forget_since  # by one that trains on the new drawings too
    if not is_replaced and new_drawings() >= settings.RETRAIN_AFTER:
        start_unless_queued(Job.Kind.TRAIN)


def start_unless_queued(kind: str) -> None:
    with suppress(AlreadyQueuedError):  # somebody was faster: the work is queued, which is all that is wanted
        Job.objects.start(kind)


@app.task(queue=webhook.QUEUE, retry=AFTER_GROWING_PAUSES)
def send_webhook(url: str, body: str) -> None:
    """Signed by HMAC-SHA256 of the body as it is sent; what is not answered with success is sent again."""
    import requests

    signature = hmac.digest(settings.WEBHOOK_SECRET.encode(), body.encode(), "sha256").hex()
    headers = {"Content-Type": "application/json", "X-Signature": f"sha256={signature}"}
    host = urlsplit(url).hostname  # the rest of an address may be a secret, and what is raised is logged
    try:
        answer = requests.post(url, body.encode(), headers=headers, timeout=10, allow_redirects=False)
    except requests.RequestException as problem:
        raise RefusedError(f"{host} did not answer: {type(problem).__name__}.") from None
    if not 200 <= answer.status_code < 300:
        raise RefusedError(f"{host} answered {answer.status_code}.")


@app.periodic(cron="*/10 * * * *")
@app.task(queue="timetable", queueing_lock="look_for_drift")
def look_for_drift(timestamp: int) -> None:
    """Compare the drawings since the last look with their reference."""
    own_process.call("predictions.learning.drift.look_for_drift")


@app.periodic(cron="* * * * *")
@app.task(queue="timetable", queueing_lock="retry_stalled")
async def retry_stalled(timestamp: int) -> None:
    """Give jobs whose worker has died (it sends a heartbeat every ten seconds) to another worker."""
    for job in await app.job_manager.get_stalled_jobs():
        try:
            if job.attempts < most_attempts(job):
                await app.job_manager.retry_job(job)
            else:
                await end(job, f"failed: its worker died, and it was tried {job.attempts + 1} times")
        except UniqueViolation:
            await end(job, "failed: its worker died, and another waits to do the same")


def most_attempts(job: QueuedJob) -> int:
    """As often as its task is tried where it fails by itself, if it is at all."""
    strategy = app.tasks[job.task_name].retry_strategy if job.task_name in app.tasks else None
    return (isinstance(strategy, RetryStrategy) and strategy.max_attempts) or ATTEMPTS


async def end(job: QueuedJob, message: str) -> None:
    await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=False)
    await sync_to_async(note)(job, message)


def note(job: QueuedJob, message: str) -> None:
    close_old_connections()
    Job.objects.filter(queued=job.id).update(message=message)


@app.periodic(cron="*/10 * * * *")
@app.task(queue="timetable", queueing_lock="forget_timetable")
async def forget_timetable(timestamp: int) -> None:
    """The timetable's own jobs leave 1,872 rows a day, webhooks one each; those that people started are
    kept."""
    for queue in ("timetable", webhook.QUEUE):
        await app.job_manager.delete_old_jobs(
            nb_hours=24, queue=queue, include_failed=True, include_aborted=True, include_cancelled=True
        )
