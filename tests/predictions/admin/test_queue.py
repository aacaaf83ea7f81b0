"""What the queue's and the grid's pages ask the server."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from predictions.models import Prediction, SecondOpinion
from tests import rows

pytestmark = pytest.mark.django_db
DESK = "/admin/predictions/prediction/"


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(rows.operator())
    return client


def ask(client: Client, path: str, body: Any, status: int = 200) -> Any:
    answer = client.post(DESK + path, body, content_type="application/json")
    assert answer.status_code == status, answer.content
    return answer.json()


def lease(client: Client, count: int = 5, held: Any = (), skipped: Any = ()) -> Any:
    return ask(client, "queue/lease/", {"held": list(held), "skipped": list(skipped), "count": count})


def decision(row: Prediction, status: str = "accepted", true_label: int | None = 7) -> dict[str, Any]:
    return {"id": row.pk, "row_version": row.row_version, "status": status, "true_label": true_label}


def test_a_lease_hands_out_what_the_operator_needs_to_see(desk: Client) -> None:
    row = rows.claimed(7, digit=1, confidence=0.9)
    answer = lease(desk)
    assert answer["waiting"] == 1
    shown = answer["rows"][0]
    assert (shown["id"], shown["digit"], shown["user_label"]) == (str(row.pk), 1, 7)
    assert shown["input"].startswith("data:image/png;base64,")
    assert desk.get(shown["drawing"]).status_code == 200


def test_held_and_skipped_rows_are_not_handed_out_again(desk: Client) -> None:
    held, skipped, other = (rows.prediction() for _ in range(3))
    lease(desk)
    answer = lease(desk, held=[held.pk], skipped=[skipped.pk])
    assert [row["id"] for row in answer["rows"]] == [str(other.pk)]
    assert answer["lost"] == []


def test_a_page_that_lost_its_lease_is_told_so(desk: Client) -> None:
    row = rows.prediction()
    Prediction.objects.all().queue(rows.operator("otto"), 5, [])
    assert lease(desk, held=[row.pk])["lost"] == [str(row.pk)]


def test_whoever_undoes_often_holds_more_rows_than_a_page_is_given(desk: Client) -> None:
    held = [rows.prediction().pk for _ in range(60)]
    lease(desk, held=held, count=0)
    assert Prediction.objects.filter(leased_by__username="olive").count() == 60


def test_a_lease_needs_at_most_thirteen_queries(desk: Client) -> None:
    held = [rows.prediction(lottery=lot) for lot in (0.01, 0.5)]
    lease(desk)
    fresh = [rows.prediction(lottery=lot) for lot in (0.02, 0.6)]
    with CaptureQueriesContext(connection) as captured:
        answer = lease(desk, count=2, held=[row.pk for row in held])
    # A transaction's begin and end are savepoints here, because every test is one transaction.
    assert len(captured) <= 13  # one for each order that the queue hands out
    assert {row["id"] for row in answer["rows"]} == {str(row.pk) for row in fresh}


def test_a_decision_is_stored_with_how_the_row_was_chosen(desk: Client) -> None:
    suspicious, drawn = rows.prediction(digit=1), rows.prediction(digit=1, lottery=0.001)
    for row in (suspicious, drawn):
        assert ask(desk, "queue/review/", decision(row))["row_version"] == 2
        row.refresh_from_db()
        assert (row.true_label, row.review_status) == (7, "accepted")
    assert (suspicious.selected_by, drawn.selected_by) == ("suspicion", "random")


def test_a_stale_decision_is_refused_with_a_message(desk: Client) -> None:
    row = rows.prediction()
    stale = decision(row)
    row.review(rows.operator("otto"), "rejected", expected_version=row.row_version)
    assert "Somebody else changed" in ask(desk, "queue/review/", stale, status=409)["message"]
    row.refresh_from_db()
    assert row.review_status == "rejected"


def test_a_decision_whose_answer_got_lost_may_be_sent_again(desk: Client) -> None:
    row = rows.prediction()
    first, again = (ask(desk, "queue/review/", decision(row)) for _ in range(2))
    assert first == again == {"row_version": 2}
    assert row.changes.count() == 1
    ask(desk, "queue/review/", decision(row, true_label=8), status=409)


def test_a_decision_about_a_deleted_row_is_refused(desk: Client) -> None:
    gone = decision(rows.prediction()) | {"id": uuid.uuid4()}
    ask(desk, "queue/review/", gone, status=409)


def test_undo_hands_the_row_out_again_as_it_was(desk: Client) -> None:
    row = rows.claimed(7)
    ask(desk, "queue/review/", decision(row))
    row.refresh_from_db()
    shown = ask(desk, "queue/undo/", {"id": row.pk, "row_version": row.row_version})["row"]
    row.refresh_from_db()
    assert (row.review_status, row.true_label, row.user_label) == ("pending", None, 7)
    assert shown["row_version"] == row.row_version
    assert row.leased_by is not None


def test_an_undo_whose_answer_got_lost_may_be_sent_again(desk: Client) -> None:
    row = rows.prediction()
    ask(desk, "queue/review/", decision(row))
    seen = {"id": row.pk, "row_version": row.row_version + 1}
    first, again = (ask(desk, "queue/undo/", seen)["row"] for _ in range(2))
    assert first == again
    assert (first["row_version"], row.changes.count()) == (3, 2)


@pytest.mark.parametrize("who", ["olive", "otto"])
def test_an_undo_of_what_was_decided_otherwise_meanwhile_is_refused(desk: Client, who: str) -> None:
    """By somebody else, or by the same operator on another page."""
    row = rows.prediction()
    ask(desk, "queue/review/", decision(row))
    seen = {"id": row.pk, "row_version": row.row_version + 1}
    row.refresh_from_db()
    other = User.objects.filter(username=who).first() or rows.operator(who)
    row.review(other, "accepted", 8, expected_version=row.row_version)
    assert "Their decision stands" in ask(desk, "queue/undo/", seen, status=409)["message"]
    row.refresh_from_db()
    assert (row.true_label, row.row_version) == (8, 3)


def test_what_somebody_else_took_back_is_not_this_operators_undo(desk: Client) -> None:
    row = rows.prediction()
    ask(desk, "queue/review/", decision(row))
    row.refresh_from_db()
    seen = {"id": row.pk, "row_version": row.row_version}
    row.undo(rows.operator("otto"), expected_version=row.row_version)
    ask(desk, "queue/undo/", seen, status=409)


def test_undo_of_what_nobody_decided_is_refused(desk: Client) -> None:
    row = rows.prediction()
    row.claim(7)
    for row_version in (0, 7):
        ask(desk, "queue/undo/", {"id": row.pk, "row_version": row_version}, status=409)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"id": 1}', b'{"held": "x", "skipped": [], "count": 1}', b"\xff"]
)
@pytest.mark.parametrize(
    "path",
    ["queue/lease/", "queue/review/", "queue/undo/", "queue/opinion/", "queue/opinion/undo/", "grid/review/"],
)
def test_what_no_page_sends_is_refused(desk: Client, path: str, body: bytes) -> None:
    assert desk.post(DESK + path, body, content_type="application/json").status_code == 400


def test_the_grid_holds_the_most_suspicious_rows_that_are_read_as_one_digit(desk: Client) -> None:
    rows.prediction(digit=2)
    sure, unsure = rows.prediction(digit=1, confidence=0.99), rows.prediction(digit=1, confidence=0.5)
    answer = ask(desk, "grid/1/", {})
    assert [row["id"] for row in answer["rows"]] == [str(unsure.pk), str(sure.pk)]
    unsure.refresh_from_db()
    assert unsure.leased_by is not None


def test_a_grid_is_stored_but_for_what_others_changed(desk: Client) -> None:
    right, wrong, taken = rows.prediction(digit=1), rows.prediction(digit=1), rows.prediction(digit=1)
    decisions = [decision(right, true_label=1), decision(wrong, "rejected", None), decision(taken)]
    taken.review(rows.operator("otto"), "accepted", 4, expected_version=taken.row_version)
    answer = ask(desk, "grid/review/", {"decisions": decisions})
    assert answer == {"stale": 1}
    stored = {
        row.pk: (row.review_status, row.true_label, row.selected_by) for row in Prediction.objects.all()
    }
    assert stored == {
        right.pk: ("accepted", 1, "grid"),
        wrong.pk: ("rejected", None, "grid"),
        taken.pk: ("accepted", 4, ""),
    }


@pytest.mark.parametrize("path", ["queue/", "grid/"])
def test_the_pages_bring_no_script_or_style_of_ours_inline(desk: Client, path: str) -> None:
    page = desk.get(DESK + path).content.decode()
    ours = page[page.index('id="queue"' if path == "queue/" else 'id="grid"') :]
    assert "style=" not in ours.split("</main>")[0].split('id="nav')[0]
    assert "<script>" not in page


def test_who_may_only_look_has_no_queue(client: Client) -> None:
    client.force_login(rows.operator("vera", "view_prediction"))
    assert client.get(f"{DESK}queue/").status_code == 403
    assert client.post(f"{DESK}queue/lease/", {}, content_type="application/json").status_code == 403


def test_the_random_sample_is_handed_out_without_anybodys_guess(desk: Client) -> None:
    row = rows.claimed(7, digit=1, lottery=0.03)
    shown = lease(desk)["rows"][0]
    assert (shown["id"], shown["blind"], shown["second"]) == (str(row.pk), True, False)
    assert set(shown) == {"id", "row_version", "blind", "second", "version", "drawing", "input"}
    ask(desk, "queue/review/", decision(row))
    row.refresh_from_db()
    undone = ask(desk, "queue/undo/", {"id": row.pk, "row_version": row.row_version})["row"]
    assert set(undone) == set(shown)


def test_a_second_opinion_is_stored_beside_the_decision_and_may_be_undone(desk: Client) -> None:
    row = rows.prediction(lottery=0.005)
    otto = rows.operator("otto")
    row.review(otto, "accepted", 1, selected_by="random", expected_version=row.row_version)
    shown = lease(desk)["rows"][0]
    assert (shown["id"], shown["blind"], shown["second"]) == (str(row.pk), True, True)
    for _ in range(2):  # the answer got lost: the page sends it again
        ask(desk, "queue/opinion/", decision(row))
    ask(desk, "queue/opinion/", decision(row, true_label=8), status=409)
    assert list(SecondOpinion.objects.values_list("label", "by__username")) == [(7, "olive")]
    row.refresh_from_db()
    assert (row.true_label, row.reviewed_by) == (1, otto)
    seen = {"id": row.pk, "row_version": row.row_version}
    for _ in range(2):
        assert ask(desk, "queue/opinion/undo/", seen)["row"]["second"]
        assert not SecondOpinion.objects.exists()
    SecondOpinion.objects.all().give(row, rows.operator("olga"), 1, expected_version=row.row_version)
    ask(desk, "queue/opinion/undo/", seen, status=409)
    assert SecondOpinion.objects.get().by.username == "olga"
