"""The admin's front page."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from predictions.admin.dashboard import Tally, cells, confusion, lines_of, reliability
from predictions.admin.timeline import timeline
from predictions.intervals import wilson
from predictions.learning.accuracy import count
from predictions.models import Lesson, Prediction
from tests import rows

pytestmark = pytest.mark.django_db


def reviewed(
    digit: int, label: int, confidence: float = 0.9, selected_by: str = "suspicion", version: str = "v1"
) -> None:
    row = rows.prediction(digit=digit, confidence=confidence, model_version=rows.version(version))
    user = User.objects.filter(username="olive").first() or rows.operator()
    row.review(user, "accepted", label, selected_by=selected_by, expected_version=row.row_version)


def test_accuracy_of_each_version_on_the_random_sample_and_on_all() -> None:
    reviewed(1, 1, selected_by="random")
    reviewed(1, 7)
    reviewed(1, 10)
    reviewed(2, 2, version="v2")
    lines = [
        (line.name, line.sample and (line.sample.right, line.sample.digits), line.everything)
        for line in lines_of(cells(), count())
    ]
    assert lines == [("v2", None, Tally(1, 1)), ("v1", (1, 1), Tally(2, 1))]


def test_confusion_counts_true_label_against_digit_read() -> None:
    for digit, label in ((1, 7), (1, 7), (7, 7), (3, 10)):
        reviewed(digit, label)
    lines = confusion(cells())
    assert [n for _, n, _ in lines[7][2]] == [0, 2, 0, 0, 0, 0, 0, 1, 0, 0]
    assert lines[10][0] == "not a digit"
    assert [digit for digit, n, _ in lines[10][2] if n] == [3]


def test_reliability_sets_accuracy_against_confidence() -> None:
    reviewed(1, 1, confidence=0.62)
    reviewed(1, 2, confidence=0.68)
    reviewed(1, 1, confidence=1.0)
    points = [(round(p.confidence, 6), p.accuracy, p.rows) for p in reliability(cells())]
    assert points == [(0.65, 0.5, 2), (1.0, 1.0, 1)]
    assert reliability(cells())[0].interval == wilson(1, 2)


def test_the_page_says_what_waits_and_shows_the_newest(client: Client) -> None:
    client.force_login(rows.operator())
    conflict = rows.claimed(7, digit=1)
    rows.prediction(superseded=True)
    reviewed(1, 1)
    context = client.get("/admin/").context
    assert (context["waiting"], context["conflicts"]) == (1, 1)
    assert [row.pk for row, _ in context["newest"]][-1] == conflict.pk
    assert sum(day.value for day in context["days"][-2:]) == 2  # midnight may have passed


def test_what_waits_leads_to_the_queue_whoever_may_review(client: Client) -> None:
    """Not to a list, which would hold what the lots drew beside the conflicts that are counted."""
    rows.claimed(7, digit=1)
    rows.claimed(7, digit=1, lottery=0.01)
    for user, may_review in ((rows.operator(), True), (rows.operator("vera", "view_prediction"), False)):
        client.force_login(user)
        page = client.get("/admin/").content.decode()
        tiles = re.findall(r'<a class="desk-card desk-figure"(.*?)><strong>(.*?)</a>', page)
        link = ' href="/admin/predictions/prediction/queue/"' if may_review else ""
        assert [href for href, _ in tiles] == [link, link]
        assert [words for _, words in tiles] == [
            "2</strong> wait for review",
            "1</strong> label conflict: the visitor says otherwise",
        ]


def test_an_account_without_a_role_sees_no_figures(client: Client) -> None:
    user = User.objects.create_user("nobody", is_staff=True)
    client.force_login(user)
    page = client.get("/admin/")
    assert "no role yet" in page.content.decode()


def test_the_picture_has_a_column_for_each_version_with_its_estimates(client: Client) -> None:
    rows.version()
    assert timeline(count()) is None
    reviewed(1, 1, selected_by="random")
    promoted = rows.version("v2")
    promoted.metrics["sets"]["drawings_test"] = promoted.metrics["sets"]["mnist_test"]
    promoted.save(update_fields=["metrics"])
    promoted.promote()
    found = timeline(count())
    assert found is not None
    kinds = [(column.version.name, [placed.mark.kind for placed in column.marks]) for column in found.columns]
    assert kinds == [("v1", ["labels", "powered"]), ("v2", ["held-out"])]
    assert [column.promoted is not None for column in found.columns] == [False, True]
    assert found.columns[0].x < found.columns[1].x
    for column in found.columns:
        for placed in column.marks:
            assert 0 < placed.top <= placed.y <= placed.bottom < 100
    client.force_login(User.objects.get(username="olive"))
    assert client.get("/admin/").content.decode().count('class="desk-promoted"') == 1


def test_what_the_last_training_taught_is_shown_as_pictures(client: Client) -> None:
    reviewed(1, 7)
    reviewed(1, 1)
    [lost, won] = sorted(Prediction.objects.all(), key=lambda row: row.true_label or 0)
    version = rows.version("v2")
    version.gate = {"against": "v1", "passed": True, "checks": [], "at": "2026-11-30T10:00:00+00:00"}
    version.save(update_fields=["gate"])
    Lesson.objects.create(version=version, prediction=won, before=1, after=7, held_out=True)
    Lesson.objects.create(version=version, prediction=lost, before=1, after=7, held_out=False)
    client.force_login(User.objects.get(username="olive"))
    answer = client.get("/admin/")
    found = answer.context["learnt"]
    assert [lesson.prediction for lesson, _ in found.won] == [won]
    assert [lesson.prediction for lesson, _ in found.lost] == [lost]
    assert "v2 beside v1" in answer.content.decode()
