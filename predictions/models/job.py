"""Work for the worker process. The queue (procrastinate, in the same database) owns a job's state; the row
here is for people: it holds who asked, for which work, how far it is and its result."""

from collections.abc import Callable, Iterable
from typing import Any, Self
from uuid import UUID

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

from predictions.models.locks import Lock, hold
from predictions.models.version import Promotion

CHANGED = "Somebody started the same work, or promoted a version, after this page was shown: look again."

# Says how far the work is: a share from 0 to 1 and a few words. May raise to stop the work.
ReportProgress = Callable[[float, str], None]


class AlreadyQueuedError(ValueError):
    """The same work waits already, or was started after somebody looked; the message says which."""


class JobQuerySet(models.QuerySet["Job"]):
    def state(self, kind: str, **arguments: Any) -> str:  # noqa: ANN401
        """What a page on starting this work shows, in short: the newest such job, and the newest promotion,
        since a training starts from the active version and a comparison is with it."""
        newest = self.filter(kind=kind, arguments=arguments).aggregate(models.Max("pk"))["pk__max"]
        return f"{newest} {Promotion.objects.all().state()}"

    @transaction.atomic
    def start_as_seen(self, state: str, kind: str, by: Any, **arguments: Any) -> "Job":  # noqa: ANN401
        """Queue a job for somebody who saw that `state`. Raises AlreadyQueuedError where it has changed."""
        hold(Lock.JOB, kind)
        if state != self.state(kind, **arguments):
            raise AlreadyQueuedError(CHANGED)
        return self.start(kind, by, **arguments)

    @transaction.atomic
    def start(self, kind: str, by: Any = None, **arguments: Any) -> "Job":  # noqa: ANN401
        """Queue a job; the worker sees it when the transaction is committed. Raises AlreadyQueuedError."""
        from procrastinate.contrib.django import app
        from procrastinate.exceptions import AlreadyEnqueued

        job = self.create(kind=kind, requested_by=by, arguments=arguments)
        # Two of a kind never run at the same time, but for replays; nor do a training and a forgetting, which
        # trains. And the same work waits only once.
        work = " ".join([kind, *map(str, arguments.values())])
        lock = {Job.Kind.REPLAY: work, Job.Kind.FORGET: Job.Kind.TRAIN}.get(Job.Kind(kind), kind)
        task = app.configure_task("predictions.tasks.do", lock=lock, queueing_lock=work)
        try:
            with transaction.atomic():
                job.queued_id = task.defer(job_id=job.pk)
        except AlreadyEnqueued as error:
            raise AlreadyQueuedError(f"{job.get_kind_display()} is queued already.") from error
        job.save(update_fields=["queued"])
        return job

    @transaction.atomic
    def forget(self, drawings: Iterable[UUID]) -> None:
        """Take deleted drawings out of what replays found. The rows are locked: two deletions at once would
        each bring the other's drawings back."""
        gone = {str(key) for key in drawings}
        replays = self.filter(kind=Job.Kind.REPLAY, result__isnull=False).order_by("pk")
        for job in replays.select_for_update(no_key=True) if gone else []:
            result = job.result or {"drawings": []}
            kept = [drawing for drawing in result["drawings"] if drawing["id"] not in gone]
            if len(kept) < len(result["drawings"]):
                job.result = result | {"drawings": kept}
                job.save(update_fields=["result"])

    def with_state(self) -> Self:
        return self.select_related("queued", "requested_by")


class Job(models.Model):
    class Kind(models.TextChoices):
        TRAIN = "train", "Training"
        COMPARE = "compare", "Comparison"
        REPLAY = "replay", "Replay"
        CHECK_LABELS = "check_labels", "Label check"
        RETENTION = "retention", "Retention"
        FORGET = "forget", "Forgetting"

    kind = models.CharField(max_length=20, choices=Kind.choices)
    arguments = models.JSONField(default=dict, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="None: the timetable.",
    )
    requested_at = models.DateTimeField(default=timezone.now)
    # The queue's table belongs to procrastinate, whose migrations may rebuild it: no constraint across.
    queued = models.ForeignKey(
        "procrastinate.ProcrastinateJob", models.DO_NOTHING, null=True, db_constraint=False, related_name="+"
    )
    progress = models.FloatField(default=0.0, help_text="From 0 to 1.")
    message = models.TextField(blank=True)
    reported_at = models.DateTimeField(null=True)
    result = models.JSONField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(progress__range=(0, 1)), name="progress_0_to_1")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"

    @property
    def state(self) -> str:
        """The queue's word: todo, doing, succeeded, failed, cancelled or aborted."""
        return self.queued.status if self.queued else "todo"

    def waits_again(self) -> bool:
        """Whether the same work waits in the queue, while this job runs."""
        from procrastinate.contrib.django.models import ProcrastinateJob

        ours = ProcrastinateJob.objects.filter(pk=self.queued_id).values("queueing_lock")
        return ProcrastinateJob.objects.filter(status="todo", queueing_lock__in=ours).exists()

    def cancel(self) -> bool:
        """Take the job from the queue, or ask it to stop where it runs. False when it has ended."""
        from procrastinate.contrib.django import app

        return self.queued_id is not None and app.job_manager.cancel_job_by_id(self.queued_id, abort=True)

    def report(self, progress: float, message: str) -> None:
        self.progress, self.message, self.reported_at = progress, message, timezone.now()
        self.save(update_fields=["progress", "message", "reported_at"])
