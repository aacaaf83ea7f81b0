"""Deletes what is kept no longer."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from predictions.models import ErasedId, Prediction
from predictions.models.job import ReportProgress

BATCH = 1000


def delete_expired(report: ReportProgress, days: int | None = None) -> dict[str, Any]:
    """Delete predictions older than `days` (default: RETENTION_DAYS; 0 keeps everything), except the accepted
    ones: they are the training data, which versions are traced back to. And forget the ids of what was
    deleted long ago."""
    ErasedId.objects.all().forget()
    days = settings.RETENTION_DAYS if days is None else days
    if not days:
        return {"deleted": 0}
    before = timezone.now() - timedelta(days=days)
    expired = Prediction.objects.filter(created_at__lt=before).exclude(
        review_status=Prediction.ReviewStatus.ACCEPTED
    )
    total, deleted = expired.count(), 0
    # In batches: one long transaction would hold up the review desk and the vacuum.
    while keys := list(expired.order_by("created_at").values_list("pk", flat=True)[:BATCH]):
        deleted += expired.filter(pk__in=keys).erase()  # not what was accepted since
        report(deleted / max(total, deleted), f"deleted {deleted:,}")
    return {"deleted": deleted, "before": before.isoformat()}
