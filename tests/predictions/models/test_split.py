"""Which drawings train, validate and test: never a writer nor a copy on two sides, and never a move."""

from collections import defaultdict
from uuid import UUID

import numpy as np
import pytest
from django.utils import timezone

from predictions.learning.drawings import reviewed_drawings
from predictions.models import LabelDoubt, ModelVersion, Prediction, Side, SplitRow
from predictions.models.split import side_of
from tests.drawings import accepted, logged, unique, visitor_on
from tests.meanwhile import meanwhile


def sides() -> dict[UUID, str]:
    SplitRow.objects.assign()
    return dict(SplitRow.objects.values_list("pk", "side"))


def test_only_accepted_labels_are_used(version: ModelVersion) -> None:
    used = accepted(version, unique(1), 7, digit=1)
    logged(version, unique(2), 3, user_label=5, user_label_at=timezone.now())
    logged(version, unique(3), 3, review_status="rejected", reviewed_at=timezone.now())
    drawings = reviewed_drawings()
    assert drawings.ids.tolist() == [used.pk]
    assert drawings.labels.tolist() == [7]
    assert drawings.inputs.shape == (1, 28, 28)


def test_no_writer_and_no_copy_stands_on_two_sides(version: ModelVersion) -> None:
    random = np.random.default_rng(0)
    visitors = [UUID(int=number) for number in range(1, 61)]  # of whom some stand on each side
    for _ in range(600):  # many copies: 200 different inputs
        visitor = visitors[random.integers(60)]
        accepted(version, unique(int(random.integers(200))), 3, visitor=visitor)
    drawings = reviewed_drawings()
    assert set(drawings.sides) == {"train", "validation", "test"}
    for column in (drawings.visitors, [image.tobytes() for image in drawings.inputs]):
        where = defaultdict(set)
        for value, side in zip(column, drawings.sides, strict=True):
            where[value].add(side)
        assert all(len(found) == 1 for found in where.values())


def test_split_is_stable_as_the_log_grows(version: ModelVersion) -> None:
    for number in range(100):
        accepted(version, unique(number % 80), 3)
    before = sides()
    for number in range(100):  # older drawings, accepted later, some of them copies
        accepted(version, unique(number), 4, created_at=timezone.now().replace(year=2020))
    after = sides()
    assert len(after) == 200
    assert before.items() <= after.items()


def test_copy_follows_the_side_that_had_it_first(version: ModelVersion) -> None:
    first = accepted(version, unique(1), 3, visitor=visitor_on("test"))
    sides()
    copy = accepted(version, unique(1), 3, visitor=visitor_on("train"))
    same_side = accepted(version, unique(1), 3, visitor=visitor_on("test"))
    assert sides() == {first.pk: "test", copy.pk: Side.COPY, same_side.pk: "test"}
    assert set(reviewed_drawings().ids) == {first.pk, same_side.pk}


@pytest.mark.django_db(transaction=True)
def test_two_jobs_that_split_at_once_agree(version: ModelVersion) -> None:
    row = accepted(version, unique(1), 3)
    with meanwhile(SplitRow.objects.assign):
        SplitRow.objects.assign()
    assert SplitRow.objects.get().prediction == row


def test_drawings_without_a_visitor_only_train(version: ModelVersion) -> None:
    for number in range(30):
        Prediction.objects.filter(pk=accepted(version, unique(number), 3).pk).update(visitor=None)
    assert set(sides().values()) == {"train"}


def test_about_a_tenth_of_the_visitors_test_and_a_tenth_validate() -> None:
    counts = dict.fromkeys(("train", "validation", "test"), 0)
    for number in range(5000):
        counts[side_of(UUID(int=number))] += 1
    assert counts["train"] == pytest.approx(4000, abs=100)
    assert counts["test"] == pytest.approx(500, abs=100)


def test_doubted_label_is_left_out_until_it_is_reviewed_again(version: ModelVersion) -> None:
    row = accepted(version, unique(1), 3)
    LabelDoubt.objects.create(prediction=row, label=3, suggestion=8, quality=0.01)
    assert len(reviewed_drawings().ids) == 0
    assert LabelDoubt.objects.open().count() == 1
    Prediction.objects.filter(pk=row.pk).update(reviewed_at=timezone.now())
    assert reviewed_drawings().ids.tolist() == [row.pk]
    assert LabelDoubt.objects.open().count() == 0


def test_deleting_a_drawing_takes_it_out_of_the_split(version: ModelVersion) -> None:
    accepted(version, unique(1), 3)
    sides()
    Prediction.objects.all().delete()
    assert not SplitRow.objects.exists()


def test_simulated_drawing_never_teaches(version: ModelVersion) -> None:
    accepted(version, unique(1), 3, source="simulation")
    assert sides() == {}
    assert len(reviewed_drawings()) == 0
