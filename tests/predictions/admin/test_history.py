"""Who changed what when, and the way back."""

import pytest
from django.test import Client
from django.urls import reverse

from predictions.models import Prediction
from tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(rows.operator())
    return client


def restore(desk: Client, row: Prediction, change: int, expected_version: int) -> str:
    url = reverse("admin:predictions_prediction_restore", args=[row.pk, change])
    answer = desk.post(url, {"expected_version": expected_version}, follow=True)
    row.refresh_from_db()
    return answer.content.decode()


def test_the_history_names_visitor_and_operator_with_old_and_new_values(desk: Client) -> None:
    row = rows.claimed(7, digit=1)
    row.review(rows.operator("otto"), "accepted", 4, expected_version=row.row_version)
    page = desk.get(reverse("admin:predictions_prediction_history", args=[row.pk])).context["changes"]
    told = [(str(change.by), line) for change, lines in page for line in lines]
    assert told == [
        ("otto", ("true label", "–", "4")),
        ("otto", ("status", "pending", "accepted")),
        ("None", ("visitor said", "–", "7")),
    ]


def test_a_label_that_somebody_else_confirms_is_in_the_history(desk: Client) -> None:
    row = rows.prediction()
    row.review(rows.operator("otto"), "accepted", 4, expected_version=row.row_version)
    row.review(rows.operator("olga"), "accepted", 4, expected_version=row.row_version)
    page = desk.get(reverse("admin:predictions_prediction_history", args=[row.pk])).context["changes"]
    change, lines = page[0]
    assert (change.who, lines) == ("olga", [("true label", "4", "4")])


def test_plain_sql_is_not_taken_for_the_visitor_and_can_be_restored(desk: Client) -> None:
    row = rows.claimed(7)
    Prediction.objects.filter(pk=row.pk).update(true_label=3)
    assert [change.who for change in row.changes.all()] == ["outside the desk", "visitor"]
    page = desk.get(reverse("admin:predictions_prediction_history", args=[row.pk])).content.decode()
    assert page.count("Restore what was before") == 1


def test_restore_goes_back_to_before_a_change_and_is_in_the_history_itself(desk: Client) -> None:
    row, otto = rows.prediction(), rows.operator("otto")
    row.review(otto, "accepted", 4, expected_version=row.row_version)
    row.review(otto, "accepted", 5, expected_version=row.row_version)
    latest = row.changes.first()
    assert latest
    assert "Restored" in restore(desk, row, latest.pk, row.row_version)
    assert (row.review_status, row.true_label) == ("accepted", 4)
    assert [str(change.by) for change in row.changes.all()] == ["olive", "otto", "otto"]


def test_a_stale_restore_is_refused(desk: Client) -> None:
    row, otto = rows.prediction(), rows.operator("otto")
    row.review(otto, "accepted", 4, expected_version=row.row_version)
    first = row.changes.get().pk
    row.review(otto, "rejected", expected_version=row.row_version)
    assert "Nothing was restored" in restore(desk, row, first, 2)
    assert row.review_status == "rejected"


def test_who_may_only_look_cannot_restore(client: Client) -> None:
    client.force_login(rows.operator("vera", "view_prediction"))
    row = rows.prediction()
    row.review(rows.operator(), "accepted", 4, expected_version=row.row_version)
    page = client.get(reverse("admin:predictions_prediction_history", args=[row.pk])).content.decode()
    assert "Restore" not in page
    restore(client, row, row.changes.get().pk, row.row_version)
    assert row.review_status == "accepted"
