"""Promotion: the gate decides, a person may override it with a reason, and everything is in the log."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from classifier.checkpoint import dump
from predictions.models import GateClosedError, ModelVersion, Promotion
from tests.rows import version as version_named
from training.compare import Check

PASSED: Check = {"name": "accuracy on MNIST test", "passed": True}
FAILED: Check = {"name": "forward time", "passed": False}


def compared(name: str, against: str, *checks: Check) -> ModelVersion:
    """A candidate with the gate's word about it."""
    candidate = version_named(name)
    compare_on_paper(candidate, against, *checks)
    return candidate


def compare_on_paper(candidate: ModelVersion, against: object, *checks: Check) -> None:
    """Store a decision of the gate that nothing was measured for."""
    passed = all(check["passed"] for check in checks)
    candidate.gate = {"against": str(against), "passed": passed, "checks": list(checks), "at": "2026-11-25"}
    candidate.save(update_fields=["gate"])


def test_checkpoint_of_any_version_says_where_it_comes_from(first: ModelVersion) -> None:
    again = ModelVersion.objects.register(bytes(first.weights.checkpoint), parent=first)
    assert (again.parent, again.active) == (first, False)
    for fact in ("metrics", "data_fingerprint", "seed", "code_version"):
        assert getattr(again, fact) == getattr(first, fact)


@pytest.mark.parametrize("damage", [b"", b"no checkpoint"])
def test_what_is_no_checkpoint_becomes_no_version(db: None, damage: bytes) -> None:
    with pytest.raises(ValueError, match="Not a digit checkpoint"):
        ModelVersion.objects.register(damage)
    assert not ModelVersion.objects.exists()


def test_weights_without_a_word_on_where_they_come_from_become_no_version(first: ModelVersion) -> None:
    nameless = dump(replace(first.checkpoint(), metrics=None))
    with pytest.raises(ValueError, match="does not say where its weights come from"):
        ModelVersion.objects.register(nameless)


def names() -> list[str]:
    """The versions of the log, newest first."""
    return [promotion.version.name for promotion in Promotion.objects.all()]


@pytest.fixture
def first(db: None) -> ModelVersion:
    first = version_named("v1")
    first.promote(reason="The first one.")
    return first


def test_candidate_that_is_as_good_is_promoted_and_the_decision_logged(
    first: ModelVersion, admin_user: User
) -> None:
    promotion = compared("v2", "v1", PASSED).promote(admin_user, "better zeros")
    assert ModelVersion.objects.get(active=True).name == "v2"
    promotion.refresh_from_db()
    assert promotion.previous == first
    assert (promotion.by, promotion.reason, promotion.override) == (admin_user, "better zeros", False)
    assert promotion.decision is not None
    assert promotion.decision["checks"] == [PASSED]


def test_worse_candidate_stays_out(first: ModelVersion) -> None:
    with pytest.raises(GateClosedError, match="v2 is worse than v1: forward time"):
        compared("v2", "v1", PASSED, FAILED).promote()
    assert names() == ["v1"]
    assert ModelVersion.objects.get(active=True) == first


def test_candidate_that_was_not_compared_with_the_active_version_stays_out(first: ModelVersion) -> None:
    candidate = compared("v3", "v0", PASSED)
    for unknown in (version_named("v2"), candidate):
        with pytest.raises(GateClosedError, match="has not been compared with the active version v1"):
            unknown.promote()


def test_override_needs_a_reason_and_is_logged(first: ModelVersion, admin_user: User) -> None:
    candidate = compared("v2", "v1", FAILED)
    with pytest.raises(GateClosedError, match="needs a reason"):
        candidate.promote(admin_user, " ", override=True)
    promotion = candidate.promote(admin_user, "the faster machine comes tomorrow", override=True)
    assert promotion.override
    assert promotion.decision is not None
    assert promotion.decision["checks"] == [FAILED]


def test_database_refuses_an_override_without_reason(first: ModelVersion) -> None:
    with pytest.raises(IntegrityError):
        Promotion.objects.create(version=first, override=True)


def test_active_version_is_not_promoted_again(first: ModelVersion) -> None:
    for override in (False, True):
        with pytest.raises(GateClosedError, match="v1 is already active"):
            first.promote(reason="again", override=override)
    assert names() == ["v1"]


def test_weights_that_cannot_be_read_are_not_promoted(first: ModelVersion) -> None:
    damaged = compared("v2", "v1", PASSED)
    damaged.weights.checkpoint = damaged.weights.checkpoint[:-1]
    damaged.weights.save()
    with pytest.raises(GateClosedError, match="v2 could not answer"):
        damaged.promote(reason="in a hurry", override=True)
    assert ModelVersion.objects.get(active=True) == first


def test_rollbacks_go_back_one_promotion_each(first: ModelVersion, admin_user: User) -> None:
    compared("v2", "v1", PASSED).promote()
    compared("v3", "v2", PASSED).promote()
    promotions = Promotion.objects.all()
    back = promotions.roll_back(admin_user, "reads ones badly")
    assert (back.version.name, back.previous, back.by, back.reason) == (
        "v2",
        version_named("v3"),
        admin_user,
        "reads ones badly",
    )
    promotions.roll_back()
    assert names() == ["v1", "v2", "v3", "v2", "v1"]
    assert ModelVersion.objects.get(active=True) == first
    with pytest.raises(GateClosedError, match="no earlier version"):
        promotions.roll_back()


def test_promotion_after_a_rollback_can_be_rolled_back(first: ModelVersion) -> None:
    compared("v2", "v1", PASSED).promote()
    Promotion.objects.all().roll_back()
    compared("v3", "v1", PASSED).promote()
    assert Promotion.objects.all().roll_back().version == first


def test_which_version_answered_at_a_time_is_one_query(
    first: ModelVersion, django_assert_num_queries: Any
) -> None:
    compared("v2", "v1", PASSED).promote()
    Promotion.objects.all().roll_back()
    times = list(Promotion.objects.order_by("pk").values_list("at", flat=True))
    with django_assert_num_queries(4):
        answered = [
            ModelVersion.objects.answering_at(time) for time in [times[0] - timedelta(seconds=1), *times]
        ]
    assert [version and version.name for version in answered] == [None, "v1", "v2", "v1"]


@pytest.mark.parametrize("change", [lambda rows: rows.update(reason="prettier"), lambda rows: rows.delete()])
def test_log_of_promotions_is_append_only(first: ModelVersion, change: Any) -> None:
    with pytest.raises(DatabaseError, match="Cannot update or delete rows"), transaction.atomic():
        change(Promotion.objects.all())
    assert names() == ["v1"]


def test_promote_command_promotes_by_name(first: ModelVersion, capsys: pytest.CaptureFixture[str]) -> None:
    compared("v2", "v1", PASSED)
    call_command("promote", "v2")
    assert capsys.readouterr().out == "v2 answers now, instead of v1.\n"
    assert names() == ["v2", "v1"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["v9"], "There is no version 'v9'."),
        (["v2"], "v2 is worse than v1: forward time."),
        (["v2", "--override"], "Promoting against the gate needs a reason."),
    ],
)
def test_promote_command_says_why_it_does_not(
    first: ModelVersion, arguments: list[str], complaint: str
) -> None:
    compared("v2", "v1", FAILED)
    with pytest.raises(CommandError, match=complaint):
        call_command("promote", *arguments)
    assert names() == ["v1"]


def test_promote_command_overrides_with_a_reason(first: ModelVersion) -> None:
    compared("v2", "v1", FAILED)
    call_command("promote", "v2", "--override", "--reason", "known and accepted")
    assert Promotion.objects.get(version__name="v2").override


def test_rollback_command_goes_back(first: ModelVersion, capsys: pytest.CaptureFixture[str]) -> None:
    compared("v2", "v1", PASSED).promote()
    call_command("rollback", "--reason", "reads ones badly")
    assert capsys.readouterr().out == "v1 answers again, instead of v2.\n"
    with pytest.raises(CommandError, match="no earlier version"):
        call_command("rollback")


def test_unused_time_before_everything_has_no_version(db: None) -> None:
    assert ModelVersion.objects.answering_at(timezone.now()) is None
