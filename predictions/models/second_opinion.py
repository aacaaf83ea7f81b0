"""Second opinions: what another operator says of a drawing that a lot chose, shown blind to both.

The first operator's word is copied: a later decision about the row, which settles a difference, leaves the
two words as they were given.
"""

from typing import Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Case, F, Q, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from predictions.models.prediction import LABELS, Prediction
from predictions.models.review import SECOND_SHARE, StaleRowError

REJECTED = 11
WORDS = [*LABELS, (REJECTED, "rejected")]


# What two agree on, else what was decided after both; None while that is open.
TRUTH = Case(
    When(label=F("first_label"), then="label"),
    When(prediction__reviewed_at__gt=F("at"), then=Coalesce("prediction__true_label", REJECTED)),
)


class SecondOpinionQuerySet(models.QuerySet["SecondOpinion"]):
    @transaction.atomic
    def give(self, row: Prediction, by: Any, label: int | None, *, expected_version: int) -> None:  # noqa: ANN401
        """Store an operator's word (None: rejected) about the row as it was seen.

        Raises StaleRowError where the row is not that operator's to read, or not any more.
        """
        Prediction.objects.all().still_there([row.pk])  # waits for another's opinion, to find it then
        waiting = Prediction.objects.all().for_second_opinion(by)
        seen = waiting.filter(pk=row.pk, row_version=expected_version).first()
        if seen is None:
            raise StaleRowError
        drawn = seen.lottery < SECOND_SHARE
        first = {"first_by": seen.reviewed_by, "first_label": word(seen.true_label)}
        self.create(prediction=seen, by=by, label=word(label), drawn=drawn, **first)
        Prediction.objects.filter(pk=row.pk).update(leased_by=None, leased_until=None)

    @transaction.atomic
    def take_back(self, row: Prediction, by: Any, *, expected_version: int) -> None:  # noqa: ANN401
        """Raises StaleRowError where there is none of that operator, or somebody has decided since."""
        Prediction.objects.all().still_there([row.pk])  # waits for another's decision, to find it then
        given = self.filter(prediction=row, by=by, prediction__row_version=expected_version)
        if not given.delete()[0]:
            raise StaleRowError

    def differing(self) -> Self:
        return self.exclude(label=F("first_label"))

    def open(self) -> Self:
        """Those that differ from the first operator's word, until somebody decides. Where that word was taken
        back, the queue asks for another."""
        standing = self.differing().exclude(prediction__review_status="pending")
        return standing.exclude(prediction__reviewed_at__gt=F("at"))


def word(label: int | None) -> int:
    return REJECTED if label is None else label


class SecondOpinion(models.Model):
    """What two operators said, who did not know of each other's word."""

    prediction = models.OneToOneField(
        Prediction, models.CASCADE, primary_key=True, related_name="second_opinion"
    )
    first_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    first_label = models.PositiveSmallIntegerField(choices=WORDS)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    label = models.PositiveSmallIntegerField(choices=WORDS)
    drawn = models.BooleanField(help_text="Asked for by lot, and not only because the first found an error.")
    at = models.DateTimeField(default=timezone.now)

    objects = SecondOpinionQuerySet.as_manager()

    class Meta:
        ordering = ["-at"]
        constraints = [
            models.CheckConstraint(condition=~Q(by=F("first_by")), name="second_opinion_is_anothers"),
            models.CheckConstraint(
                condition=Q(first_label__range=(0, 11), label__range=(0, 11)), name="known_words"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_first_label_display()}, and {self.get_label_display()}"
