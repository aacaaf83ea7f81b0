"""What the worker does: the jobs that people start, and the timetable. Torch is imported in here, and late:
the web processes import this module as well, to put work into the queue."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.conf import settings
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.exceptions import JobAborted
from procrastinate.jobs import Status

from predictions.jobs import AlreadyQueuedError, Job, Report

SECONDS_BETWEEN_REPORTS = 1.0
# A job that takes its worker down with it is not tried for ever.
ATTEMPTS = 3
# A worker that is stopped gives its job back to the queue.
GIVEN_BACK = RetryStrategy(max_attempts=ATTEMPTS, retry_exceptions=[JobAborted])

Work = Callable[..., dict[str, Any]]


def run(context: JobContext, job_id: int, work: Work) -> None:
    """Do the work of a job row and keep its result; a failure's first line is kept as the message."""
    job = Job.objects.get(pk=job_id)
    job.report(0.0, "started")
    try:
        result = work(reporter(context, job), **job.arguments)
    except JobAborted:
        job.report(job.progress, "stopped")
        raise
    except Exception as error:
        job.report(job.progress, f"failed: {error}"[:500])
        raise
    job.result = result
    job.save(update_fields=["result"])
    job.report(1.0, "done")


def reporter(context: JobContext, job: Job) -> Report:
    """Reports at most once a second, and stops the work where somebody has asked for that."""
    reported = float("-inf")

    def report(progress: float, message: str) -> None:
        nonlocal reported
        if context.should_abort():
            raise JobAborted
        if time.monotonic() - reported > SECONDS_BETWEEN_REPORTS:
            reported = time.monotonic()
            job.report(progress, message)

    return report


@app.task(name="predictions.tasks.train", pass_context=True, retry=GIVEN_BACK)
def train(context: JobContext, job_id: int) -> None:
    from predictions.retraining import retrain

    run(context, job_id, retrain)


@app.task(name="predictions.tasks.compare", pass_context=True, retry=GIVEN_BACK)
def compare(context: JobContext, job_id: int) -> None:
    from predictions.gate import compare_with_active

    run(context, job_id, compare_with_active)


@app.task(name="predictions.tasks.replay", pass_context=True, retry=GIVEN_BACK)
def replay(context: JobContext, job_id: int) -> None:
    from predictions.replay import replay

    run(context, job_id, replay)


@app.task(name="predictions.tasks.check_labels", pass_context=True, retry=GIVEN_BACK)
def check_labels(context: JobContext, job_id: int) -> None:
    from predictions.label_check import check_labels

    run(context, job_id, check_labels)


@app.task(name="predictions.tasks.retention", pass_context=True, retry=GIVEN_BACK)
def retention(context: JobContext, job_id: int) -> None:
    from predictions.retention import delete_expired

    run(context, job_id, delete_expired)


@app.periodic(cron="0 2 * * *")
@app.task(queue="timetable", queueing_lock="nightly")
def nightly(timestamp: int) -> None:
    """Delete what is too old; train when enough new drawings have been reviewed."""
    from predictions.retraining import new_drawings

    start_unless_queued(Job.Kind.RETENTION)
    if new_drawings() >= settings.RETRAIN_AFTER:
        start_unless_queued(Job.Kind.TRAIN)


def start_unless_queued(kind: str) -> None:
    with suppress(AlreadyQueuedError):  # somebody was faster: the work is queued, which is all that is wanted
        Job.objects.start(kind)


@app.periodic(cron="* * * * *")
@app.task(queue="timetable", queueing_lock="watch")
def watch(timestamp: int) -> None:
    """Look for drift in what has been drawn since the last look."""
    from predictions.watch import look

    look()


@app.periodic(cron="* * * * *")
@app.task(queue="timetable", queueing_lock="retry_stalled")
async def retry_stalled(timestamp: int) -> None:
    """Give jobs whose worker has died (it sends a heartbeat every ten seconds) to another worker."""
    for job in await app.job_manager.get_stalled_jobs():
        if job.attempts < ATTEMPTS:
            await app.job_manager.retry_job(job)
        else:
            await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=False)


@app.periodic(cron="30 2 * * *")
@app.task(queue="timetable", queueing_lock="forget_timetable")
async def forget_timetable(timestamp: int) -> None:
    """The timetable's own jobs leave three rows a minute; those that people started are kept."""
    await app.job_manager.delete_old_jobs(
        nb_hours=24, queue="timetable", include_failed=True, include_aborted=True, include_cancelled=True
    )
