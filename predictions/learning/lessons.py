"""What a training taught: the reviewed drawings that only one of two versions reads right."""

import numpy as np
from django.db import transaction

from predictions.learning.drawings import reviewed_drawings
from predictions.models import NOT_A_DIGIT, Lesson, ModelVersion, Prediction, Side

KEPT = 60  # of each kind; those that are held out come first


def note_lessons(version: ModelVersion, before: ModelVersion) -> None:
    """Store the differences to the version before, in place of those to another."""
    drawings = reviewed_drawings()
    drawings = drawings[drawings.labels != NOT_A_DIGIT]
    if not len(drawings):
        return
    first, then = (each.predictor().probabilities(drawings.inputs)[0].argmax(1) for each in (before, version))
    held_out = drawings.sides == Side.TEST
    order = np.argsort(~held_out, kind="stable")
    right_before, right_now = first == drawings.labels, then == drawings.labels
    kinds = (right_now & ~right_before, right_before & ~right_now)
    kept = np.concatenate([order[kind[order]][:KEPT] for kind in kinds])
    with transaction.atomic():
        left = Prediction.objects.all().still_there(drawings.ids[kept])
        Lesson.objects.filter(version=version).delete()
        Lesson.objects.bulk_create(
            Lesson(
                version=version,
                prediction_id=drawings.ids[at],
                before=first[at],
                after=then[at],
                held_out=held_out[at],
            )
            for at in kept
            if drawings.ids[at] in left
        )
