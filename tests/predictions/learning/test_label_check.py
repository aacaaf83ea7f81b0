"""Poisoned labels are found, doubted and kept out; a person's second look settles the doubt."""

from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import connection

from predictions.learning.drawings import reviewed_drawings
from predictions.learning.gate import count_new_labels
from predictions.learning.label_check import check_labels, keep
from predictions.learning.pipeline import fine_tune
from predictions.models import GateClosedError, LabelDoubt, ModelVersion, Prediction, SplitRow
from predictions.models.split import side_of
from tests.drawings import accepted, unique
from tests.meanwhile import meanwhile
from tests.predictions.learning.test_pipeline import QUICK, quiet
from training import label_errors
from training.dataset import Mnist
from training.label_errors import find_label_errors
from training.synthesis import digits

BATCH = 200


def clusters(count: int, seed: int) -> tuple[Any, Any]:
    """Features of ten well separated kinds."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, count)
    return np.eye(10)[labels] * 5 + random.normal(0, 1, (count, 10)), labels


def test_wrong_labels_are_found_and_right_ones_left_alone() -> None:
    known, known_labels = clusters(300, 0)
    features, truth = clusters(500, 1)
    wrong = np.random.default_rng(2).random(500) < 0.2
    labels = np.where(wrong, (truth + 1) % 10, truth)
    writers = np.arange(500) // 20
    errors = find_label_errors(features, labels, writers.astype(object), known, known_labels)
    found = np.isin(np.arange(500), errors.at)
    assert (found & wrong).sum() > 0.8 * wrong.sum()
    assert (found & ~wrong).sum() < 0.03 * 500
    right = np.mean(errors.suggestions == truth[errors.at])
    assert right > 0.9
    assert np.all(np.diff(errors.qualities) >= 0)


def test_digit_that_is_always_called_another_is_found() -> None:
    """All the 3s are one writer's, and are called 8: only the known digits tell."""
    known, known_labels = clusters(300, 0)
    features, truth = clusters(300, 1)
    threes = np.flatnonzero(truth == 3)
    labels = truth.copy()
    labels[threes] = 8
    writers = np.where(truth == 3, 0, 1 + np.arange(300) % 9)
    errors = find_label_errors(features, labels, writers.astype(object), known, known_labels)
    assert len(set(threes) & set(errors.at)) > 0.8 * len(threes)


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_drawings_are_no_problem(count: int) -> None:
    known, known_labels = clusters(300, 0)
    features, labels = clusters(count, 1)
    assert len(find_label_errors(features, labels, np.zeros(count, object), known, known_labels).at) == 0


def review_batch(version: ModelVersion, wrong_share: float) -> list[Prediction]:
    """Two hundred reviewed drawings of which so many have a wrong label; those are returned."""
    images, labels = digits(BATCH, np.random.default_rng(3))
    wrong = np.random.default_rng(4).random(BATCH) < wrong_share
    given = np.where(wrong, (labels + 1) % 10, labels)
    rows = [accepted(version, image, int(label)) for image, label in zip(images, given, strict=True)]
    return [row for row, bad in zip(rows, wrong, strict=True) if bad]


def test_batch_with_a_fifth_of_wrong_labels_does_not_become_active(
    small_version: ModelVersion, small_mnist: Mnist
) -> None:
    review_batch(small_version, 0.2)
    candidate = ModelVersion.objects.get(name=fine_tune(quiet, **QUICK)["version"])
    with pytest.raises(GateClosedError, match="reviewed labels"):
        candidate.promote()
    assert ModelVersion.objects.get(active=True) == small_version


def test_doubted_drawings_are_left_out_until_somebody_looks_again(
    version: ModelVersion, small_mnist: Mnist, admin_user: User
) -> None:
    poisoned = {row.pk for row in review_batch(version, 0.2)}
    result = check_labels(quiet)
    doubts = {doubt.pk: doubt for doubt in LabelDoubt.objects.open()}
    assert result == {"drawings": BATCH, "doubted": len(doubts)}
    assert len(poisoned & set(doubts)) > 0.5 * len(poisoned)
    assert set(reviewed_drawings().ids).isdisjoint(doubts)
    key = next(iter(doubts))
    Prediction.objects.filter(pk=key).review(admin_user, "accepted", doubts[key].label)
    assert key in set(reviewed_drawings().ids)
    check_labels(quiet)  # a person's word stands
    assert key not in set(LabelDoubt.objects.open().values_list("pk", flat=True))


def test_a_label_that_is_corrected_during_the_check_is_not_doubted(
    version: ModelVersion, small_mnist: Mnist, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned = [row.pk for row in review_batch(version, 0.2)]
    find = label_errors.find_label_errors

    def find_while_somebody_reviews(*arguments: Any) -> Any:
        Prediction.objects.filter(pk__in=poisoned).review(admin_user, "rejected")
        return find(*arguments)

    monkeypatch.setattr(label_errors, "find_label_errors", find_while_somebody_reviews)
    check_labels(quiet)
    assert LabelDoubt.objects.filter(pk__in=poisoned).exists()
    assert not LabelDoubt.objects.open().filter(pk__in=poisoned).exists()


def test_drawings_that_are_deleted_during_the_check_fail_no_training(
    small_version: ModelVersion, small_mnist: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned = [row.pk for row in review_batch(small_version, 0.2)]
    find = label_errors.find_label_errors

    def find_while_visitors_delete(*arguments: Any) -> Any:
        Prediction.objects.filter(pk__in=poisoned[::2]).erase()
        return find(*arguments)

    monkeypatch.setattr(label_errors, "find_label_errors", find_while_visitors_delete)
    fine_tune(quiet, **QUICK)
    connection.check_constraints()
    assert LabelDoubt.objects.filter(pk__in=poisoned[1::2]).exists()


def test_the_doubted_are_counted_of_the_labels_that_were_judged(
    version: ModelVersion, admin_user: User
) -> None:
    """Not of copies, nor of what was accepted once, nor of drawings in progress."""
    train, test = (
        next(person for person in (UUID(int=number) for number in range(99)) if side_of(person) == side)
        for side in ("train", "test")
    )
    doubted, *others = (accepted(version, unique(number), 3, visitor=train) for number in range(5))
    for number in range(3):
        accepted(version, unique(number), 3, visitor=test)
    SplitRow.objects.assign()
    assert SplitRow.objects.filter(side="copy").count() == 3
    LabelDoubt.objects.create(prediction=doubted, label=3, suggestion=8, quality=0.1)
    assert count_new_labels(version) == (1, 5)
    Prediction.objects.filter(pk=others[0].pk).review(admin_user, "rejected")
    Prediction.objects.filter(pk=others[1].pk).update(superseded=True)
    assert count_new_labels(version) == (1, 3)


@pytest.mark.django_db(transaction=True)
def test_drawings_that_are_deleted_at_that_moment_get_neither_doubt_nor_side(version: ModelVersion) -> None:
    gone, stays = (accepted(version, unique(number), 3) for number in range(2))
    with meanwhile(Prediction.objects.filter(pk=gone.pk).erase):
        SplitRow.objects.assign()
    assert list(SplitRow.objects.values_list("pk", flat=True)) == [stays.pk]
    gone = accepted(version, unique(2), 3)
    doubts = [LabelDoubt(prediction=row, label=3, suggestion=8, quality=0.1) for row in (gone, stays)]
    with meanwhile(Prediction.objects.filter(pk=gone.pk).erase):
        keep(doubts)
    assert list(LabelDoubt.objects.values_list("pk", flat=True)) == [stays.pk]
