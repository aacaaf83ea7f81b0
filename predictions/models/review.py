"""Reviewing: an operator's decision about rows, and who gets which row next."""

import random
from collections import defaultdict
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any, Self, TypeVar

import pgtrigger
from django.conf import settings
from django.db import models, transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from predictions.lots import (
    DOUBTFUL_SHARE,
    QUEUE_ROWS_PER_RANDOM_ROW,
    QUEUE_ROWS_PER_UNEVEN_ROW,
    RANDOM_SAMPLE,
    SURE_FROM,
    UNCLAIMED_SHARE,
)
from predictions.models.label_change import operator
from predictions.models.webhook import announce

if TYPE_CHECKING:
    from predictions.models.label_change import Operator

Row = TypeVar("Row", bound=models.Model)
Key = TypeVar("Key")

BLOBS = ("image", "strokes")  # columns that can be large: the drawing as it was sent
BLOBS_OF_PREDICTION = tuple(f"prediction__{name}" for name in BLOBS)  # for rows that belong to one
LEASE = timedelta(minutes=1)
NAMED = 1000  # rows in a message, at most

# Of what the lots chose, a second operator gets the first fifth of the even one, and whatever the first one
# says that the model misread: an operator's slip nearly always looks like an error of the model.
SECOND_SHARE = 0.01
QUEUE_ROWS_PER_SECOND_OPINION = 20
FOR_SECOND_OPINION = (
    Q(selected_by__in=["random", "uneven"], reviewed_by__isnull=False)
    & ~Q(review_status="pending")
    & (Q(lottery__lt=SECOND_SHARE) | ~Q(true_label=F("digit")))
)

# The row is more suspicious than any row that its visitor did not contradict.
CONTRADICTED = 2.0
SUSPICION = (
    1.0
    - F("confidence")
    + Case(
        When(user_label__isnull=True, then=Value(0.0)),
        When(user_label=F("digit"), then=Value(-1.0)),
        default=Value(CONTRADICTED),
    )
    + Case(
        When(~Q(second_reading=F("digit")) & Q(second_reading__isnull=False), then=Value(1.0)), default=0.0
    )
)


# A decision that is taken back may be about a drawing that went on meanwhile: the row is an earlier state.
SUPERSEDE_REOPENED = pgtrigger.Trigger(
    name="supersede_reopened",
    when=pgtrigger.Before,
    operation=pgtrigger.Update,
    condition=pgtrigger.Q(new__review_status="pending", new__drawing__isnull=False)
    & ~pgtrigger.Q(old__review_status="pending"),
    func="""
        NEW.superseded := NEW.superseded OR EXISTS (
            SELECT 1 FROM predictions_prediction
            WHERE drawing = NEW.drawing AND visitor IS NOT DISTINCT FROM NEW.visitor AND id <> NEW.id
                AND NOT superseded AND review_status = 'pending'
        );
        RETURN NEW;
    """,
)

# The visitor says otherwise than the model.
CONFLICT = Q(user_label__isnull=False) & ~Q(user_label=F("digit"))

# The uneven lot (`predictions/lots.py`), and the order in which it comes to review.
DOUBTFUL = CONFLICT | Q(user_label__isnull=True, confidence__lt=SURE_FROM)
UNEVEN_SAMPLE = Q(lottery__gte=RANDOM_SAMPLE) & (
    Q(DOUBTFUL, lottery__lt=RANDOM_SAMPLE + DOUBTFUL_SHARE)
    | Q(user_label__isnull=True, lottery__lt=RANDOM_SAMPLE + UNCLAIMED_SHARE)
)
DRAWN = Q(lottery__lt=RANDOM_SAMPLE) | UNEVEN_SAMPLE  # as `Prediction.drawn` has it
# Decided elsewhere, these would leave their sample, and most often those that look misread.
LEFT_TO_QUEUE = Q(DRAWN, review_status="pending", superseded=False)
UNEVEN_PLACE = (F("lottery") - RANDOM_SAMPLE) / Case(
    When(DOUBTFUL, then=Value(DOUBTFUL_SHARE)), default=Value(UNCLAIMED_SHARE)
)


class StaleRowError(Exception):
    """Somebody else changed the row after it was read; nothing was stored."""


def draw_lot() -> float:
    """A number in [0, 1) that says whether a lot chooses the row, and its place there."""
    return random.random()  # noqa: S311  (statistics, not a secret)


def in_parts(keys: list[Key]) -> list[list[Key]]:
    return [keys[start : start + NAMED] for start in range(0, len(keys), NAMED)]


class ReviewQuerySet(models.QuerySet[Row]):
    """The review desk's work on many rows."""

    def without_blobs(self) -> Self:
        """With the version's name, without what can be large: the drawing as sent, the version's records."""
        records = ("model_version__dataset", "model_version__metrics", "model_version__gate")
        return self.select_related("model_version").defer(*BLOBS, *records)

    def reviewable(self) -> Self:
        """Pending rows, without the earlier states of drawings in progress."""
        return self.filter(review_status="pending", superseded=False)

    def most_suspicious(self) -> Self:
        """Reviewable rows that no lot has chosen, the likeliest errors first."""
        left = self.reviewable().filter(~DRAWN)
        return left.order_by("-suspicion", "pk")

    def random_sample(self) -> Self:
        """Reviewable rows of the random sample, in the order of the lot."""
        return self.reviewable().filter(lottery__lt=RANDOM_SAMPLE).order_by("lottery", "pk")

    def uneven_sample(self) -> Self:
        """Reviewable rows of the uneven lot, in its order."""
        return self.reviewable().filter(UNEVEN_SAMPLE).order_by(UNEVEN_PLACE, "pk")

    def for_second_opinion(self, by: "Operator") -> Self:
        """Reviewed rows of both lots that this operator, who has not decided, is to read, oldest first."""
        once_read = self.filter(FOR_SECOND_OPINION, second_opinion=None)
        others = once_read.exclude(reviewed_by=by).exclude(changes__by=by)
        return others.order_by("reviewed_at", "pk")

    def review(
        self, by: "Operator", status: str, true_label: int | None = None, *, selected_by: str = ""
    ) -> int:
        """Store one decision about all of these rows; the number of rows.

        Without a label, accepted rows keep the label they have, else take the visitor's, else the model's.
        Rejected rows have none. `selected_by` is how a pending row came to review; one that is decided again
        keeps how it came first, or corrections would take errors out of the random sample.
        """
        came: Any = Case(When(review_status="pending", then=Value(selected_by)), default="selected_by")
        label: Any = Coalesce("true_label", "user_label", "digit") if true_label is None else true_label
        reviewed = status != "pending"
        decision: dict[str, Any] = {
            "true_label": None if status == "rejected" else label if reviewed else true_label,
            "review_status": status,
            "reviewed_by": by if reviewed else None,
            "reviewed_at": timezone.now() if reviewed else None,
            "selected_by": came if reviewed else "",
            "leased_by": None,
            "leased_until": None,
        }
        with operator(by):
            return self._store_and_tell(by, decision) if settings.WEBHOOK_URLS else self.update(**decision)

    def _store_and_tell(self, by: "Operator", decision: dict[str, Any]) -> int:
        """As `update`, and tell which rows have got which label. They are locked first: where two decide at
        once, the one who is refused tells nothing."""
        keys = list(self.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
        facts = {"review_status": decision["review_status"], "by": by.get_username()}
        for some in in_parts(keys):
            rows = self.model._default_manager.filter(pk__in=some)
            rows.update(**decision)
            given: dict[int | None, list[str]] = defaultdict(list)
            for key, label in rows.values_list("pk", "true_label"):
                given[label].append(str(key))
            for label, told in given.items():
                announce("label", predictions=told, true_label=label, **facts)
        return len(keys)

    def free_for(self, user: "Operator") -> Self:
        """Rows that nobody else holds at this moment."""
        return self.filter(
            Q(leased_until__isnull=True) | Q(leased_until__lt=timezone.now()) | Q(leased_by=user)
        )

    @transaction.atomic
    def hold(self, by: "Operator", count: int) -> "list[Row]":
        """Lease the first `count` of these rows that are free: for nobody else within a minute."""
        return self._lease(self._lock(by, count), by)

    @transaction.atomic
    def queue(self, by: "Operator", count: int, without: list[Any]) -> "list[Row]":
        """Lease the next rows of the queue, none of `without`."""
        rest = self.exclude(pk__in=without)
        by_lot = rest.random_sample()._lock(by, ceil(count / QUEUE_ROWS_PER_RANDOM_ROW))
        uneven = min(ceil(count / QUEUE_ROWS_PER_UNEVEN_ROW), count - len(by_lot))
        by_lot += rest.uneven_sample()._lock(by, uneven)
        again = min(ceil(count / QUEUE_ROWS_PER_SECOND_OPINION), count - len(by_lot))
        by_lot += rest.for_second_opinion(by)._lock(by, again)
        rows = rest.most_suspicious()._lock(by, count - len(by_lot)) + by_lot
        for lot in (rest.random_sample(), rest.uneven_sample()):
            more = lot.exclude(pk__in=[row.pk for row in rows])
            rows += more._lock(by, count - len(rows))
        return self._lease(rows, by)

    def _lock(self, by: "Operator", count: int) -> "list[Row]":
        """The first `count` of these rows that are free, locked until the transaction ends."""
        free = (
            self.without_blobs().free_for(by).select_for_update(skip_locked=True, of=("self",), no_key=True)
        )
        return list(free[:count])

    def _lease(self, rows: "list[Row]", by: "Operator") -> "list[Row]":
        held = self.model._default_manager.filter(pk__in=[row.pk for row in rows])
        held.update(leased_by=by, leased_until=timezone.now() + LEASE)
        return rows

    def waiting(self, at_most: int, by: "Operator") -> int:
        """How many of these rows wait for this operator, counted up to `at_most` in each of the orders."""
        lots = self.random_sample(), self.uneven_sample()
        orders = (self.most_suspicious(), *lots, self.for_second_opinion(by))
        suspicious, *others = (rows.values("pk")[:at_most] for rows in orders)
        return suspicious.union(*others, all=True).count()

    def renew(self, by: "Operator") -> int:
        """Hold those of these rows that are still free for another minute; the number of rows."""
        again = self.for_second_opinion(by).order_by().values("pk")
        rows = self.filter(Q(review_status="pending", superseded=False) | Q(pk__in=again))
        return rows.free_for(by).update(leased_by=by, leased_until=timezone.now() + LEASE)
