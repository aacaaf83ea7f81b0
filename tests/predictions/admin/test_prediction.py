"""The list of predictions and one prediction's page."""

import io
import re
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from predictions.admin.prediction import NO_LABEL
from predictions.models import Prediction
from tests import rows
from tests.meanwhile import meanwhile

pytestmark = pytest.mark.django_db
LIST = "/admin/predictions/prediction/"


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(rows.operator())
    return client


def save(desk: Client, row: Prediction, **fields: object) -> str:
    url = reverse("admin:predictions_prediction_change", args=[row.pk])
    form = {
        "true_label": "",
        "review_status": row.review_status,
        "expected_version": row.row_version,
    } | fields
    answer = desk.post(url, form, follow=True)
    assert answer.status_code == 200
    row.refresh_from_db()
    return answer.content.decode()


def test_a_corrected_label_accepts_the_row_and_stores_who_and_when(desk: Client) -> None:
    row = rows.prediction(digit=1)
    save(desk, row, true_label=7)
    assert (row.true_label, row.review_status, row.selected_by) == (7, "accepted", "list")
    assert row.reviewed_by is not None
    assert row.reviewed_by.username == "olive"
    assert row.reviewed_at is not None


def test_saving_without_a_change_is_no_decision(desk: Client) -> None:
    row = rows.prediction()
    save(desk, row)
    assert (row.review_status, row.changes.count()) == ("pending", 0)


def test_a_stale_save_is_refused_with_a_message(desk: Client) -> None:
    row = rows.prediction(digit=1)
    row.review(rows.operator("otto"), "accepted", 7, expected_version=row.row_version)
    page = save(desk, row, true_label=2, expected_version=1)
    assert "Somebody else changed this prediction" in page
    assert row.true_label == 7


@pytest.mark.parametrize("before", ["pending", "accepted", "rejected"])
def test_accepting_without_a_label_asks_for_it_beside_the_field(desk: Client, before: str) -> None:
    row = rows.claimed(7, digit=1)
    if before != "pending":
        row.review(rows.operator("otto"), before, expected_version=row.row_version)
    decided = row.review_status, row.true_label, row.row_version
    url = reverse("admin:predictions_prediction_change", args=[row.pk])
    form = {"true_label": "", "review_status": "accepted", "expected_version": row.row_version}
    page = desk.post(url, form)
    assert page.context["adminform"].form.errors == {"true_label": [NO_LABEL]}
    assert NO_LABEL in page.content.decode()
    row.refresh_from_db()
    assert (row.review_status, row.true_label, row.row_version) == decided


def test_a_label_that_does_not_exist_is_refused(desk: Client) -> None:
    row = rows.prediction()
    save(desk, row, true_label=11)
    assert row.true_label is None


@pytest.mark.parametrize(
    ("action", "fields", "status", "labels"),
    [
        ("accept", {}, "accepted", {7, 4}),
        ("reject", {}, "rejected", {None}),
        ("set_label", {"true_label": 5}, "accepted", {5}),
    ],
)
def test_an_action_says_how_many_rows_and_changes_them_once_confirmed(
    desk: Client, action: str, fields: dict[str, int], status: str, labels: set[int | None]
) -> None:
    chosen = [rows.claimed(7, digit=1), rows.prediction(digit=4)]
    other = rows.prediction()
    form = {"action": action, "_selected_action": [str(row.pk) for row in chosen]}
    question = desk.post(LIST, form)
    assert "<strong>2</strong> predictions?" in question.content.decode()
    assert Prediction.objects.exclude(review_status="pending").count() == 0
    as_of = question.context["form"]["as_of"].value()
    answer = desk.post(LIST, form | {"as_of": as_of} | fields, follow=True)
    assert f"2 predictions {status}." in answer.content.decode()
    reviewed = Prediction.objects.exclude(pk=other.pk)
    assert {row.true_label for row in reviewed} == labels
    assert {row.review_status for row in reviewed} == {status}
    other.refresh_from_db()
    assert other.review_status == "pending"


@pytest.mark.parametrize(
    ("action", "fields", "status"),
    [("accept", {}, "accepted"), ("reject", {}, "rejected"), ("set_label", {"true_label": 7}, "accepted")],
)
def test_an_action_leaves_to_the_queue_what_a_lot_drew(
    desk: Client, action: str, fields: dict[str, int], status: str
) -> None:
    chosen, earlier = rows.prediction(), rows.prediction(lottery=0.01, superseded=True)
    decided = rows.prediction(lottery=0.02)
    decided.review(rows.operator("otto"), "accepted", 3, selected_by="random", expected_version=1)
    left = [rows.claimed(7, digit=1, lottery=lottery) for lottery in (0.01, 0.26)]
    left.append(rows.prediction(confidence=0.99, lottery=0.08))
    form = {"action": action, "select_across": "1", "_selected_action": [str(chosen.pk)]}
    question = desk.post(LIST, form)
    assert "<strong>3</strong> predictions?" in question.content.decode()
    assert "3 more are left to the queue: a lot drew them" in question.content.decode()
    as_of = question.context["form"]["as_of"].value()
    page = desk.post(LIST, form | {"as_of": as_of} | fields, follow=True).content.decode()
    assert f"3 predictions {status}." in page
    assert "3 were left to the queue: a lot drew them to measure accuracy." in page
    assert "changed by others" not in page
    stored = {row.pk: (row.review_status, row.selected_by) for row in Prediction.objects.all()}
    assert stored == {
        chosen.pk: (status, "list"),
        earlier.pk: (status, "list"),  # nobody is asked about it, and no estimate counts it
        decided.pk: (status, "random"),
        **{row.pk: ("pending", "") for row in left},
    }


def test_a_rows_own_page_decides_also_what_a_lot_drew(desk: Client) -> None:
    row = rows.prediction(digit=1, lottery=0.01)
    save(desk, row, true_label=7)
    assert (row.true_label, row.review_status, row.selected_by) == (7, "accepted", "list")


def test_an_action_leaves_rows_alone_that_changed_after_the_question(desk: Client) -> None:
    row = rows.prediction()
    form = {"action": "accept", "_selected_action": [str(row.pk)]}
    as_of = desk.post(LIST, form).context["form"]["as_of"].value()
    row.review(rows.operator("otto"), "rejected", expected_version=row.row_version)
    answer = desk.post(LIST, form | {"as_of": as_of}, follow=True)
    assert "1 prediction was changed by others meanwhile and left alone." in answer.content.decode()
    row.refresh_from_db()
    assert row.review_status == "rejected"


def test_an_action_about_all_that_match_leaves_rows_alone_that_came_after_the_question(desk: Client) -> None:
    asked = rows.prediction()
    form = {"action": "accept", "_selected_action": [str(asked.pk)], "select_across": "1"}
    as_of = desk.post(LIST, form).context["form"]["as_of"].value()
    later = rows.prediction()
    answer = desk.post(LIST, form | {"as_of": as_of}, follow=True)
    assert "1 prediction accepted." in answer.content.decode()
    accepted = Prediction.objects.filter(review_status="accepted")
    assert [row.pk for row in accepted] == [asked.pk]
    later.refresh_from_db()
    assert later.review_status == "pending"


def test_an_action_is_confirmed_in_the_hour_that_happens_twice(
    desk: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    for hour in (0, 1):  # 02:30 in summer time, and again in winter time
        now = datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
        row = rows.prediction(created_at=now - timedelta(minutes=20))
        rows.prediction(created_at=now + timedelta(minutes=20))
        form = {"action": "accept", "select_across": "1", "_selected_action": [str(row.pk)]}
        with monkeypatch.context() as patch:
            patch.setattr(timezone, "now", lambda now=now: now)
            question = desk.post(f"{LIST}?review_status__exact=pending", form)
        hidden = re.search(r'name="as_of" value="([^"]+)"', question.content.decode())
        assert hidden
        desk.post(f"{LIST}?review_status__exact=pending", form | {"as_of": hidden[1]})
        row.refresh_from_db()
        assert row.review_status == "accepted"
    assert Prediction.objects.filter(review_status="pending").count() == 1


def test_the_time_filter_covers_both_hours_of_one_name(desk: Client, settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    half_past_two = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (1, 0)]
    both = [rows.prediction(created_at=moment) for moment in half_past_two]
    day = "created_at_{0}_0=2026-10-25&created_at_{0}_1=02:30:00"
    for end in ("from", "to"):
        assert list(desk.get(f"{LIST}?{day.format(end)}").context["cl"].result_list) == both


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("digit__exact=1", {"one", "slip"}),
        ("review_status__exact=accepted", {"slip"}),
        ("reading=wrong", {"slip"}),
        ("reading=right", set()),
        ("conflict=model", {"slip"}),
        ("confidence_from=0.5&confidence_to=0.7", {"doubt"}),
        ("uncertain__exact=1", {"doubt"}),
        ("source__exact=page", {"doubt"}),
        ("true_label__exact=7", {"slip"}),
        ("user_label__exact=7", {"slip"}),
    ],
)
def test_filters(desk: Client, query: str, found: set[str]) -> None:
    slip = rows.claimed(7, digit=1)
    named = {
        rows.prediction(digit=1).pk: "one",
        slip.pk: "slip",
        rows.prediction(
            digit=2, confidence=0.6, uncertain=True, reason="low_confidence", source="page"
        ).pk: "doubt",
    }
    slip.review(rows.operator("otto"), "accepted", expected_version=slip.row_version)
    listed = desk.get(f"{LIST}?{query}").context["cl"].result_list
    assert {named[row.pk] for row in listed} == found


def test_the_time_filter_takes_days_and_times(desk: Client) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    early, late = rows.prediction(created_at=noon), rows.prediction(created_at=noon + timedelta(days=1))
    for query, found in (
        ("created_at_from_0=2026-03-02", [late]),
        ("created_at_to_0=2026-03-01", [early]),
        ("created_at_from_0=2026-03-01&created_at_from_1=12:00:01", [late]),
        ("created_at_from_0=yesterday", [late, early]),
        ("created_at_from_0=2026-02-31", [late, early]),
    ):
        assert list(desk.get(f"{LIST}?{query}").context["cl"].result_list) == found


def test_the_version_filter_names_versions(desk: Client) -> None:
    row = rows.prediction(model_version=rows.version("v2"))
    rows.prediction()
    answer = desk.get(f"{LIST}?model_version__id__exact={row.model_version.pk}")
    assert [found.pk for found in answer.context["cl"].result_list] == [row.pk]
    assert "v2" in answer.content.decode()


@pytest.mark.parametrize("unknown", ["abc", "0"])
def test_an_unknown_version_in_the_address_filters_nothing(desk: Client, unknown: str) -> None:
    row = rows.prediction()
    answer = desk.get(f"{LIST}?model_version__id__exact={unknown}")
    assert [found.pk for found in answer.context["cl"].result_list] == [row.pk]


@pytest.mark.parametrize("query", ["source=%00", "review_status__exact=a%00", "q=%00"])
def test_an_address_with_a_nul_is_a_bad_request(desk: Client, query: str) -> None:
    assert desk.get(f"{LIST}?{query}").status_code == 400


def test_an_action_about_a_key_that_is_not_valid_is_a_bad_request(desk: Client) -> None:
    request = desk.post(LIST, {"action": "reject", "_selected_action": ["no key"]})
    assert request.status_code == 400


def test_search_finds_an_id_by_its_beginning_and_a_visitor(desk: Client) -> None:
    visitor = uuid.uuid4()
    row = rows.prediction(visitor=visitor)
    rows.prediction()
    for query in (str(row.pk), str(row.pk)[:10], str(visitor)):
        listed = desk.get(LIST, {"q": query}).context["cl"].result_list
        assert [found.pk for found in listed] == [row.pk]
    assert not desk.get(LIST, {"q": "no id"}).context["cl"].result_list


def test_pages_hold_every_row_once_in_the_order_of_the_log(desk: Client) -> None:
    for _ in range(120):
        rows.prediction()
    pages = [desk.get(LIST, {"p": page}).context["cl"].result_list for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [50, 50, 20]
    assert [row.pk for page in pages for row in page] == [row.pk for row in Prediction.objects.all()]


def test_a_page_after_the_last_is_the_last(desk: Client) -> None:
    for _ in range(60):
        rows.prediction()
    assert len(desk.get(LIST, {"p": 9}).context["cl"].result_list) == 10


def test_a_page_needs_at_most_twelve_queries_and_reads_no_large_column(desk: Client) -> None:
    for name in ("v1", "v2", "v3"):
        for _ in range(20):
            rows.prediction(model_version=rows.version(name))
    with CaptureQueriesContext(connection) as captured:
        page = desk.get(LIST, {"digit__exact": "1"}).content.decode()
    # A transaction's begin and end are savepoints here, because every test is one transaction.
    queries = [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]
    assert len(queries) <= 12
    assert page.count("data:image/png") == 50
    assert not any('"image"' in query or "checkpoint" in query for query in queries)


def test_a_count_that_takes_too_long_is_estimated(desk: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(60):
        rows.prediction()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE predictions_prediction")
    counting = "SELECT pg_sleep(1), count(*) FROM predictions_prediction"
    monkeypatch.setattr(QuerySet, "count", lambda self: connection.cursor().execute(counting))
    listed = desk.get(LIST, {"p": 2}).context["cl"]
    assert (listed.result_count, len(listed.result_list)) == (60, 10)


def test_the_drawing_is_drawn_anew_and_never_the_file_as_sent(desk: Client) -> None:
    file, picture = io.BytesIO(), Image.new("L", (50, 40))
    picture.putpixel((7, 9), 255)
    picture.save(file, "PNG")
    sent = file.getvalue() + b"<script>alert(1)</script>"
    row = rows.prediction(image=sent)
    answer = desk.get(reverse("admin:predictions_prediction_drawing", args=[row.pk]))
    assert answer["Content-Type"] == "image/png"
    assert b"script" not in answer.content
    assert Image.open(io.BytesIO(answer.content)).size == (50, 40)


def test_predictions_are_neither_added_nor_deleted_here(admin_client: Client) -> None:
    row = rows.prediction()
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_who_may_only_look_cannot_change(client: Client) -> None:
    client.force_login(rows.operator("vera", "view_prediction"))
    row = rows.prediction()
    answer = client.post(f"{LIST}{row.pk}/change/", {"true_label": 5, "review_status": "accepted"})
    assert answer.status_code == 403
    row.refresh_from_db()
    assert row.true_label is None


def test_picture_that_can_not_be_read_shows_the_input_instead(desk: Client) -> None:
    row = rows.prediction()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE predictions_prediction SET image = 'no picture' WHERE id = %s", [row.pk])
    page = desk.get(reverse("admin:predictions_prediction_change", args=[row.pk]))
    assert page.status_code == 200
    drawing = desk.get(reverse("admin:predictions_prediction_drawing", args=[row.pk]))
    assert Image.open(io.BytesIO(drawing.content)).tobytes() == rows.INPUT.tobytes()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize("urls", [[], ["http://localhost/hook"]])
def test_decision_that_is_made_while_many_are_decided_stands(
    client: Client, settings: Any, urls: list[str]
) -> None:
    settings.WEBHOOK_URLS = urls
    client.force_login(rows.operator())
    row, other, otto = rows.prediction(), rows.prediction(), rows.operator("otto")
    form = {"action": "reject", "_selected_action": [row.pk, other.pk]}
    as_of = client.post(LIST, form).context["form"]["as_of"].value()
    with meanwhile(partial(row.review, otto, "accepted", 7, expected_version=row.row_version)):
        page = client.post(LIST, form | {"as_of": as_of}, follow=True).content.decode()
    assert "1 prediction rejected" in page
    assert "1 prediction was changed by others meanwhile and left alone" in page
    row.refresh_from_db()
    assert (row.review_status, row.true_label, row.reviewed_by) == ("accepted", 7, otto)
