"""Decisions about rows, the trace they leave, and who gets which row."""

import threading
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from predictions.models import LEFT_TO_QUEUE, LabelChange, Prediction, StaleRowError
from tests import rows

pytestmark = pytest.mark.django_db


def test_accepting_takes_the_visitors_label_else_the_models() -> None:
    claimed, unclaimed = rows.claimed(7, digit=1), rows.prediction(digit=4)
    Prediction.objects.all().review(rows.operator(), "accepted")
    claimed.refresh_from_db()
    unclaimed.refresh_from_db()
    assert (claimed.true_label, unclaimed.true_label) == (7, 4)


def test_a_review_stores_who_and_when_and_how_the_row_was_chosen() -> None:
    row, olive = rows.prediction(), rows.operator()
    row.review(olive, "accepted", 3, selected_by=Prediction.SelectedBy.GRID, expected_version=row.row_version)
    assert (row.true_label, row.review_status, row.reviewed_by, row.selected_by) == (
        3,
        "accepted",
        olive,
        "grid",
    )
    assert row.reviewed_at is not None
    assert timezone.now() - row.reviewed_at < timedelta(minutes=1)


def test_a_row_that_is_decided_again_keeps_how_it_was_chosen_first() -> None:
    olive, row = rows.operator(), rows.prediction(digit=1)
    row.review(
        olive, "accepted", 7, selected_by=Prediction.SelectedBy.RANDOM, expected_version=row.row_version
    )
    row.review(olive, "accepted", 1, selected_by=Prediction.SelectedBy.LIST, expected_version=row.row_version)
    assert (row.true_label, row.selected_by) == (1, "random")
    row.review(olive, "pending", expected_version=row.row_version)
    assert row.selected_by == ""
    row.review(
        olive, "rejected", None, selected_by=Prediction.SelectedBy.GRID, expected_version=row.row_version
    )
    assert row.selected_by == "grid"


def test_a_stale_review_is_refused_and_changes_nothing() -> None:
    row, olive = rows.prediction(), rows.operator()
    as_read_before = Prediction.objects.get(pk=row.pk)
    row.review(olive, "accepted", 3, expected_version=row.row_version)
    with pytest.raises(StaleRowError):
        as_read_before.review(rows.operator("otto"), "rejected", expected_version=as_read_before.row_version)
    row.refresh_from_db()
    assert (row.true_label, row.reviewed_by, row.changes.count()) == (3, olive, 1)


def test_undo_goes_back_step_by_step_and_is_traced_too() -> None:
    row, olive = rows.prediction(), rows.operator()
    row.review(olive, "accepted", 3, expected_version=row.row_version)
    row.review(olive, "rejected", expected_version=row.row_version)
    row.undo(olive, expected_version=row.row_version)
    assert (row.review_status, row.true_label) == ("accepted", 3)
    assert row.changes.count() == 3


def test_a_bulk_update_and_raw_sql_leave_a_trace_with_the_old_value() -> None:
    row = rows.claimed(7)
    Prediction.objects.filter(pk=row.pk).update(true_label=5)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE predictions_prediction SET true_label = 6")
    changes = row.changes.values_list("old_user_label", "user_label", "old_true_label", "true_label", "by")
    expected: list[Any] = [(7, 7, 5, 6, None), (7, 7, None, 5, None), (None, 7, None, None, None)]
    assert list(changes) == expected
    row.refresh_from_db()
    assert row.row_version == 4


def test_the_trace_names_the_operator_and_not_the_next_visitor() -> None:
    reviewed, claimed, olive = rows.prediction(), rows.prediction(), rows.operator()
    reviewed.review(olive, "accepted", 3, expected_version=reviewed.row_version)
    claimed.claim(3)
    assert [change.by for change in reviewed.changes.all()] == [olive]
    assert [change.by for change in claimed.changes.all()] == [None]


def test_what_was_answered_cannot_be_changed() -> None:
    row = rows.prediction(digit=1)
    with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
        Prediction.objects.filter(pk=row.pk).update(digit=2)


@pytest.mark.django_db(transaction=True)
def test_the_trace_goes_with_its_row_and_not_before() -> None:
    row = rows.claimed(7)
    with pytest.raises(ProgrammingError, match="cannot be deleted without it"):
        row.changes.all().delete()
    with pytest.raises(ProgrammingError, match="Cannot update"):
        row.changes.update(user_label=1)
    row.delete()
    assert not LabelChange.objects.exists()


def test_the_queue_begins_with_what_the_visitor_contradicts_then_what_versions_and_model_doubt() -> None:
    sure = rows.prediction(confidence=0.99)
    unsure = rows.prediction(confidence=0.4)
    disputed = rows.prediction(confidence=0.99, second_reading=7)
    contradicted = rows.claimed(7, confidence=0.99)
    confirmed = rows.claimed(1, confidence=0.4)
    order = [contradicted, disputed, unsure, sure, confirmed]
    assert list(Prediction.objects.all().most_suspicious()) == order


def test_a_batch_of_the_queue_holds_the_first_row_of_the_even_lot_and_the_first_two_of_the_uneven_one() -> (
    None
):
    for _ in range(12):
        rows.prediction(confidence=0.4)
    drawn = [rows.prediction(confidence=0.99, lottery=0.01 * n) for n in (3, 1, 2)]
    # Where their lots lie in the share that is drawn of their like: 0.5, 0.25, 0.75, and 0.27.
    uneven = [rows.prediction(confidence=0.6, lottery=0.05 + part * 0.22) for part in (0.5, 0.25, 0.75)]
    uneven.append(rows.prediction(confidence=0.99, lottery=0.05 + 0.27 * 0.04))
    batch = Prediction.objects.all().queue(rows.operator(), 12, [])
    assert len(batch) == 12
    assert [row for row in batch if row in drawn] == [drawn[1]]
    assert [row for row in batch if row in uneven] == [uneven[1], uneven[3]]
    assert [row.selected_by_queue for row in batch if row in drawn + uneven] == ["random", "uneven", "uneven"]


def test_when_nothing_else_is_left_the_queue_hands_out_both_lots() -> None:
    drawn = {rows.prediction(lottery=0.01 * n).pk for n in range(4)}
    drawn |= {rows.prediction(confidence=0.6, lottery=0.06 + 0.01 * n).pk for n in range(4)}
    olive = rows.operator()
    assert {row.pk for row in Prediction.objects.all().queue(olive, 12, [])} == drawn
    assert Prediction.objects.all().waiting(100, olive) == 8


@pytest.mark.parametrize("confidence", [0.3, 0.95, 0.99])
@pytest.mark.parametrize("claim", [None, 1, 7, 10])
def test_a_row_is_in_one_order_only_which_it_knows(confidence: float, claim: int | None) -> None:
    """The lots end where the database says: a row in Python says the same."""
    every, lots = Prediction.objects.all(), np.linspace(0.001, 0.401, 41)
    made = [rows.prediction(confidence=confidence, lottery=float(lot)) for lot in lots]
    if claim is not None:
        every.update(user_label=claim, user_label_at=timezone.now())
    orders = {
        "random": every.random_sample(),
        "uneven": every.uneven_sample(),
        "suspicion": every.most_suspicious(),
    }
    found = {row.pk: name for name, order in orders.items() for row in order}
    assert sum(order.count() for order in orders.values()) == len(made)
    assert {row.pk: row.selected_by_queue for row in every} == found
    assert all(row.drawn == (found[row.pk] != "suspicion") for row in every)
    assert set(every.filter(LEFT_TO_QUEUE)) == {row for row in every if row.drawn}
    assert set(every.filter(~LEFT_TO_QUEUE)) == set(every.most_suspicious())


@pytest.mark.parametrize(
    ("order", "index"),
    [
        ("most_suspicious", "prediction_queue"),
        ("random_sample", "prediction_random_sample"),
        ("uneven_sample", "prediction_uneven_sample"),
    ],
)
def test_a_million_rows_are_not_read_for_the_next_ones_of_an_order(order: str, index: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
    plan = getattr(Prediction.objects.all(), order)()[:2].explain()
    assert index in plan
    assert "Sort" not in plan


def test_a_leased_row_is_for_nobody_else_until_the_lease_is_over() -> None:
    row, olive, otto = rows.prediction(), rows.operator(), rows.operator("otto")
    assert Prediction.objects.all().queue(olive, 5, []) == [row]
    assert Prediction.objects.all().queue(otto, 5, []) == []
    assert Prediction.objects.all().queue(olive, 5, []) == [row]
    Prediction.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert Prediction.objects.all().queue(otto, 5, []) == [row]
    assert Prediction.objects.filter(pk=row.pk).renew(olive) == 0


def test_skipped_reviewed_and_superseded_rows_are_not_in_the_queue() -> None:
    skipped, reviewed = rows.prediction(), rows.prediction()
    rows.prediction(superseded=True)
    olive = rows.operator()
    reviewed.review(olive, "rejected", expected_version=reviewed.row_version)
    assert Prediction.objects.all().queue(olive, 5, [skipped.pk]) == []


@pytest.mark.django_db(transaction=True)
def test_operators_who_ask_at_the_same_moment_get_different_rows() -> None:
    for _ in range(40):
        rows.prediction()
    operators = [rows.operator(name) for name in ("olive", "otto", "oscar", "olga")]
    batches: list[list[Prediction]] = []

    def ask(number: int) -> None:
        batches.append(Prediction.objects.all().queue(operators[number], 10, []))
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    leased = [row.pk for batch in batches for row in batch]
    assert len(leased) == len(set(leased))
    assert len(leased) >= 30  # a row that is locked at the moment of asking is passed over
