"""The admin's front page: how much comes in, how good the answers are, what waits."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple, TypedDict, cast

from django.db.models import Count, F, FloatField, Sum
from django.db.models.functions import Floor, TruncDate
from django.http import HttpRequest
from django.utils import timezone

from predictions.admin import show
from predictions.admin.queue import COUNTED_ROWS
from predictions.admin.timeline import timeline
from predictions.intervals import wilson
from predictions.learning.accuracy import Accuracy, accuracies
from predictions.models import (
    BLOBS_OF_PREDICTION,
    CONTRADICTED,
    LABELS,
    NOT_A_DIGIT,
    Lesson,
    ModelVersion,
    Prediction,
)

DAYS = 30
NEWEST = 16
BINS = 10
SHOWN_LESSONS = 24  # of each kind


class Cell(TypedDict):
    """How many accepted rows have these values in common; `bin` is the confidence's, of ten."""

    model_version_id: int
    digit: int
    true_label: int
    bin: int
    selected_by: str
    rows: int
    confidence_sum: float


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The front page's figures, for users who may see predictions."""
    if not request.user.has_perm("predictions.view_prediction"):
        return context
    found, sample = cells(), accuracies()
    waiting = Prediction.objects.all().waiting(COUNTED_ROWS, request.user)
    conflicts = Prediction.objects.all().most_suspicious().filter(suspicion__gte=CONTRADICTED)
    newest = Prediction.objects.without_blobs().filter(superseded=False)[:NEWEST]
    return context | {
        "days": daily(),
        "versions": lines_of(found, sample),
        "timeline": timeline(sample),
        "learnt": (taught := learnt()),
        "lesson_kinds": taught.kinds() if taught else [],
        "confusion": confusion(found),
        "reliability": reliability(found),
        "waiting": waiting,
        "conflicts": conflicts[:COUNTED_ROWS].count(),
        "counted": COUNTED_ROWS,
        "newest": [(row, show.input_uri(row)) for row in newest],
    }


@dataclass(frozen=True)
class Bar:
    """One bar of a chart that is 100 high."""

    name: str
    value: int
    x: int
    height: float

    @property
    def y(self) -> float:
        return 100 - self.height


def bars(values: Iterable[tuple[str, int]]) -> list[Bar]:
    pairs = list(values)
    most = max((value for _, value in pairs), default=0) or 1
    return [Bar(name, value, 10 * n, 100 * value / most) for n, (name, value) in enumerate(pairs)]


def daily() -> list[Bar]:
    """Finished drawings of each of the last thirty days."""
    first = timezone.localdate() - timedelta(days=DAYS - 1)
    midnight = timezone.make_aware(datetime.combine(first, time.min))
    recent = Prediction.objects.filter(created_at__gte=midnight, superseded=False).order_by()
    counts: dict[date, int] = dict(
        recent.annotate(day=TruncDate("created_at")).values_list("day").annotate(rows=Count("*"))
    )
    days = [first + timedelta(days=n) for n in range(DAYS)]
    return bars((day.isoformat(), counts.get(day, 0)) for day in days)


def cells() -> list[Cell]:
    """All accepted rows, counted by what the figures need: one query, answered from its own index."""
    accepted = Prediction.objects.filter(review_status="accepted").order_by()
    grouped = accepted.annotate(bin=Floor(F("confidence") * BINS, output_field=FloatField()))
    values = grouped.values("model_version_id", "digit", "true_label", "bin", "selected_by")
    return cast("list[Cell]", list(values.annotate(rows=Count("*"), confidence_sum=Sum("confidence"))))


@dataclass
class Tally:
    """Of the rows that an operator called a digit: how many the model read right."""

    rows: int = 0
    right: int = 0

    def add(self, cell: Cell) -> None:
        if cell["true_label"] != NOT_A_DIGIT:
            self.rows += cell["rows"]
            self.right += cell["rows"] if cell["digit"] == cell["true_label"] else 0

    @property
    def share(self) -> float | None:
        return self.right / self.rows if self.rows else None


class Line(NamedTuple):
    """A version's accuracy: on the random sample, which estimates it without bias, and on all reviewed."""

    name: str
    sample: Accuracy | None
    everything: Tally


def lines_of(found: list[Cell], sample: dict[int, Accuracy]) -> list[Line]:
    """The newest version first."""
    names = dict(ModelVersion.objects.values_list("pk", "name"))
    everything: dict[int, Tally] = defaultdict(Tally)
    for cell in found:
        everything[cell["model_version_id"]].add(cell)
    return [Line(names[pk], sample.get(pk), everything[pk]) for pk in sorted(everything, reverse=True)]


def confusion(found: list[Cell]) -> list[tuple[str, int, list[tuple[int, int, int]]]]:
    """A line for each true label: its name, its value, and for each digit read: rows, and share in tenths."""
    counts: Counter[tuple[int, int]] = Counter()
    for cell in found:
        counts[cell["true_label"], cell["digit"]] += cell["rows"]
    lines = []
    for label, name in LABELS:
        rows = [counts[label, digit] for digit in range(10)]
        total = sum(rows) or 1
        line = [(digit, n, -(-10 * n // total)) for digit, n in enumerate(rows)]
        lines.append((name, label, line))
    return lines


@dataclass(frozen=True)
class Point:
    """One bin of the reliability diagram, in shares; `part` is its part of all rows."""

    confidence: float
    right: int
    rows: int
    part: float

    @property
    def accuracy(self) -> float:
        return self.right / self.rows

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.right, self.rows)

    @property
    def x(self) -> float:
        return 100 * self.confidence

    @property
    def y(self) -> float:
        return 100 - 100 * self.accuracy

    @property
    def ends(self) -> tuple[float, float]:
        """The interval's, from above."""
        low, high = self.interval
        return 100 - 100 * high, 100 - 100 * low


def reliability(found: list[Cell]) -> list[Point]:
    """Of each tenth of confidence that has rows: mean confidence, accuracy, and its part of all rows."""
    bins: dict[int, Tally] = defaultdict(Tally)
    sums: dict[int, float] = defaultdict(float)
    for cell in found:
        if cell["true_label"] != NOT_A_DIGIT:
            which = min(int(cell["bin"]), BINS - 1)
            bins[which].add(cell)
            sums[which] += cell["confidence_sum"]
    total = sum(tally.rows for tally in bins.values())
    return [
        Point(sums[which] / tally.rows, tally.right, tally.rows, tally.rows / total)
        for which, tally in sorted(bins.items())
    ]


class Learnt(NamedTuple):
    """What the newest training that was compared taught: drawings won and lost, each with its picture."""

    version: ModelVersion
    won: list[tuple[Lesson, str]]
    lost: list[tuple[Lesson, str]]
    counts: tuple[int, int]

    def kinds(self) -> list[tuple[str, list[tuple[Lesson, str]], int]]:
        won, lost = self.counts
        return [("Right now, wrong before", self.won, won), ("Wrong now, right before", self.lost, lost)]


def learnt() -> Learnt | None:
    version = ModelVersion.objects.filter(gate__isnull=False).only("name", "gate").first()
    if version is None:
        return None
    lessons = version.lessons.select_related("prediction").defer(*BLOBS_OF_PREDICTION)
    won, lost = (
        [(lesson, show.input_uri(lesson.prediction)) for lesson in kind[:SHOWN_LESSONS]]
        for kind in (lessons.won(), lessons.lost())
    )
    return Learnt(version, won, lost, (version.lessons.won().count(), version.lessons.lost().count()))
