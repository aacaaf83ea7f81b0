"""Lessons: reviewed drawings that a version reads right and the one before it did not, and the reverse."""

from django.db import models
from django.db.models import F

from predictions.models.prediction import DIGITS, Prediction
from predictions.models.version import ModelVersion


class LessonQuerySet(models.QuerySet["Lesson"]):
    def won(self) -> "LessonQuerySet":
        return self.filter(after=F("prediction__true_label"))

    def lost(self) -> "LessonQuerySet":
        return self.filter(before=F("prediction__true_label"))


class Lesson(models.Model):
    """A row of its own, and not a part of the gate's word, since it goes with its drawing."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="lessons")
    prediction = models.ForeignKey(Prediction, models.CASCADE, related_name="+")
    before = models.PositiveSmallIntegerField(choices=DIGITS, help_text="As the version before reads it.")
    after = models.PositiveSmallIntegerField(choices=DIGITS)
    held_out = models.BooleanField(help_text="Neither version was trained on it.")

    objects = LessonQuerySet.as_manager()

    class Meta:
        ordering = ["-held_out", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["version", "prediction"], name="one_lesson_of_a_drawing")
        ]

    def __str__(self) -> str:
        return f"{self.before} → {self.after}"
