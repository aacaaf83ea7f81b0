"""How good each version is, as one picture over time: on the random sample, and on held-out drawings."""

from dataclasses import dataclass
from datetime import datetime
from math import floor
from typing import NamedTuple

from predictions.learning.accuracy import Accuracy
from predictions.models import ModelVersion, Promotion

NEWEST = 12  # versions; a phone has room for no more
LEFT = 9.0  # percent of the picture's width, for the scale's figures
Interval = tuple[float, float]


class Mark(NamedTuple):
    """One estimate, shares from 0 to 1."""

    kind: str
    share: float
    interval: Interval
    of: int


class Placed(NamedTuple):
    """A mark in the picture: in percent of its height, from above; beside the version's middle in pixels."""

    mark: Mark
    beside: int
    y: float
    top: float
    bottom: float


class Column(NamedTuple):
    """A version: its place in percent, marks, and when it began to answer."""

    version: ModelVersion
    x: float
    marks: list[Placed]
    promoted: datetime | None


@dataclass(frozen=True)
class Timeline:
    columns: list[Column]
    scale: list[tuple[float, float]]  # shares, and their place


def timeline(accuracies: dict[int, Accuracy]) -> Timeline | None:
    """The newest versions, oldest first; None where nothing has been measured."""
    versions = list(ModelVersion.objects.only("name", "metrics", "created_at", "active")[:NEWEST])[::-1]
    marks = {version.pk: marks_of(version, accuracies.get(version.pk)) for version in versions}
    lows = [mark.interval[0] for found in marks.values() for mark in found]
    if not lows:
        return None
    lowest = min(floor(20 * min(lows)) / 20, 0.95)
    promoted = dict(Promotion.objects.order_by("-at").values_list("version", "at"))
    columns = [
        Column(
            version,
            LEFT + (100 - LEFT) * (number + 0.5) / len(versions),
            [place(mark, lowest) for mark in marks[version.pk]],
            promoted.get(version.pk),
        )
        for number, version in enumerate(versions)
    ]
    return Timeline(columns, [(share, height(share, lowest)) for share in (1.0, (1 + lowest) / 2, lowest)])


def marks_of(version: ModelVersion, accuracy: Accuracy | None) -> list[Mark]:
    marks = []
    if accuracy:
        marks.append(Mark("labels", accuracy.share, accuracy.plain, accuracy.digits))
        middle = min(max(accuracy.share, accuracy.powered[0]), accuracy.powered[1])
        marks.append(Mark("powered", middle, accuracy.powered, accuracy.labels))
    if figures := version.metrics["sets"].get("drawings_test"):
        low, high = figures["interval"]
        marks.append(Mark("held-out", figures["accuracy"], (low, high), figures["count"]))
    return marks


BESIDE = {"labels": -7, "powered": 0, "held-out": 7}


def place(mark: Mark, lowest: float) -> Placed:
    low, high = mark.interval
    heights = (height(share, lowest) for share in (mark.share, high, low))
    return Placed(mark, BESIDE[mark.kind], *heights)


def height(share: float, lowest: float) -> float:
    """From above, in percent; 4 are left free on both ends."""
    return 4 + 92 * (1 - share) / (1 - lowest)
