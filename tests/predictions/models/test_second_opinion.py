"""Second opinions: who is asked about what, and what becomes of it."""

from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from predictions.admin.agreement import cohens_kappa, records
from predictions.models import REJECTED, Lesson, Prediction, SecondOpinion, StaleRowError
from predictions.models.second_opinion import TRUTH
from tests import rows
from tests.meanwhile import meanwhile

pytestmark = pytest.mark.django_db
BY_LOT, NOT_BY_LOT = 0.005, 0.03


@pytest.fixture
def olive() -> User:
    return rows.operator()


@pytest.fixture
def otto() -> User:
    return rows.operator("otto")


def once_read(by: User, label: int | None, lottery: float = BY_LOT, digit: int = 1) -> Prediction:
    row = rows.prediction(digit=digit, lottery=lottery)
    status = "rejected" if label is None else "accepted"
    row.review(by, status, label, selected_by="random", expected_version=row.row_version)
    return row


def give(row: Prediction, by: User, label: int | None) -> SecondOpinion:
    SecondOpinion.objects.all().give(row, by, label, expected_version=row.row_version)
    return SecondOpinion.objects.get(pk=row.pk)


def test_the_lot_and_what_was_called_wrong_go_to_another_operator_once(olive: User, otto: User) -> None:
    by_lot, called_wrong = once_read(olive, 1), once_read(olive, 7, NOT_BY_LOT)
    once_read(olive, 1, NOT_BY_LOT)
    suspicious = rows.prediction(lottery=BY_LOT)
    suspicious.review(olive, "accepted", 7, selected_by="list", expected_version=suspicious.row_version)
    queue = Prediction.objects.all().queue
    assert queue(olive, 12, []) == []
    assert queue(otto, 12, []) == [by_lot]
    assert queue(otto, 12, [by_lot.pk]) == [called_wrong]
    give(by_lot, otto, 1)
    assert queue(rows.operator("olga"), 12, [called_wrong.pk]) == []


def test_rows_for_a_second_opinion_are_leased_and_counted_as_others_are(olive: User, otto: User) -> None:
    row, everything = once_read(olive, 1), Prediction.objects.all()
    assert (everything.waiting(10, otto), everything.waiting(10, olive)) == (1, 0)
    everything.queue(otto, 5, [])
    assert everything.queue(rows.operator("olga"), 5, []) == []
    assert (everything.filter(pk=row.pk).renew(otto), everything.filter(pk=row.pk).renew(olive)) == (1, 0)


def test_an_opinion_keeps_both_words_and_changes_no_label(olive: User, otto: User) -> None:
    row = once_read(olive, None)
    opinion = give(row, otto, 7)
    assert (opinion.first_by, opinion.first_label, opinion.by, opinion.label) == (olive, REJECTED, otto, 7)
    row.refresh_from_db()
    assert (row.review_status, row.true_label, row.reviewed_by) == ("rejected", None, olive)


def test_nobody_gives_an_opinion_twice_or_of_the_own_word_or_of_what_has_changed(
    olive: User, otto: User
) -> None:
    row = once_read(olive, 1)
    with pytest.raises(StaleRowError):
        give(row, olive, 1)
    seen = Prediction.objects.get(pk=row.pk)
    row.review(olive, "accepted", 4, expected_version=row.row_version)
    with pytest.raises(StaleRowError):
        give(seen, otto, 1)
    give(row, otto, 4)
    with pytest.raises(StaleRowError):
        give(row, rows.operator("olga"), 4)


@pytest.mark.parametrize("taken_back", [True, False])
def test_what_an_operator_decided_is_not_theirs_to_read_after_another_has_decided_too(
    olive: User, otto: User, taken_back: bool
) -> None:
    row = once_read(olive, 1)
    if taken_back:
        row.undo(olive, expected_version=row.row_version)
    row.review(otto, "accepted", 1, selected_by="random", expected_version=row.row_version)
    everything = Prediction.objects.all()
    assert (everything.waiting(10, olive), everything.queue(olive, 5, [])) == (0, [])
    with pytest.raises(StaleRowError):
        give(row, olive, 1)
    assert everything.queue(rows.operator("olga"), 5, []) == [row]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_give_an_opinion_at_once_the_second_hears_that_the_row_has_changed(
    olive: User, otto: User
) -> None:
    row, olga = once_read(olive, 1), rows.operator("olga")
    with meanwhile(lambda: give(row, otto, 1)), pytest.raises(StaleRowError):
        give(row, olga, 7)
    assert SecondOpinion.objects.get().by == otto


def test_an_opinion_that_is_taken_back_may_be_given_again(olive: User, otto: User) -> None:
    row = once_read(olive, 1)
    give(row, otto, 7)
    SecondOpinion.objects.all().take_back(row, otto, expected_version=row.row_version)
    assert give(row, otto, 1).label == 1


def test_a_difference_is_open_until_somebody_decides_after_it(olive: User, otto: User) -> None:
    row = once_read(olive, 1)
    opinion = give(row, otto, 7)
    opinions: Any = SecondOpinion.objects.annotate(truth=TRUTH)
    assert (opinions.get().truth, list(SecondOpinion.objects.all().open())) == (None, [opinion])
    row.review(otto, "accepted", 7, expected_version=row.row_version)
    assert (opinions.get().truth, list(SecondOpinion.objects.all().open())) == (7, [])
    row.review(otto, "rejected", expected_version=row.row_version)
    assert opinions.get().truth == REJECTED


def test_a_difference_about_a_decision_that_was_taken_back_goes_to_the_queue_alone(
    olive: User, otto: User
) -> None:
    row = once_read(olive, 1)
    give(row, otto, 7)
    row.undo(olive, expected_version=row.row_version)
    assert list(SecondOpinion.objects.all().open()) == []
    assert Prediction.objects.all().queue(otto, 5, []) == [row]


def test_errors_are_counted_where_the_truth_is_settled(olive: User, otto: User) -> None:
    give(once_read(olive, 1), otto, 1)
    decided, found = once_read(olive, 1), once_read(olive, 7, NOT_BY_LOT)
    give(once_read(olive, 1), otto, 3)
    give(decided, otto, 7)
    give(found, otto, 1)
    decided.review(olive, "accepted", 7, expected_version=decided.row_version)
    found.review(olive, "accepted", 1, expected_version=found.row_version)
    assert records() == [("olive", 2, 1, 1, 1), ("otto", 2, 0, 1, 0)]


@pytest.mark.parametrize(
    ("counts", "kappa"),
    # Cohen (1960), table 1: proportions of 200 cases that two judges put into three categories.
    [
        ([[88, 14, 18], [10, 40, 10], [2, 6, 12]], 0.49),
        ([[5, 0], [0, 5]], 1.0),
        ([[5, 0], [0, 0]], None),
        ([], None),
    ],
)
def test_kappa_is_cohens(counts: list[list[int]], kappa: float | None) -> None:
    found: Any = cohens_kappa({(a, b): n for a, line in enumerate(counts) for b, n in enumerate(line) if n})
    assert found == (kappa if kappa is None else pytest.approx(kappa, abs=0.005))


def test_the_release_before_deletes_a_drawing_of_whose_opinion_and_lesson_it_does_not_know(
    olive: User, otto: User
) -> None:
    row = once_read(olive, 1)
    give(row, otto, 1)
    Lesson.objects.create(version=row.model_version, prediction=row, before=1, after=2, held_out=True)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM predictions_labelchange WHERE prediction_id = %s", [row.pk])
        cursor.execute("DELETE FROM predictions_prediction WHERE id = %s", [row.pk])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert not SecondOpinion.objects.exists() and not Lesson.objects.exists()


def test_a_deleted_drawing_takes_its_opinion_along(olive: User, otto: User) -> None:
    row = once_read(olive, 1)
    give(row, otto, 1)
    Prediction.objects.filter(pk=row.pk).erase()
    assert not SecondOpinion.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_opinion_is_not_taken_back_while_somebody_decides_between_the_two() -> None:
    olive, otto, olga = (rows.operator(name) for name in ("olive", "otto", "olga"))
    row = once_read(olive, 7)
    given = give(row, otto, 1)
    decide = partial(row.review, olga, "accepted", 1, expected_version=row.row_version)
    seen = Prediction.objects.get(pk=row.pk)
    with meanwhile(decide), pytest.raises(StaleRowError):
        SecondOpinion.objects.all().take_back(seen, otto, expected_version=seen.row_version)
    assert SecondOpinion.objects.get() == given
