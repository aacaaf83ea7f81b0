"""What a training taught, by two versions' readings of the reviewed drawings."""

import numpy as np
import pytest

from predictions.learning.lessons import note_lessons
from predictions.models import Lesson, ModelVersion, Prediction
from predictions.models.trial import draw
from tests import rows, samples
from tests.drawings import accepted

pytestmark = pytest.mark.django_db


@pytest.fixture
def wrong_version(small_version: ModelVersion) -> ModelVersion:
    """Reads a plain 1 as another digit: its outputs are turned by one."""
    from classifier.checkpoint import dump, load

    checkpoint = load(samples.SMALL.read_bytes())
    for name, values in checkpoint.weights.items():
        if values.shape[:1] == (11,):
            checkpoint.weights[name] = values[[*range(1, 10), 0, 10]]
    return ModelVersion.objects.register(dump(checkpoint))


def made_from(version: ModelVersion, **sides: list[Prediction]) -> None:
    version.dataset = {
        side: {str(row.pk): row.true_label for row in drawings} for side, drawings in sides.items()
    }
    version.save(update_fields=["dataset"])


def test_drawings_that_one_of_two_versions_reads_right_are_noted_held_out_first(
    small_version: ModelVersion, wrong_version: ModelVersion
) -> None:
    one, zero = draw()
    trained, held_out, other = (accepted(small_version, *each) for each in ((one, 1), (zero, 0), (one, 1)))
    both_wrong = accepted(small_version, np.roll(one, 1), 8)
    for version in (small_version, wrong_version):
        made_from(version, train=[trained, both_wrong], test=[held_out])
    note_lessons(small_version, wrong_version)
    assert [(lesson.prediction, lesson.held_out) for lesson in small_version.lessons.won()] == [
        (held_out, True),
        (trained, False),
    ]
    assert not small_version.lessons.lost().exists()
    note_lessons(wrong_version, small_version)
    assert wrong_version.lessons.lost().count() == 2
    Prediction.objects.filter(pk=trained.pk).erase()
    assert Lesson.objects.count() == 2
    assert not Lesson.objects.filter(prediction=other).exists()


def test_a_comparison_with_another_version_replaces_what_was_noted(
    small_version: ModelVersion, wrong_version: ModelVersion
) -> None:
    made_from(small_version, train=[accepted(small_version, draw()[0], 1)])
    note_lessons(small_version, wrong_version)
    assert small_version.lessons.exists()
    note_lessons(small_version, rows.version("v9"))
    assert not small_version.lessons.exists()
