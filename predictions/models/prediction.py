"""The log: one row for every answered prediction."""

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Coalesce, Random
from django.utils import timezone

from classifier.image_file import DrawingError
from classifier.ink import Ink
from classifier.preprocess import read_stored, render_strokes
from predictions import pictures
from predictions.lots import DOUBTFUL_SHARE, RANDOM_SAMPLE, SURE_FROM, UNCLAIMED_SHARE
from predictions.models import review, webhook
from predictions.models.erased import REFUSE_ERASED, ErasedId
from predictions.models.insert import VALUES, insert
from predictions.models.job import Job
from predictions.models.label_change import KEEP_ANSWER, TRACE_LABELS, LabelChange
from predictions.models.review import SUPERSEDE_REOPENED
from predictions.models.version import ModelVersion

if TYPE_CHECKING:
    from classifier.predictor import Reading

NOT_A_DIGIT = 10
DIGITS = [(digit, str(digit)) for digit in range(10)]
LABELS = [*DIGITS, (NOT_A_DIGIT, "not a digit")]
NAMES = dict(LABELS)

UNSURE = 0.9  # confidence below it is rare


class PredictionQuerySet(review.ReviewQuerySet["Prediction"]):
    def labelled(self) -> Self:
        """Rows that say which digit it was: an operator's word, or else the visitor's."""
        return self.exclude(review_status=Prediction.ReviewStatus.REJECTED).filter(
            Q(true_label__isnull=False) | Q(user_label__isnull=False), superseded=False
        )

    def may_teach(self) -> Self:
        """Finished drawings whose label an operator accepted, and that somebody really drew."""
        accepted = self.filter(review_status=Prediction.ReviewStatus.ACCEPTED, superseded=False)
        return accepted.exclude(source=Prediction.Source.SIMULATION)

    def accuracy(self) -> dict[str, Any]:
        """Totals, and the share of labelled rows that the model read right (None without any)."""
        labelled = self.labelled().annotate(label=Coalesce("true_label", "user_label"))
        counts = labelled.aggregate(
            labelled=models.Count("pk"), correct=models.Count("pk", filter=Q(label=models.F("digit")))
        )
        share = counts["correct"] / counts["labelled"] if counts["labelled"] else None
        return {"predictions": self.count(), **counts, "accuracy": share}

    def before(self, prediction: "Prediction") -> Self:
        """The rows older than `prediction`, in the order of the log (keyset paging)."""
        older = Q(created_at__lt=prediction.created_at)
        return self.filter(older | Q(created_at=prediction.created_at, pk__lt=prediction.pk))

    def still_there(self, keys: Iterable[uuid.UUID]) -> set[uuid.UUID]:
        """Those of these rows that exist; nobody deletes them before the transaction ends. Other tables point
        at rows that were read a while ago, and their visitors may have deleted them meanwhile."""
        rows = self.filter(pk__in=list(keys)).order_by("pk").select_for_update(no_key=True)
        return set(rows.values_list("pk", flat=True))

    @transaction.atomic
    def erase(self) -> int:
        """Delete the rows with their traces, for good; how many there were. Their ids can't be logged again,
        and the versions that learned from them are to be forgotten.

        They are locked first: a label in the moment between would leave a trace without its row.
        """
        keys = list(self.select_for_update().order_by("pk").values_list("pk", flat=True))
        ErasedId.objects.bulk_create([ErasedId(pk=key) for key in keys])
        split = Prediction.objects.filter(pk__in=keys, split_row__isnull=False)
        learned = list(split.values_list("pk", flat=True))
        Prediction.objects.filter(pk__in=keys).only("pk").delete()
        ModelVersion.objects.forget(learned)
        Job.objects.forget(keys)
        webhook.forget(keys)
        return len(keys)


class Prediction(models.Model):
    """One answered prediction; committed before the answer is sent."""

    class ReviewStatus(models.TextChoices):
        PENDING = "pending"
        ACCEPTED = "accepted"
        REJECTED = "rejected"

    class Source(models.TextChoices):
        PAGE = "page"
        UPLOAD = "upload"
        API = "api"
        SIMULATION = "simulation"  # a made-up row, which never teaches

    class SelectedBy(models.TextChoices):
        """How a reviewed row came before the operator."""

        SUSPICION = "suspicion"
        RANDOM = "random"
        UNEVEN = "uneven", "Uneven lot"
        GRID = "grid"
        LIST = "list"
        IMPORT = "import"

    class Reason(models.TextChoices):
        LOW_CONFIDENCE = "low_confidence"
        NOT_A_DIGIT = "not_a_digit"
        UNCLEAR_PICTURE = "unclear_picture"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.API)
    visitor = models.UUIDField(null=True, blank=True, help_text="Anonymous; chosen by the visitor's page.")
    drawing = models.UUIDField(
        null=True, blank=True, help_text="The drawing in progress that this was a state of."
    )
    superseded = models.BooleanField(
        default=False, help_text="A newer prediction of the same drawing exists."
    )

    image = models.BinaryField(null=True, help_text="The picture that came, as a small file of our own.")
    strokes = models.JSONField(null=True, help_text="Pen strokes as sent: lists of [x, y].")
    input = models.BinaryField(help_text="What the model saw: 28×28 bytes, 255 is ink.")

    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="predictions")
    digit = models.PositiveSmallIntegerField(choices=DIGITS)
    confidence = models.FloatField()
    probabilities = ArrayField(models.FloatField(), size=10)
    uncertain = models.BooleanField(default=False)
    reason = models.CharField(max_length=20, choices=Reason.choices, blank=True)
    latency_ms = models.FloatField(help_text="From the request's arrival to the model's answer.")
    request_id = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="By which the logs know the request.",
    )

    user_label = models.PositiveSmallIntegerField(
        choices=LABELS, null=True, blank=True, help_text="The claim."
    )
    user_label_at = models.DateTimeField(null=True, blank=True)
    true_label = models.PositiveSmallIntegerField(
        choices=LABELS, null=True, blank=True, help_text="The truth."
    )
    review_status = models.CharField(
        max_length=10, choices=ReviewStatus.choices, default=ReviewStatus.PENDING
    )
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    selected_by = models.CharField(
        max_length=10,
        choices=SelectedBy.choices,
        blank=True,
        editable=False,
        help_text="How it came to review.",
    )
    row_version = models.PositiveIntegerField(
        default=1, db_default=1, editable=False, help_text="One more with every change of a label."
    )
    leased_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        db_index=False,  # a lease changes no index, which makes it cheap
    )
    leased_until = models.DateTimeField(null=True, editable=False)
    second_reading = models.PositiveSmallIntegerField(
        choices=DIGITS, null=True, editable=False, help_text="What another model version reads."
    )
    lottery = models.FloatField(
        default=review.draw_lot, db_default=Random(), editable=False, help_text="Draws the lots."
    )
    suspicion = models.GeneratedField(
        expression=review.SUSPICION,
        output_field=models.FloatField(),
        db_persist=True,
        help_text="How likely the model is wrong, as an order: contradicted by the visitor, read otherwise "
        "by another version, uncertain.",
    )

    objects = PredictionQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            # Answers the admin's list from the index alone: any filter and any page. Ascending, though it is
            # read backwards: rows come in the order of time, and appending fills its pages twice as well.
            models.Index(
                fields=["created_at", "id"],
                include=[
                    "digit",
                    "confidence",
                    "user_label",
                    "true_label",
                    "review_status",
                    "model_version",
                    "source",
                    "uncertain",
                    "superseded",
                ],
                name="prediction_newest",
            ),
            # The same for filters that reviewed rows pass only: in a long log, those are far from the newest.
            models.Index(
                fields=["created_at", "id"],
                include=["digit", "user_label", "true_label", "review_status"],
                condition=~Q(review_status="pending") | Q(true_label__isnull=False),
                name="prediction_reviewed",
            ),
            # And for the filters that few rows pass.
            models.Index(
                fields=["created_at", "id"], condition=Q(uncertain=True), name="prediction_uncertain"
            ),
            models.Index(
                fields=["created_at", "id"], condition=Q(superseded=True), name="prediction_superseded"
            ),
            models.Index(
                fields=["created_at", "id"], condition=review.CONFLICT, name="prediction_label_conflict"
            ),
            # A new row doesn't pay for an index that it is not in (docs/performance.md). Most answers are
            # sure; a filter that lets those through finds a page of them among the newest rows.
            models.Index(
                fields=["confidence"], condition=Q(confidence__lt=UNSURE), name="prediction_confidence"
            ),
            # For the list's counts: each value is stored once, so that a million rows take six megabytes.
            models.Index(fields=["digit"], name="prediction_digit"),
            models.Index(fields=["review_status"], name="prediction_review_status"),
            models.Index(
                fields=["user_label"], condition=Q(user_label__isnull=False), name="prediction_user_label"
            ),
            models.Index(
                fields=["true_label"], condition=Q(true_label__isnull=False), name="prediction_true_label"
            ),
            models.Index(
                fields=["reviewed_by"], condition=Q(reviewed_by__isnull=False), name="prediction_reviewed_by"
            ),
            models.Index(fields=["source"], name="prediction_source"),
            models.Index(fields=["visitor", "-created_at", "-id"], name="prediction_visitor"),
            models.Index(
                fields=["-suspicion", "id"],
                condition=Q(review_status="pending", superseded=False, lottery__gte=RANDOM_SAMPLE),
                name="prediction_queue",
            ),
            models.Index(
                fields=["lottery", "id"],
                condition=Q(review_status="pending", superseded=False, lottery__lt=RANDOM_SAMPLE),
                name="prediction_random_sample",
            ),
            models.Index(
                review.UNEVEN_PLACE,
                "id",
                condition=Q(review.UNEVEN_SAMPLE, review_status="pending", superseded=False),
                name="prediction_uneven_sample",
            ),
            models.Index(
                fields=["reviewed_at", "id"],
                condition=review.FOR_SECOND_OPINION,
                name="prediction_for_second_opinion",
            ),
            models.Index(
                fields=["model_version", "digit", "true_label", "confidence", "selected_by"],
                condition=Q(review_status="accepted"),
                name="prediction_accepted",
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(digit__range=(0, 9)), name="digit_0_to_9"),
            models.CheckConstraint(condition=Q(confidence__range=(0, 1)), name="confidence_0_to_1"),
            models.CheckConstraint(condition=Q(probabilities__len=10), name="ten_probabilities"),
            models.CheckConstraint(condition=Q(user_label__range=(0, 10)), name="user_label_0_to_10"),
            models.CheckConstraint(condition=Q(true_label__range=(0, 10)), name="true_label_0_to_10"),
            models.CheckConstraint(
                condition=~Q(review_status="accepted") | Q(true_label__isnull=False),
                name="accepted_has_true_label",
            ),
            models.CheckConstraint(
                condition=Q(review_status__in=["pending", "accepted", "rejected"]), name="known_review_status"
            ),
            models.CheckConstraint(
                condition=Q(review_status="pending") | Q(reviewed_at__isnull=False), name="reviewed_has_time"
            ),
            models.CheckConstraint(
                condition=Q(user_label__isnull=True) | Q(user_label_at__isnull=False),
                name="user_label_has_time",
            ),
            models.CheckConstraint(condition=Q(uncertain=True) ^ Q(reason=""), name="uncertain_has_reason"),
            models.UniqueConstraint(
                fields=["drawing", "visitor"],
                condition=Q(drawing__isnull=False, superseded=False, review_status="pending"),
                nulls_distinct=False,
                name="one_newest_of_a_drawing",
            ),
        ]
        triggers = [TRACE_LABELS, KEEP_ANSWER, REFUSE_ERASED, SUPERSEDE_REOPENED]
        permissions = [("export_prediction", "Can export predictions")]

    def __str__(self) -> str:
        return f"{self.digit} ({100 * self.confidence:.0f}\N{NO-BREAK SPACE}%)"

    @classmethod
    def from_reading(cls, reading: "Reading", **fields: Any) -> Self:  # noqa: ANN401
        """A row, not stored yet, that holds what the model answered."""
        return cls(
            digit=reading.digit,
            confidence=reading.confidence,
            probabilities=list(reading.probabilities),
            uncertain=reading.uncertain,
            reason=reading.reason,
            **fields,
        )

    def log(self) -> bool:
        """Insert the row; what waits for review of the same drawing of the same visitor becomes superseded.
        False if a row of that id exists, or was deleted.

        Predictions without a visitor can't be told apart, so they count as one visitor's.
        """
        if insert(self.strokes, **{name: getattr(self, name) for name in VALUES}):
            return True
        # Else another state of the drawing came at the same moment, and this one follows it.
        return not self._has_used_id() and self.log()

    def _has_used_id(self) -> bool:
        return any(model.objects.filter(pk=self.pk).exists() for model in (Prediction, ErasedId))

    def claim(self, label: int | None) -> bool:
        """Note which digit the visitor says it was; None takes that back. False once it is reviewed."""
        self.user_label, self.user_label_at = label, None if label is None else timezone.now()
        pending = Prediction.objects.filter(pk=self.pk, review_status=self.ReviewStatus.PENDING)
        return bool(pending.update(user_label=self.user_label, user_label_at=self.user_label_at))

    def review(
        self,
        by: Any,  # noqa: ANN401
        status: str,
        true_label: int | None = None,
        *,
        selected_by: str = "",
        expected_version: int,
    ) -> None:
        """Store an operator's decision, as `ReviewQuerySet.review` does, about the row as it was seen.

        Raises StaleRowError if it is not at `expected_version` any more: somebody has changed it since.
        """
        unchanged = Prediction.objects.filter(pk=self.pk, row_version=expected_version)
        if not unchanged.review(by, status, true_label, selected_by=selected_by):
            raise review.StaleRowError
        self.refresh_from_db(
            fields=["true_label", "review_status", "reviewed_by", "reviewed_at", "selected_by", "row_version"]
        )

    @property
    def drawn(self) -> bool:
        """Whether a lot chose this row: operators see it blind, since nobody's guess is to pull the label
        towards it."""
        return self.lottery < RANDOM_SAMPLE + self._uneven_share()

    def _uneven_share(self) -> float:
        """As `review.UNEVEN_SAMPLE` has it."""
        if self.user_label is None:
            return UNCLAIMED_SHARE if self.confidence >= SURE_FROM else DOUBTFUL_SHARE
        return 0.0 if self.user_label == self.digit else DOUBTFUL_SHARE

    @property
    def selected_by_queue(self) -> str:
        """How the queue selects this row, which its lottery decides; a review there stores it as
        `selected_by`."""
        if self.lottery < RANDOM_SAMPLE:
            return self.SelectedBy.RANDOM
        return self.SelectedBy.UNEVEN if self.drawn else self.SelectedBy.SUSPICION

    def undo(self, by: Any, *, expected_version: int) -> None:  # noqa: ANN401
        """Go back to what was before the last change of the row as it was seen. Raises StaleRowError."""
        last = self.changes.order_by("pk").last()
        if last is not None:
            self.restore(last, by, expected_version=expected_version)

    def restore(self, change: LabelChange, by: Any, *, expected_version: int) -> None:  # noqa: ANN401
        """Go back to the true label and the status from before `change`; traced like any change.

        Raises StaleRowError.
        """
        before = change.old_review_status, change.old_true_label
        self.review(by, *before, selected_by=self.SelectedBy.LIST, expected_version=expected_version)

    def ink(self) -> Ink | None:
        """The drawing as ink before it was scaled; None where no drawing is kept that can be read."""
        if self.strokes:
            return render_strokes(self.strokes)
        return self.picture_ink()

    def picture_ink(self) -> Ink | None:
        """The ink of the stored picture; None where there is none that can be read."""
        try:
            return read_stored(bytes(self.image)) if self.image else None
        except DrawingError:
            return None

    def to_dict(self) -> dict[str, Any]:
        """The row as the API shows it."""
        return {
            "id": self.id,
            "digit": self.digit,
            "confidence": self.confidence,
            "probabilities": self.probabilities,
            "uncertain": self.uncertain,
            "reason": self.reason or None,
            "model_version": self.model_version.name,
            "input": pictures.base64_png(pictures.as_array(self.input)),
            "created_at": self.created_at,
            "drawing": self.drawing,
            "user_label": self.user_label,
            "true_label": self.true_label,
            "review_status": self.review_status,
        }
