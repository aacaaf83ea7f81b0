"""Forgetting: weights that learned from a drawing which was deleted stop answering, and are erased."""

from datetime import timedelta
from pathlib import Path
from typing import TypedDict, Unpack

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from predictions.learning.pipeline import Changes, Made, fine_tune
from predictions.models import GateClosedError, ModelVersion, Weights
from predictions.models.job import ReportProgress

REASON = "The version before learned from drawings that were deleted."


class Forgotten(TypedDict):
    """A job's result: the version that took the active one's place, and those whose weights were erased."""

    replaced_by: str | None
    erased: list[str]


def forget(report: ReportProgress, data_dir: Path | None = None, **changes: Unpack[Changes]) -> Forgotten:
    """Where the active version is to be forgotten, make one from all drawings that are left, and promote it
    if the gate lets it pass. FORGET_DAYS after their drawing was deleted, weights are erased whatever the
    gate says: the version that fine-tuning starts from answers then.

    Raises as `fine_tune` does.
    """
    active = ModelVersion.objects.active()
    replaced_by = None
    if active and active.to_forget_since:
        replaced_by = replace(fine_tune(report, data_dir, **changes))
    return {"replaced_by": replaced_by, "erased": erase_weights()}


def replace(made: Made) -> str | None:
    """The name of the version that answers now; None where the gate has closed, and there is time left."""
    version = ModelVersion.objects.get(name=made["version"])
    try:
        version.promote(reason=REASON)
    except GateClosedError:
        if not expired().filter(active=True).exists():
            return None
        version = ModelVersion.objects.get(name=made["parent"])
        version.promote(reason=REASON, override=True)
    return version.name


def erase_weights() -> list[str]:
    """The versions' rows stay, with their figures."""
    names = list(expired().filter(active=False, weights__isnull=False).values_list("name", flat=True))
    Weights.objects.filter(version__name__in=names).delete()
    return names


def expired() -> QuerySet[ModelVersion]:
    return ModelVersion.objects.filter(
        to_forget_since__lte=timezone.now() - timedelta(days=settings.FORGET_DAYS)
    )
