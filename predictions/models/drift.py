"""Drift: how far the drawings that one version reads have moved away from its reference."""

from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from predictions.models.prediction import Prediction
from predictions.models.version import ModelVersion


class DriftMonitorQuerySet(models.QuerySet["DriftMonitor"]):
    def alarmed(self) -> Self:
        """Monitors of the active version with drift that nobody has acknowledged."""
        return self.filter(version__active=True).exclude(alarms=[])


class DriftMonitor(models.Model):
    """Compares the drawings of one version with its reference; `reference` and `charts` are
    training.drift's."""

    version = models.OneToOneField(
        ModelVersion, models.CASCADE, primary_key=True, related_name="drift_monitor"
    )
    reference = models.JSONField(null=True, help_text="Figures of ordinary drawings; made once.")
    charts = models.JSONField(default=dict)
    alarms = models.JSONField(default=list, help_text="Drift found since the last acknowledgement.")
    seen = models.PositiveBigIntegerField(default=0, help_text="Drawings compared with the reference.")
    reviewed = models.PositiveBigIntegerField(default=0, help_text="Accepted drawings, digits only.")
    reviewed_right = models.PositiveBigIntegerField(default=0)
    last_time = models.DateTimeField(null=True)
    last_id = models.UUIDField(null=True)
    acknowledged_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    acknowledged_at = models.DateTimeField(null=True)

    objects = DriftMonitorQuerySet.as_manager()

    class Meta:
        verbose_name = "drift monitor"

    def __str__(self) -> str:
        return f"{self.version}: {self.banner() or 'no drift'}"

    def banner(self) -> str:
        """The line that the admin shows on top; empty without drift."""
        found = [f"{alarm['figure'].replace('_', ' ')} {alarm['direction']}" for alarm in self.alarms]
        return f"Drift: {', '.join(found)}" if found else ""

    @property
    def accuracy(self) -> float | None:
        """The share of the reviewed drawings that the version read right, as of the last look."""
        return self.reviewed_right / self.reviewed if self.reviewed else None

    def acknowledge(self, by: Any) -> None:  # noqa: ANN401
        """Take the alarms down and begin to sum up anew."""
        self.alarms, self.charts = [], {}
        self.acknowledged_by, self.acknowledged_at = by, timezone.now()
        self.save(update_fields=["alarms", "charts", "acknowledged_by", "acknowledged_at"])

    def preceding(self) -> models.QuerySet[Prediction]:
        """This version's drawings up to the last one seen, newest first."""
        rows = Prediction.objects.filter(model_version=self.version_id, superseded=False)
        return rows.filter(created_at__lte=self.last_time).order_by("-created_at", "-pk")

    def following(self, until: datetime) -> models.QuerySet[Prediction]:
        """This version's drawings after the last one seen, oldest first."""
        rows = Prediction.objects.filter(
            model_version=self.version_id, superseded=False, created_at__lte=until
        )
        if self.last_time:
            later = Q(created_at__gt=self.last_time) | Q(pk__gt=self.last_id)
            rows = rows.filter(later, created_at__gte=self.last_time)
        return rows.order_by("created_at", "pk").only(
            "pk", "created_at", "image", "input", "digit", "confidence"
        )
