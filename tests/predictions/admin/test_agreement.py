"""The page on how well operators agree, where their differences are decided."""

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from predictions.models import Prediction, SecondOpinion
from tests import rows
from tests.forms import hidden, submit

pytestmark = pytest.mark.django_db
PAGE = "/admin/predictions/secondopinion/"


def read_twice(first: User, label: int, then: User, second: int | None) -> Prediction:
    row = rows.prediction(lottery=0.005)
    row.review(first, "accepted", label, selected_by="random", expected_version=row.row_version)
    SecondOpinion.objects.all().give(row, then, second, expected_version=row.row_version)
    return row


@pytest.fixture
def admin(client: Client) -> Client:
    user = rows.operator("ada")
    user.groups.add(Group.objects.get(name="admin"))
    client.force_login(user)
    return client


def test_admins_see_agreement_and_the_open_differences(admin: Client) -> None:
    olive, otto = rows.operator(), rows.operator("otto")
    read_twice(olive, 1, otto, 1)
    open_one = read_twice(olive, 1, otto, 7)
    answer = admin.get(PAGE)
    assert (answer.context["agreed"], answer.context["pairs"]) == (1, 2)
    assert [opinion.pk for opinion in answer.context["cl"].result_list] == [open_one.pk]
    assert "1 of 2" in answer.content.decode()


def test_the_page_reads_as_little_however_many_opinions_there_are(admin: Client) -> None:
    olive, otto = rows.operator(), rows.operator("otto")
    for _ in range(10):
        read_twice(olive, 1, otto, 1)
    with CaptureQueriesContext(connection) as queries:
        answer = admin.get(PAGE)
    assert (answer.context["pairs"], answer.context["records"][0]) == (10, ("olive", 10, 0, 0, 0))
    read = [query["sql"] for query in queries if 'FROM "predictions_secondopinion"' in query["sql"]]
    assert read
    # Counted in the database, or those that are still open.
    assert all("COUNT(" in sql or '"reviewed_at" >' in sql.partition("WHERE")[2] for sql in read)


@pytest.mark.parametrize(
    ("action", "decided"), [("follow_first", ("accepted", 1)), ("follow_second", ("rejected", None))]
)
def test_a_difference_is_decided_for_either(
    admin: Client, action: str, decided: tuple[str, int | None]
) -> None:
    row = read_twice(rows.operator(), 1, rows.operator("otto"), None)
    page = submit(admin, PAGE, action=action, _selected_action=[row.pk])
    assert "1 of 1 drawing decided." in page.content.decode()
    row.refresh_from_db()
    assert (row.review_status, row.true_label, row.selected_by) == (*decided, "random")
    assert row.reviewed_by is not None and row.reviewed_by.username == ("ada")
    assert not SecondOpinion.objects.all().open().exists()


def test_an_opinion_that_was_given_after_the_page_was_shown_decides_nothing(admin: Client) -> None:
    olive, otto = rows.operator(), rows.operator("otto")
    changed, same = read_twice(olive, 1, otto, 7), read_twice(olive, 1, otto, 7)
    shown = hidden(admin, PAGE)
    opinions = SecondOpinion.objects.all()
    opinions.take_back(changed, otto, expected_version=changed.row_version)
    opinions.give(changed, otto, 4, expected_version=changed.row_version)
    chosen = {"action": "follow_second", "_selected_action": [changed.pk, same.pk]}
    page = admin.post(PAGE, shown | chosen, follow=True)
    assert "1 of 2 drawings decided." in page.content.decode()
    labels = dict(Prediction.objects.values_list("pk", "true_label"))
    assert labels == {changed.pk: 1, same.pk: 7}


def test_a_difference_is_not_decided_by_who_does_not_say_when_the_page_was_shown(admin: Client) -> None:
    row = read_twice(rows.operator(), 1, rows.operator("otto"), 7)
    chosen = {"action": "follow_second", "_selected_action": [row.pk]}
    assert admin.post(PAGE, chosen).status_code == 400
    assert admin.post(PAGE, chosen | {"as_of": "yesterday"}).status_code == 400
    row.refresh_from_db()
    assert row.true_label == 1


def test_operators_do_not_see_each_others_errors(client: Client) -> None:
    client.force_login(rows.operator())
    assert client.get(PAGE).status_code == 403
