"""Promotions and rollbacks at the same moment, on connections of their own: one happens after the other."""

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from predictions.models import GateClosedError, ModelVersion, Promotion
from predictions.models.locks import Lock, hold
from tests import samples
from tests.meanwhile import at_once, meanwhile
from tests.predictions.models.test_version import FAILED, PASSED, compare_on_paper

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 20


def race(*steps: Callable[[], object]) -> Counter[str]:
    """Do the steps at the same moment; how many were done and how many refused."""
    outcomes = Counter[str]()

    def run(step: Callable[[], object]) -> None:
        try:
            step()
            outcomes["done"] += 1
        except GateClosedError:
            outcomes["refused"] += 1

    at_once(*[partial(run, step) for step in steps])
    return outcomes


def make_version() -> ModelVersion:
    return ModelVersion.objects.register(samples.SMALL.read_bytes())


@pytest.fixture
def first(db: None) -> ModelVersion:
    first = make_version()
    first.promote(reason="The first one.")
    return first


def test_version_that_failed_is_never_promoted_beside_one_that_passed(first: ModelVersion) -> None:
    good, bad = make_version(), make_version()
    for _ in range(ROUNDS):
        compare_on_paper(good, first, PASSED)
        compare_on_paper(bad, first, FAILED)
        assert race(good.promote, bad.promote) == {"done": 1, "refused": 1}
        assert ModelVersion.objects.active() == good
        Promotion.objects.all().roll_back()
        assert ModelVersion.objects.active() == first


def test_gate_sees_the_version_that_became_active_while_a_promotion_waited(first: ModelVersion) -> None:
    good, bad = make_version(), make_version()
    compare_on_paper(good, first, PASSED)
    compare_on_paper(bad, first, PASSED)
    with meanwhile(good.promote), pytest.raises(GateClosedError, match=f"with the active version {good}"):
        bad.promote()
    assert ModelVersion.objects.active() == good


def test_gate_sees_the_comparison_that_came_in_while_a_promotion_waited(first: ModelVersion) -> None:
    candidate = make_version()
    compare_on_paper(candidate, first, PASSED)
    held = ModelVersion.objects.get(pk=candidate.pk)

    def compare_again() -> None:
        hold(Lock.PROMOTION)
        compare_on_paper(candidate, first, FAILED)

    with meanwhile(compare_again), pytest.raises(GateClosedError, match="is worse than"):
        held.promote()
    assert ModelVersion.objects.active() == first


def test_promotion_and_rollback_at_once_leave_a_log_that_can_be_rolled_back(first: ModelVersion) -> None:
    second, third = make_version(), make_version()
    for _ in range(ROUNDS):
        second.promote(reason="for the test", override=True)
        compare_on_paper(third, second, PASSED)
        promoted = race(third.promote, lambda: Promotion.objects.all().roll_back())
        newest = Promotion.objects.all()[0]
        assert ModelVersion.objects.get(active=True) == newest.version
        # Either the rollback undid the promotion, or it came first, and the gate knew nothing of v1.
        assert promoted == ({"done": 2} if newest.version == second else {"done": 1, "refused": 1})
        while ModelVersion.objects.active() != first:
            Promotion.objects.all().roll_back()


def test_two_first_promotions_at_once_leave_one_active_version(db: None) -> None:
    versions = [make_version() for _ in range(4)]
    assert race(*(version.promote for version in versions)) == {"done": 1, "refused": 3}
    assert ModelVersion.objects.filter(active=True).count() == 1
