"""Accuracy by version, from the rows of the log."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from predictions.intervals import wilson
from predictions.learning.accuracy import accuracies, count
from predictions.learning.retention import delete_expired
from predictions.models import Prediction, SecondOpinion
from tests import rows
from tests.predictions.learning.test_pipeline import quiet

pytestmark = pytest.mark.django_db


@pytest.fixture
def olive() -> User:
    return rows.operator()


def decided(by: User, label: int | None, selected_by: str = "random", **fields: Any) -> Prediction:
    row = rows.prediction(**fields)
    status = "rejected" if label is None else "accepted"
    row.review(by, status, label, selected_by=selected_by, expected_version=row.row_version)
    return row


def test_only_digits_of_the_random_sample_are_counted_by_version(olive: User) -> None:
    for label in (1, 1, 7, 10, None):
        decided(olive, label)
    decided(olive, 7, "suspicion")
    other = decided(olive, 1, model_version=rows.version("v2")).model_version
    rows.prediction(model_version=rows.version("v3"))
    found = {key: (figures.right, figures.digits) for key, figures in count().items()}
    assert found == {rows.version().pk: (2, 3), other.pk: (1, 1)}
    assert count()[rows.version().pk].plain == wilson(2, 3)


def test_labels_of_the_uneven_lot_count_for_the_powered_interval_alone(olive: User) -> None:
    for number in range(300):
        rows.prediction(confidence=0.999 if number % 20 else 0.6)
    for number in range(40):
        decided(olive, 1, confidence=0.999 if number % 20 else 0.6)
    [before] = count().values()
    for _ in range(60):
        decided(olive, 1, "uneven", confidence=0.6)
    [after] = count().values()
    assert (after.right, after.digits, after.plain) == (before.right, before.digits, before.plain)
    assert (before.labels, after.labels) == (40, 100)
    assert after.powered[1] - after.powered[0] < before.powered[1] - before.powered[0]


LATER = {"user_label": 7, "user_label_at": timezone.now() + timedelta(days=1)}


@pytest.mark.parametrize(
    ("taken", "counts"),
    [
        ({"lottery": 0.2, "confidence": 0.6}, False),
        ({"lottery": 0.2, "confidence": 0.6, "superseded": True}, True),
        ({"lottery": 0.2, "confidence": 0.6, "model_version": "v2"}, True),
        ({"lottery": 0.06, "confidence": 0.99}, True),  # of the other group
        ({"lottery": 0.2, "confidence": 0.99}, True),
        ({"lottery": 0.3, "confidence": 0.6}, True),
        (
            {"lottery": 0.2, "confidence": 0.99, **LATER, "user_label_at": timezone.now() - timedelta(1)},
            False,
        ),
        ({"lottery": 0.2, "confidence": 0.99, **LATER}, True),
    ],
)
def test_a_group_of_the_uneven_lot_from_which_the_likeliest_errors_were_taken_does_not_count(
    olive: User, taken: dict[str, Any], counts: bool
) -> None:
    for number in range(40):
        decided(olive, 1, confidence=0.999 if number % 20 else 0.6, lottery=0.01)
        decided(olive, 1, "uneven", confidence=0.6, lottery=0.1)
    if "model_version" in taken:
        taken = taken | {"model_version": rows.version("v2")}
    decided(olive, 7, "suspicion", **taken)
    [figures] = count().values()
    assert (figures.digits, figures.labels) == (40, 80 if counts else 40)


def test_old_rows_of_the_uneven_lot_are_no_longer_counted_when_retention_has_deleted_their_like(
    olive: User, settings: Any
) -> None:
    settings.RETENTION_DAYS = 90
    for _ in range(20):
        decided(olive, 1)
    [before] = count().values()
    for _ in range(20):
        decided(olive, 7, "uneven", confidence=0.6, created_at=timezone.now() - timedelta(days=100))
    assert list(count().values()) == [before]


def test_confidences_of_all_drawings_narrow_the_interval(olive: User) -> None:
    for number in range(300):
        rows.prediction(confidence=0.999 if number % 20 else 0.6)
    for number in range(60):
        decided(olive, 1, confidence=0.999 if number % 20 else 0.6)
    [figures] = count().values()
    (low, high), (plain_low, plain_high) = figures.powered, figures.plain
    assert high - low < 0.8 * (plain_high - plain_low)


def test_retention_keeps_what_looked_wrong_and_moves_no_interval(olive: User, settings: Any) -> None:
    settings.RETENTION_DAYS = 90
    old: dict[str, Any] = {"created_at": timezone.now() - timedelta(days=100)}
    for _ in range(360):
        rows.prediction(confidence=0.999, **old)
    for _ in range(40):
        decided(olive, 1, "suspicion", confidence=0.6, **old)
    for number in range(60):
        decided(olive, 7 if number < 2 else 1, confidence=0.6 if number < 6 else 0.999, **old)
    [before] = count().values()
    assert delete_expired(quiet)["deleted"] == 360
    [after] = count().values()
    assert after.plain == before.plain
    assert after.powered == pytest.approx(before.powered, abs=0.03)


def test_an_error_that_no_second_operator_has_seen_may_be_the_operators(olive: User) -> None:
    """Until then the upper bound is as if it were right; the lower one is as if it were the model's."""
    otto = rows.operator("otto")
    for _ in range(60):
        decided(olive, 1, confidence=0.99)
    wrong = [decided(olive, 7, confidence=0.99) for _ in range(6)]
    [before] = count().values()
    for row in wrong:
        SecondOpinion.objects.all().give(row, otto, 7, expected_version=row.row_version)
    [confirmed] = count().values()
    assert (before.unsettled, confirmed.unsettled) == (6, 0)
    assert confirmed.powered[0] == before.powered[0]
    assert confirmed.powered[1] < before.powered[1]


def test_a_difference_is_settled_by_the_next_decision(olive: User) -> None:
    otto, row = rows.operator("otto"), decided(olive, 7)
    SecondOpinion.objects.all().give(row, otto, 1, expected_version=row.row_version)
    assert [figures.unsettled for figures in count().values()] == [1]
    row.review(otto, "accepted", 7, expected_version=row.row_version)
    assert [figures.unsettled for figures in count().values()] == [0]


def test_figures_are_kept_for_a_while(olive: User) -> None:
    decided(olive, 1)
    assert [figures.digits for figures in accuracies().values()] == [1]
    decided(olive, 1)
    assert [figures.digits for figures in accuracies().values()] == [1]
