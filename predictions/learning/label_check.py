"""The label check: puts a doubt on reviewed labels that other people's drawings speak against."""

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import transaction
from django.template.defaultfilters import pluralize
from django.utils import timezone

from predictions.learning.drawings import ReviewedDrawings, reviewed_drawings
from predictions.models import LabelDoubt, ModelVersion, Prediction

if TYPE_CHECKING:
    from classifier.predictor import Predictor
    from predictions.models.job import ReportProgress
    from training.dataset import Digits
    from training.label_errors import LabelErrors

KNOWN = 3000  # MNIST digits that help to judge
KNOWN_NON_DIGITS = 300


class Checked(TypedDict):
    """A job's result: how many labels were judged, and how many are doubted now."""

    drawings: int
    doubted: int


def check_labels(report: "ReportProgress") -> Checked:
    """Judge every reviewed label. Raises training.dataset.DatasetError."""
    from training.dataset import load_mnist

    drawings = reviewed_drawings()
    report(0.0, f"judging {len(drawings):,} label{pluralize(len(drawings))}")
    doubt_labels(drawings, load_mnist(settings.MNIST_DIR).train)
    return {"drawings": len(drawings), "doubted": LabelDoubt.objects.open().count()}


def doubt_labels(drawings: ReviewedDrawings, known: "Digits") -> Collection[UUID]:
    """Doubt labels beside `known` digits, by the features of the version that fine-tuning starts from, which
    has learned none of them; the drawings with open doubts.

    A label that was reviewed again since it was doubted is not doubted any more. Before a version is promoted
    there are no features, and no doubts.
    """
    # A drawing that is reviewed again from now on is settled, whatever is found about its label.
    version, at = ModelVersion.objects.start(), timezone.now()
    if version is None or not len(drawings):
        return set()
    errors = find_errors(version.predictor(), drawings, known[:KNOWN])
    keep(doubts(errors, drawings, at))
    return set(LabelDoubt.objects.open().values_list("prediction_id", flat=True))


def find_errors(predictor: "Predictor", drawings: ReviewedDrawings, known: "Digits") -> "LabelErrors":
    from training.label_errors import find_label_errors
    from training.synthesis import non_digits

    others, their_labels = non_digits(KNOWN_NON_DIGITS, known.images, np.random.default_rng(0))
    return find_label_errors(
        predictor.embed(drawings.inputs),
        drawings.labels,
        drawings.visitors,
        predictor.embed(np.concatenate([known.images, others])),
        np.concatenate([known.labels, their_labels]),
    )


@transaction.atomic
def keep(found: list[LabelDoubt]) -> None:
    """Store the doubts about drawings that nobody has deleted meanwhile."""
    left = Prediction.objects.all().still_there(doubt.prediction_id for doubt in found)
    # A doubt that exists and is not open was settled by a person, whose word stands.
    LabelDoubt.objects.bulk_create(
        [doubt for doubt in found if doubt.prediction_id in left], ignore_conflicts=True
    )


def doubts(errors: "LabelErrors", drawings: ReviewedDrawings, at: datetime) -> list[LabelDoubt]:
    found = zip(errors.at, errors.suggestions, errors.qualities, strict=True)
    return [
        LabelDoubt(
            prediction_id=drawings.ids[place],
            label=drawings.labels[place],
            suggestion=suggestion,
            quality=quality,
            at=at,
        )
        for place, suggestion, quality in found
    ]
