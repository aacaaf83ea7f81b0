"""A button does what its page shows, once: sent twice or after somebody else, it does nothing and says so."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from predictions.models import Job, LabelDoubt, ModelVersion, Prediction, Promotion
from tests.drawings import accepted, unique
from tests.forms import hidden
from tests.meanwhile import at_once
from tests.predictions.models.test_version import FAILED, PASSED, compare_on_paper
from tests.rows import version as version_named

VERSION = "admin:predictions_modelversion_{}"
STALE = "after this page was shown"


@pytest.fixture
def versions(db: None) -> list[ModelVersion]:
    """Three, promoted one after the other; and one that is as good as the last."""
    versions = [version_named(f"v{number}") for number in range(1, 5)]
    for version in versions[:3]:
        version.promote(reason="for the test", override=True)
    compare_on_paper(versions[3], "v3", PASSED)
    return versions


def url_of(button: str, version: ModelVersion | None = None) -> str:
    return reverse(VERSION.format(button), args=[version.pk] if version else [])


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def test_second_click_on_roll_back_does_nothing(versions: list[ModelVersion], admin_client: Client) -> None:
    form = hidden(admin_client, url_of("roll_back")) | {"reason": "reads ones badly"}
    answers = [text(admin_client.post(url_of("roll_back"), form, follow=True)) for _ in range(2)]
    assert "v2 answers again" in answers[0]
    assert STALE in answers[1]
    assert ModelVersion.objects.get(active=True) == versions[1]
    assert Promotion.objects.count() == 4


def test_second_click_on_promote_does_nothing(versions: list[ModelVersion], admin_client: Client) -> None:
    url = url_of("promote", versions[3])
    form = hidden(admin_client, url) | {"reason": "better"}
    admin_client.post(url, form)
    Promotion.objects.all().roll_back()  # so that it could be promoted again
    assert STALE in text(admin_client.post(url, form, follow=True))
    assert ModelVersion.objects.get(active=True) == versions[2]


def promote_another(versions: list[ModelVersion]) -> None:
    versions[0].promote(reason="somebody else", override=True)


def promote_and_roll_back(versions: list[ModelVersion]) -> None:
    promote_another(versions)
    Promotion.objects.all().roll_back()


def compare_again(versions: list[ModelVersion]) -> None:
    compare_on_paper(versions[3], "v3", FAILED)
    assert versions[3].gate
    versions[3].gate["at"] = "2026-11-26"
    versions[3].save()


def start_the_same(versions: list[ModelVersion]) -> None:
    for kind in (Job.Kind.TRAIN, Job.Kind.COMPARE, Job.Kind.REPLAY):
        job = Job.objects.start(kind, **({} if kind == Job.Kind.TRAIN else {"version": "v4"}))
        with connection.cursor() as cursor:  # it does not even wait any more
            cursor.execute(
                "UPDATE procrastinate_jobs SET status = 'succeeded' WHERE id = %s", [job.queued_id]
            )


STALE_PAGES = [
    ("promote", True, promote_another),
    ("promote", True, promote_and_roll_back),
    ("promote", True, compare_again),
    ("roll_back", False, promote_another),
    ("roll_back", False, promote_and_roll_back),
    *((button, button != "train_now", start_the_same) for button in ("train_now", "compare", "replay")),
    *((button, button != "train_now", promote_another) for button in ("train_now", "compare")),
]


@pytest.mark.parametrize(("button", "of_version", "meanwhile"), STALE_PAGES)
def test_button_of_a_stale_page_does_nothing(
    versions: list[ModelVersion],
    admin_client: Client,
    button: str,
    of_version: bool,
    meanwhile: Callable[[list[ModelVersion]], None],
) -> None:
    url = url_of(button, versions[3] if of_version else None)
    form = hidden(admin_client, url) | {"reason": "as shown", "override": "on"}
    meanwhile(versions)
    before = Promotion.objects.count(), Job.objects.count()
    assert STALE in text(admin_client.post(url, form, follow=True))
    assert (Promotion.objects.count(), Job.objects.count()) == before


@pytest.mark.parametrize(
    ("button", "of_version"),
    [("promote", True), ("roll_back", False), ("train_now", False), ("compare", True), ("replay", True)],
)
def test_form_without_what_its_page_showed_does_nothing(
    versions: list[ModelVersion], admin_client: Client, button: str, of_version: bool
) -> None:
    url = url_of(button, versions[3] if of_version else None)
    assert STALE in text(admin_client.post(url, {"reason": "a script"}, follow=True))
    assert (Promotion.objects.count(), Job.objects.count()) == (3, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("button", ["roll_back", "train_now"])
def test_form_that_is_sent_four_times_at_once_does_it_once(
    versions: list[ModelVersion], admin_user: User, admin_client: Client, button: str
) -> None:
    url = url_of(button)
    form = hidden(admin_client, url)

    def send() -> None:
        client = Client()
        client.force_login(admin_user)
        client.post(url, form)

    at_once(*[send] * 4)
    rolled_back = button == "roll_back"
    assert Promotion.objects.count() == 3 + rolled_back
    assert Job.objects.count() == (not rolled_back)


def test_doubt_that_somebody_else_has_settled_is_left_alone(
    version: ModelVersion, admin_client: Client, admin_user: User
) -> None:
    row = accepted(version, unique(1), 3)
    LabelDoubt.objects.create(prediction=row, label=3, suggestion=8, quality=0.01)
    row.review(admin_user, "rejected", expected_version=row.row_version)
    decide = {"action": "follow", "_selected_action": [row.pk]}
    page = text(admin_client.post(reverse("admin:predictions_labeldoubt_changelist"), decide, follow=True))
    assert "0 drawings reviewed again" in page
    assert "1 was reviewed or deleted by others meanwhile" in page
    assert Prediction.objects.get(pk=row.pk).review_status == "rejected"
