"""A drawing's newer states take the place of its visitor's own unreviewed ones, and of nothing else."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from predictions.learning.retention import delete_expired
from predictions.models import ErasedId, ModelVersion, Prediction
from predictions.models.erased import KEPT
from tests.conftest import ONE, ZERO, Post
from tests.meanwhile import at_once, meanwhile

DRAWING, ANN, BEN = uuid4(), uuid4(), uuid4()

Draw = Callable[..., Prediction]


@pytest.fixture
def draw(post: Post) -> Draw:
    """Send a state of the one drawing."""

    def draw(visitor: UUID | None) -> Prediction:
        who = {"visitor": str(visitor)} if visitor else {}
        answer = post("predict", {"strokes": ONE, "drawing": str(DRAWING), **who})
        assert answer.status_code == 201
        return Prediction.objects.get(pk=answer.json()["id"])

    return draw


def newest() -> set[UUID]:
    return set(Prediction.objects.filter(superseded=False).values_list("pk", flat=True))


@pytest.mark.parametrize("visitor", [ANN, None])
def test_own_state_is_superseded(draw: Draw, visitor: UUID | None) -> None:
    draw(visitor)
    assert {draw(visitor).pk} == newest()


@pytest.mark.parametrize(("owner", "stranger"), [(ANN, BEN), (ANN, None), (None, BEN)])
def test_stranger_who_knows_the_drawings_id_supersedes_nothing(
    draw: Draw, owner: UUID | None, stranger: UUID | None
) -> None:
    first, other = draw(owner), draw(stranger)
    assert newest() == {first.pk, other.pk}
    assert {draw(owner).pk, other.pk} == newest()


@pytest.mark.parametrize(("status", "label"), [("accepted", 1), ("rejected", None)])
def test_reviewed_state_stays(draw: Draw, admin_user: User, status: str, label: int | None) -> None:
    reviewed = draw(ANN)
    reviewed.review(admin_user, status, label, expected_version=reviewed.row_version)
    for _ in range(2):
        assert {draw(ANN).pk, reviewed.pk} == newest()
    assert Prediction.objects.all().may_teach().count() == (status == "accepted")


def test_decision_that_is_taken_back_leaves_an_earlier_state(draw: Draw, admin_user: User) -> None:
    reviewed = draw(ANN)
    reviewed.review(admin_user, "accepted", 1, expected_version=reviewed.row_version)
    later = draw(ANN)
    reviewed.undo(admin_user, expected_version=reviewed.row_version)
    assert newest() == {later.pk}


def test_decision_that_is_taken_back_leaves_the_newest_state_where_none_followed(
    draw: Draw, admin_user: User
) -> None:
    other, reviewed = draw(BEN), draw(ANN)
    reviewed.review(admin_user, "accepted", 1, expected_version=reviewed.row_version)
    reviewed.undo(admin_user, expected_version=reviewed.row_version)
    assert newest() == {reviewed.pk, other.pk}


@pytest.mark.django_db(transaction=True)
def test_state_that_is_reviewed_at_that_moment_stays(draw: Draw, admin_user: User) -> None:
    row = draw(ANN)
    with meanwhile(lambda: row.review(admin_user, "accepted", 1, expected_version=row.row_version)):
        later = draw(ANN)
    assert newest() == {row.pk, later.pk}


@pytest.mark.django_db(transaction=True)
def test_each_visitor_has_one_newest_state_whatever_comes_at_once(version: ModelVersion) -> None:
    visitors = [ANN, BEN, None] * 3
    statuses: list[int] = []

    def send(visitor: UUID | None) -> None:
        body = {"strokes": ZERO, "drawing": str(DRAWING)} | ({"visitor": str(visitor)} if visitor else {})
        statuses.append(Client().post("/api/predict", body, content_type="application/json").status_code)

    at_once(*[partial(send, visitor) for visitor in visitors])
    assert statuses == [201] * 9
    rows = Prediction.objects.filter(superseded=False)
    assert sorted(map(str, rows.values_list("visitor", flat=True))) == sorted(map(str, [ANN, BEN, None]))


BODY: dict[str, Any] = {"strokes": ONE, "id": str(uuid4()), "visitor": str(ANN), "drawing": str(DRAWING)}


def test_retry_after_the_deletion_logs_nothing(client: Client, post: Post) -> None:
    assert post("predict", BODY).status_code == 201
    assert client.delete("/api/predictions", HTTP_X_VISITOR=str(ANN)).json() == {"deleted": 1}
    later = post("predict", BODY | {"id": str(uuid4())}).json()["id"]
    for retry in (BODY, BODY | {"visitor": str(BEN)}):
        assert post("predict", retry).status_code == 404
    assert newest() == {UUID(later)}


@pytest.mark.django_db(transaction=True)
def test_retry_during_the_deletion_logs_nothing(version: ModelVersion, post: Post) -> None:
    assert post("predict", BODY).status_code == 201
    with meanwhile(Prediction.objects.filter(visitor=ANN).erase):
        assert post("predict", BODY).status_code == 404
    assert not Prediction.objects.exists()


def test_deletion_keeps_the_id_alone_and_for_a_day(client: Client, post: Post) -> None:
    post("predict", BODY)
    client.delete("/api/predictions", HTTP_X_VISITOR=str(ANN))
    assert list(ErasedId.objects.values_list("pk", flat=True)) == [UUID(BODY["id"])]
    assert {field.name for field in ErasedId._meta.get_fields()} == {"id", "at"}
    delete_expired(lambda progress, message: None)
    assert ErasedId.objects.exists()
    ErasedId.objects.update(at=timezone.now() - KEPT - timedelta(seconds=1))
    delete_expired(lambda progress, message: None)
    assert not ErasedId.objects.exists()
