"""The label check: puts a doubt on reviewed labels that other people's drawings speak against."""

from typing import Any

import numpy as np
from django.conf import settings
from django.utils import timezone

from predictions import serving
from predictions.jobs import Report
from predictions.splits import LabelDoubt, reviewed_drawings
from predictions.versions import ModelVersion

KNOWN = 3000  # MNIST digits that help to judge
KNOWN_NON_DIGITS = 300


def check_labels(report: Report) -> dict[str, Any]:
    """Doubt labels; a label that was reviewed again since it was doubted is not doubted any more."""
    from training.dataset import load_mnist
    from training.label_errors import find_label_errors
    from training.synthesis import non_digits

    # A drawing that is reviewed again from now on is settled, whatever is found about its label.
    version, at = ModelVersion.objects.active(), timezone.now()
    drawings = reviewed_drawings()
    if version is None or not len(drawings.ids):
        return {"drawings": 0, "doubted": 0}
    predictor, train = serving.load(version), load_mnist(settings.MNIST_DIR).train
    others, their_labels = non_digits(KNOWN_NON_DIGITS, train.images[:KNOWN], np.random.default_rng(0))
    known = np.concatenate([train.images[:KNOWN], others])
    report(0.0, f"judging {len(drawings.ids):,} labels")
    errors = find_label_errors(
        predictor.embed(drawings.inputs),
        drawings.labels,
        drawings.visitors,
        predictor.embed(known),
        np.concatenate([train.labels[:KNOWN], their_labels]),
    )
    doubts = [
        LabelDoubt(
            prediction_id=drawings.ids[place],
            label=drawings.labels[place],
            suggestion=suggestion,
            quality=quality,
            at=at,
        )
        for place, suggestion, quality in zip(errors.at, errors.suggestions, errors.qualities, strict=True)
    ]
    # A doubt that exists and is not open was settled by a person, whose word stands.
    LabelDoubt.objects.bulk_create(doubts, ignore_conflicts=True)
    return {"drawings": len(drawings.ids), "doubted": LabelDoubt.objects.open().count()}
