"""Reviewed labels that are doubted until somebody looks at the drawing again."""

from typing import Self

from django.db import models
from django.utils import timezone

from predictions.models.prediction import LABELS, Prediction


class LabelDoubtQuerySet(models.QuerySet["LabelDoubt"]):
    def open(self) -> Self:
        return self.filter(at__gt=models.F("prediction__reviewed_at"))


class LabelDoubt(models.Model):
    """A reviewed label that other people's drawings speak against. Reviewing the drawing again, with whatever
    outcome, settles it; until then training leaves the drawing out."""

    prediction = models.OneToOneField(Prediction, models.CASCADE, primary_key=True, related_name="doubt")
    label = models.PositiveSmallIntegerField(choices=LABELS, help_text="As reviewed.")
    suggestion = models.PositiveSmallIntegerField(
        choices=LABELS, help_text="The label that the drawing looks like."
    )
    quality = models.FloatField(help_text="How well the label fits the drawing, from 0 to 1.")
    at = models.DateTimeField(default=timezone.now)

    objects = LabelDoubtQuerySet.as_manager()

    class Meta:
        ordering = ["quality"]

    def __str__(self) -> str:
        return f"{self.label}, or {self.suggestion}?"
