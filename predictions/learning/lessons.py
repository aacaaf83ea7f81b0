"""What a training taught: the reviewed drawings that only one of two versions reads right."""

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from predictions import pictures
from predictions.models import NOT_A_DIGIT, Lesson, ModelVersion, Prediction, Side

KEPT = 60  # of each kind; those that are held out come first


def note_lessons(version: ModelVersion, before: ModelVersion) -> None:
    """Store the differences to the version before, in place of those to another: on the drawings that the
    version was made from, and those that were held out then."""
    sides = {key: (label, side) for side, part in version.dataset.items() for key, label in part.items()}
    digits = Prediction.objects.filter(pk__in=sides, true_label__lt=NOT_A_DIGIT).order_by("pk")
    rows = list(digits.values_list("pk", "input"))
    if not rows:
        return
    inputs = pictures.stack(row[1] for row in rows)
    labels = np.array([sides[str(row[0])][0] for row in rows])
    held_out = np.array([sides[str(row[0])][1] == Side.TEST for row in rows])
    first, then = (each.predictor().probabilities(inputs)[0].argmax(1) for each in (before, version))
    lessons = [
        Lesson(
            version=version,
            prediction_id=rows[at][0],
            before=first[at],
            after=then[at],
            held_out=held_out[at],
        )
        for at in choose(first == labels, then == labels, held_out)
    ]
    with transaction.atomic():
        left = Prediction.objects.all().still_there(lesson.prediction_id for lesson in lessons)
        Lesson.objects.filter(version=version).delete()
        Lesson.objects.bulk_create(lesson for lesson in lessons if lesson.prediction_id in left)


def choose(
    right_before: NDArray[np.bool_], right_now: NDArray[np.bool_], held_out: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Places of what was won, then of what was lost."""
    order = np.argsort(~held_out, kind="stable")
    kinds = (right_now & ~right_before, right_before & ~right_now)
    return np.concatenate([order[kind[order]][:KEPT] for kind in kinds])
