"""Forgetting: weights that learned from a drawing which was deleted stop answering, and are erased."""

from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import TypedDict, Unpack
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from predictions.learning.pipeline import Changes, Made, fine_tune
from predictions.models import GateClosedError, ModelVersion, Prediction, Weights
from predictions.models.job import ReportProgress

REASON = "The version before learned from drawings that were deleted."


class Forgotten(TypedDict):
    """A job's result: the version that took the active one's place, and those whose weights were erased."""

    replaced_by: str | None
    erased: list[str]


def forget(report: ReportProgress, data_dir: Path | None = None, **changes: Unpack[Changes]) -> Forgotten:
    """Where the active version is to be forgotten, make one from all drawings that are left, and promote it
    if the gate lets it pass. FORGET_DAYS after their drawing was deleted, weights are erased whatever the
    gate says, or the training has failed: the version that fine-tuning starts from answers then.

    Raises as `fine_tune` does, and GateClosedError where that version can't be read.
    """
    mark_what_learned_from_deleted()
    active = ModelVersion.objects.active()
    replaced_by = None
    try:
        if active and active.to_forget_since:
            keep_a_start()
            replaced_by = promote(fine_tune(report, data_dir, **changes))
    finally:
        try:
            replaced_by = step_back() or replaced_by
        finally:  # also where no version can take the active one's place
            erased = erase_weights()
    return {"replaced_by": replaced_by, "erased": erased}


def mark_what_learned_from_deleted() -> None:
    """A deletion marks versions itself; but a release that knew nothing of this may have run meanwhile."""
    datasets = ModelVersion.objects.values_list("dataset", flat=True)
    sides = chain.from_iterable(dataset.values() for dataset in datasets)
    named = {UUID(key) for side in sides for key in side}
    there = Prediction.objects.filter(pk__in=named).values_list("pk", flat=True)
    ModelVersion.objects.forget(named.difference(there))


def keep_a_start() -> None:
    """Where every version is to be forgotten, the shipped one takes their place."""
    from classifier.checkpoint import SHIPPED

    if ModelVersion.objects.start() is None:
        ModelVersion.objects.register(SHIPPED.read_bytes())


def promote(made: Made) -> str | None:
    """The name of the version that answers now; None where the gate has closed."""
    version = ModelVersion.objects.get(name=made["version"])
    try:
        version.promote(reason=REASON)
    except GateClosedError:
        return None
    return version.name


def step_back() -> str | None:
    """The name of the version that answers now, where the one that did had no time left; else None."""
    start = ModelVersion.objects.start()
    if start is None or not expired().filter(active=True).exists():
        return None
    start.promote(reason=REASON, override=True)
    return start.name


def erase_weights() -> list[str]:
    """The versions' rows stay, with their figures."""
    names = list(expired().filter(active=False, weights__isnull=False).values_list("name", flat=True))
    Weights.objects.filter(version__name__in=names).delete()
    return names


def expired() -> QuerySet[ModelVersion]:
    return ModelVersion.objects.filter(
        to_forget_since__lte=timezone.now() - timedelta(days=settings.FORGET_DAYS)
    )
