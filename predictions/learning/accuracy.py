"""How good each version is on what people draw: labels of what lots chose, and all drawings' confidences."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
from django.conf import settings
from django.core.cache import cache
from django.db.models import Avg, Case, Count, F, FloatField, Q, QuerySet, Value, When
from django.db.models.functions import Floor, Ln
from django.utils import timezone

from predictions.counts import count_anew
from predictions.intervals import Cells, Interval, expect, wilson
from predictions.lots import SURE_FROM
from predictions.models import NOT_A_DIGIT, Prediction

SECONDS_KEPT = 60
CLAIMS = SAID_NOTHING, AGREED, CONTRADICTED = range(3)
Key = tuple[int, int, bool, int]  # version, bin of confidence, whether it is sure, claim
RANDOM, UNEVEN = Prediction.SelectedBy.RANDOM, Prediction.SelectedBy.UNEVEN

DIGIT = Q(review_status="accepted", true_label__lt=NOT_A_DIGIT)
# An operator slips in one of fifty; until a second one has seen it, an error may be the operator's.
NOT_SETTLED = Q(second_opinion=None) | (
    ~Q(second_opinion__label=F("true_label")) & Q(reviewed_at__lte=F("second_opinion__at"))
)
UNSETTLED = DIGIT & ~Q(true_label=F("digit")) & Q(reviewed_by__isnull=False) & NOT_SETTLED


class Decided(NamedTuple):
    """Decisions about rows that a lot chose; of them digits, digits read right, and errors not settled yet;
    and those of the digits, and read right, that the even lot chose."""

    rows: int = 0
    digits: int = 0
    right: int = 0
    unsettled: int = 0
    even_digits: int = 0
    even_right: int = 0


@dataclass(frozen=True)
class Accuracy:
    """Of one version: on the random sample, with Wilson's interval; and the interval that uses the labels of
    both lots and all drawings."""

    digits: int
    right: int
    plain: Interval
    labels: int
    unsettled: int
    powered: Interval

    @property
    def share(self) -> float:
        return self.right / self.digits


def accuracies() -> dict[int, Accuracy]:
    """By version; counted anew at most once a minute."""
    kept: dict[int, Accuracy] | None = cache.get("accuracies")
    return count_anew("accuracies", count, at_least=SECONDS_KEPT) if kept is None else kept


def count() -> dict[int, Accuracy]:
    drawings = {key_of(row): (row["rows"], row["sure"]) for row in count_drawings()}
    decided = {key_of(row): Decided(*(row[name] for name in Decided._fields)) for row in count_decided()}
    found = {version: accuracy(version, drawings, decided) for version, *_ in decided}
    return {version: accuracy for version, accuracy in found.items() if accuracy}


def accuracy(
    version: int, drawings: dict[Key, tuple[int, float]], decided: dict[Key, Decided]
) -> Accuracy | None:
    """None where the version's random sample has no digit yet. Errors that are not settled count as the
    model's for the lower bound, and as the operators' for the upper one."""
    keys = [key for key in drawings if key[0] == version]
    parts = np.array([decided.get(key, Decided()) for key in keys], np.float64).T
    decisions, digits, right, unsettled, even_digits, even_right = parts
    if not even_digits.sum():
        return None
    _, _, is_sure, claims = np.array(keys).T
    rows, sure = np.array([drawings[key] for key in keys]).T
    expected = expect(sure, claims != SAID_NOTHING, claims == AGREED)
    group = np.where(claims == SAID_NOTHING, is_sure, 2 * (claims == AGREED))  # as the uneven lot has them
    low = Cells(group, expected, rows, decisions, digits, right).interval()
    high = Cells(group, expected, rows, decisions, digits, right + unsettled).interval()
    assert low and high  # noqa: S101  (for the type checker)
    of_even = int(even_digits.sum()), int(even_right.sum())
    plain = wilson(of_even[1], of_even[0])
    return Accuracy(*of_even, plain, int(digits.sum()), int(unsettled.sum()), (low[0], high[1]))


def in_cells(rows: QuerySet[Prediction]) -> Any:  # noqa: ANN401  (django-stubs has no type for values' rows)
    """Drawings of one version that it was as sure of, and whose visitors said the same of it. The bins are
    the finer, the surer: what is told apart there is one error in a hundred from one in a thousand."""
    said = Case(
        When(user_label=None, then=Value(SAID_NOTHING)),
        When(user_label=F("digit"), then=Value(AGREED)),
        default=Value(CONTRADICTED),
    )
    bins = Floor(Value(-6.0) * Ln(Value(1.000001) - F("confidence")), output_field=FloatField())
    sure = Case(When(confidence__gte=SURE_FROM, then=Value(True)), default=Value(False))
    return (
        rows.order_by()
        .annotate(said=said, bin=bins, is_sure=sure)
        .values("model_version", "bin", "is_sure", "said")
    )


def whole_or_random() -> QuerySet[Prediction]:
    """Retention keeps what was accepted, most of which looked wrong: of older drawings only the random sample
    is left as the lot drew it."""
    finished = Prediction.objects.filter(superseded=False)
    if days := settings.RETENTION_DAYS:
        whole = Q(created_at__gte=timezone.now() - timedelta(days=days))
        return finished.filter(whole | Q(selected_by=RANDOM))
    return finished


def count_drawings() -> Any:  # noqa: ANN401
    return in_cells(whole_or_random()).annotate(rows=Count("*"), sure=Avg("confidence"))


def count_decided() -> Any:  # noqa: ANN401
    chosen = whole_or_random().filter(selected_by__in=[RANDOM, UNEVEN]).exclude(review_status="pending")
    right = DIGIT & Q(true_label=F("digit"))
    return in_cells(chosen).annotate(
        rows=Count("*"),
        digits=Count("pk", filter=DIGIT),
        right=Count("pk", filter=right),
        unsettled=Count("pk", filter=UNSETTLED),
        even_digits=Count("pk", filter=DIGIT & Q(selected_by=RANDOM)),
        even_right=Count("pk", filter=right & Q(selected_by=RANDOM)),
    )


def key_of(row: dict[str, Any]) -> Key:
    return row["model_version"], int(row["bin"]), row["is_sure"], row["said"]
