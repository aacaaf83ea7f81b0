"""The admin's front page."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from predictions.admin.dashboard import Accuracy, accuracies, cells, confusion, reliability
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
    figures = [(name, (s.right, s.rows), (a.right, a.rows)) for name, s, a in accuracies(cells())]
    assert figures == [("v2", (0, 0), (1, 1)), ("v1", (1, 1), (1, 2))]


def test_the_interval_is_wilsons() -> None:
    """The figures of Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263."""
    low, high = Accuracy(rows=263, right=81).interval
    assert (round(low, 2), round(high, 2)) == (25.53, 36.62)


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
    assert points == [(65.0, 50.0, 2), (100.0, 100.0, 1)]


def test_the_page_says_what_waits_and_shows_the_newest(client: Client) -> None:
    client.force_login(rows.operator())
    conflict = rows.claimed(7, digit=1)
    rows.prediction(superseded=True)
    reviewed(1, 1)
    context = client.get("/admin/").context
    assert (context["waiting"], context["conflicts"]) == ("1", "1")
    assert [row.pk for row, _ in context["newest"]][-1] == conflict.pk
    assert context["days"][-1].value == 2


def test_an_account_without_a_role_sees_no_figures(client: Client) -> None:
    user = User.objects.create_user("nobody", is_staff=True)
    client.force_login(user)
    page = client.get("/admin/")
    assert "no role yet" in page.content.decode()
