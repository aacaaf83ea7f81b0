"""The worker's tasks: the jobs that people start, and the timetable."""

import time
from contextlib import suppress

from django.conf import settings
from django.utils.module_loading import import_string
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.exceptions import JobAborted, UniqueViolation
from procrastinate.jobs import Job as QueuedJob
from procrastinate.jobs import Status

from predictions import own_process
from predictions.models import AlreadyQueuedError, Job
from predictions.models.job import ReportProgress
from predictions.own_process import ProcessFailedError

SECONDS_BETWEEN_REPORTS = 1.0
# A job that takes its worker down with it is not tried for ever.
ATTEMPTS = 3
# A worker that is stopped gives its job back to the queue.
GIVEN_BACK = RetryStrategy(max_attempts=ATTEMPTS, retry_exceptions=[JobAborted])

# By name: the work imports torch, which this module must not.
WORK = {
    Job.Kind.TRAIN: "predictions.learning.pipeline.fine_tune",
    Job.Kind.COMPARE: "predictions.learning.gate.compare_with_active",
    Job.Kind.REPLAY: "predictions.learning.replay.replay",
    Job.Kind.CHECK_LABELS: "predictions.learning.label_check.check_labels",
    Job.Kind.RETENTION: "predictions.learning.retention.delete_expired",
}


@app.task(pass_context=True, retry=GIVEN_BACK)
def do(context: JobContext, job_id: int) -> None:
    """Have the work of a job row done in a process of its own; stop it where somebody asks for that."""
    job = Job.objects.get(pk=job_id)
    job.report(0.0, "started")
    try:
        run(context, "predictions.tasks.work", job_id, WORK[Job.Kind(job.kind)])
    except (JobAborted, ProcessFailedError) as error:
        job.refresh_from_db()
        if isinstance(error, JobAborted):
            job.report(job.progress, "stopped")
        elif not job.message.startswith("failed"):  # it had no time to say why
            job.report(job.progress, f"failed: {error}")
        raise


def run(context: JobContext, function: str, *arguments: object) -> None:
    """Raises JobAborted and ProcessFailedError."""
    if not own_process.run(function, *arguments, should_stop=context.should_abort):
        raise JobAborted


def work(job_id: int, function: str) -> None:
    """Do it, and keep the result; a failure's first line is kept as the message."""
    job = Job.objects.get(pk=job_id)
    try:
        result = import_string(function)(reporter(job), **job.arguments)
    except Exception as error:
        job.report(job.progress, f"failed: {error}"[:500])
        raise
    job.result = result
    job.save(update_fields=["result"])
    job.report(1.0, "done")


def reporter(job: Job) -> ReportProgress:
    """Reports at most once a second."""
    reported = float("-inf")

    def report(progress: float, message: str) -> None:
        nonlocal reported
        if time.monotonic() - reported > SECONDS_BETWEEN_REPORTS:
            reported = time.monotonic()
            job.report(progress, message)

    return report


@app.periodic(cron="0 2 * * *")
@app.task(queue="timetable", queueing_lock="nightly")
def nightly(timestamp: int) -> None:
    """Delete what is too old; train when enough new drawings have been reviewed."""
    from predictions.learning.pipeline import new_drawings

    start_unless_queued(Job.Kind.RETENTION)
    if new_drawings() >= settings.RETRAIN_AFTER:
        start_unless_queued(Job.Kind.TRAIN)


def start_unless_queued(kind: str) -> None:
    with suppress(AlreadyQueuedError):  # somebody was faster: the work is queued, which is all that is wanted
        Job.objects.start(kind)


@app.periodic(cron="*/10 * * * *")
@app.task(queue="timetable", queueing_lock="look_for_drift", pass_context=True)
def look_for_drift(context: JobContext, timestamp: int) -> None:
    """Compare the drawings since the last look with their reference."""
    run(context, "predictions.learning.drift.look_for_drift")


@app.periodic(cron="* * * * *")
@app.task(queue="timetable", queueing_lock="retry_stalled")
async def retry_stalled(timestamp: int) -> None:
    """Give jobs whose worker has died (it sends a heartbeat every ten seconds) to another worker."""
    for job in await app.job_manager.get_stalled_jobs():
        try:
            if job.attempts < ATTEMPTS:
                await app.job_manager.retry_job(job)
            else:
                await end(job, f"failed: its worker died {ATTEMPTS} times")
        except UniqueViolation:
            await end(job, "failed: its worker died, and another waits to do the same")


async def end(job: QueuedJob, message: str) -> None:
    await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=False)
    await Job.objects.filter(queued=job.id).aupdate(message=message)


@app.periodic(cron="30 2 * * *")
@app.task(queue="timetable", queueing_lock="forget_timetable")
async def forget_timetable(timestamp: int) -> None:
    """The timetable's own jobs leave three rows a minute; those that people started are kept."""
    await app.job_manager.delete_old_jobs(
        nb_hours=24, queue="timetable", include_failed=True, include_aborted=True, include_cancelled=True
    )
