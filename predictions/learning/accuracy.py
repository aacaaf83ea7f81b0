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
from predictions.models.review import LEASE, UNEVEN_SAMPLE

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
# Before there was an uneven lot, the queue handed out its rows as well, the likeliest errors first; what is
# left of them is not as all are. Claims that came later may have brought a row into the lot.
TAKEN = Q(UNEVEN_SAMPLE, selected_by=Prediction.SelectedBy.SUSPICION) & (
    Q(user_label_at=None) | Q(user_label_at__lt=F("reviewed_at") - LEASE)
)


class Decided(NamedTuple):
    """Of each lot, the decisions about rows that it chose; of them digits, digits read right, and errors not
    settled yet. And the rows that were taken from the uneven one."""

    even_rows: int = 0
    even_digits: int = 0
    even_right: int = 0
    even_unsettled: int = 0
    uneven_rows: int = 0
    uneven_digits: int = 0
    uneven_right: int = 0
    uneven_unsettled: int = 0
    taken: int = 0


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
    found = {version: accuracy(version, drawings, decided) for version in {key[0] for key in decided}}
    return {version: accuracy for version, accuracy in found.items() if accuracy}


def accuracy(
    version: int, drawings: dict[Key, tuple[int, float]], decided: dict[Key, Decided]
) -> Accuracy | None:
    """None where the version's random sample has no digit yet. Errors that are not settled count as the
    model's for the lower bound, and as the operators' for the upper one."""
    keys = [key for key in drawings if key[0] == version]
    parts = np.array([decided.get(key, Decided()) for key in keys], np.float64).T
    even, uneven, taken = parts[:4], parts[4:8], parts[8]
    of_even = int(even[1].sum()), int(even[2].sum())
    if not of_even[0]:
        return None
    _, _, is_sure, claims = np.array(keys).T
    rows, sure = np.array([drawings[key] for key in keys]).T
    expected = expect(sure, claims != SAID_NOTHING, claims == AGREED)
    group = np.where(claims == SAID_NOTHING, is_sure, 2 * (claims == AGREED))  # as the uneven lot has them
    decisions, digits, right, unsettled = even + uneven * ~np.isin(group, group[taken > 0])
    low = Cells(group, expected, rows, decisions, digits, right).interval()
    high = Cells(group, expected, rows, decisions, digits, right + unsettled).interval()
    assert low and high  # noqa: S101  (for the type checker)
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
    lots = {"even": Q(selected_by=RANDOM), "uneven": Q(selected_by=UNEVEN)}
    kinds = {"rows": Q(), "digits": DIGIT, "right": DIGIT & Q(true_label=F("digit")), "unsettled": UNSETTLED}
    counts = {
        f"{lot}_{kind}": Count("pk", filter=chosen & those)
        for lot, chosen in lots.items()
        for kind, those in kinds.items()
    }
    decided = whole_or_random().filter(TAKEN | Q(selected_by__in=[RANDOM, UNEVEN]))
    return in_cells(decided.exclude(review_status="pending")).annotate(
        **counts, taken=Count("pk", filter=TAKEN)
    )


def key_of(row: dict[str, Any]) -> Key:
    return row["model_version"], int(row["bin"]), row["is_sure"], row["said"]
