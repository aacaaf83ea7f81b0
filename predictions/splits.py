"""Which reviewed drawings training may use, and on which side of the split each of them stays."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self
from uuid import UUID

import numpy as np
from django.db import connection, models, transaction
from django.utils import timezone
from numpy.typing import NDArray

from predictions.models import LABELS, Prediction

# Of each hundred visitors, so many write for validation and for test; the others write for training.
VALIDATION_PERCENT = 10
TEST_PERCENT = 10


class Side(models.TextChoices):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    # A copy of an input that another side holds: no side may have it.
    COPY = "copy"


SIDES = (Side.TRAIN, Side.VALIDATION, Side.TEST)


class SplitRowQuerySet(models.QuerySet["SplitRow"]):
    @transaction.atomic
    def assign(self) -> None:
        """Give every accepted drawing that has none its side, for good.

        A training and a comparison may ask at once: one after the other, since the first decides.
        """
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE predictions_splitrow IN SHARE UPDATE EXCLUSIVE MODE")
        unassigned = Prediction.objects.filter(
            review_status=Prediction.ReviewStatus.ACCEPTED, superseded=False, split_row=None
        )
        rows = unassigned.order_by("reviewed_at", "pk").values_list("pk", "visitor", "input")
        sides = dict(self.exclude(side=Side.COPY).values_list("input_hash", "side"))
        self.bulk_create(_assigned(rows.iterator(2000), sides), batch_size=2000)


class SplitRow(models.Model):
    """The side of one reviewed drawing. Written once and never changed, so that a drawing which measured one
    version is never trained on by a later one, whatever is reviewed in between."""

    prediction = models.OneToOneField(Prediction, models.CASCADE, primary_key=True, related_name="split_row")
    input_hash = models.CharField(max_length=64, db_index=True)
    side = models.CharField(max_length=10, choices=Side.choices)

    objects = SplitRowQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(side__in=Side.values), name="known_side")]

    def __str__(self) -> str:
        return f"{self.prediction_id}: {self.side}"


class LabelDoubtQuerySet(models.QuerySet["LabelDoubt"]):
    def open(self) -> Self:
        return self.filter(at__gt=models.F("prediction__reviewed_at"))


class LabelDoubt(models.Model):
    """A reviewed label that other people's drawings speak against. Reviewing the drawing again, with whatever
    outcome, settles it; until then training leaves the drawing out."""

    prediction = models.OneToOneField(Prediction, models.CASCADE, primary_key=True, related_name="doubt")
    label = models.PositiveSmallIntegerField(choices=LABELS, help_text="As reviewed.")
    suggestion = models.PositiveSmallIntegerField(choices=LABELS, help_text="What the drawing looks like.")
    quality = models.FloatField(help_text="How well the label fits the drawing, from 0 to 1.")
    at = models.DateTimeField(default=timezone.now)

    objects = LabelDoubtQuerySet.as_manager()

    class Meta:
        ordering = ["quality"]

    def __str__(self) -> str:
        return f"{self.label}, or {self.suggestion}?"


def _assigned(rows: Iterable[tuple[UUID, UUID | None, bytes]], sides: dict[str, str]) -> list[SplitRow]:
    """`sides` maps the hash of each input seen so far to the side that holds it; it grows."""
    assigned = []
    for key, visitor, drawing in rows:
        digest, side = hashlib.sha256(drawing).hexdigest(), side_of(visitor)
        if sides.setdefault(digest, side) != side:
            side = Side.COPY
        assigned.append(SplitRow(prediction_id=key, input_hash=digest, side=side))
    return assigned


def side_of(visitor: UUID | None) -> str:
    """All of one visitor's drawings stand on one side. Drawings without a visitor may all be one person's, so
    they count as one, who writes for training."""
    if visitor is None:
        return Side.TRAIN
    place = int.from_bytes(hashlib.sha256(visitor.bytes).digest()[:8], "big") % 100
    if place < TEST_PERCENT:
        return Side.TEST
    return Side.VALIDATION if place < TEST_PERCENT + VALIDATION_PERCENT else Side.TRAIN


@dataclass(frozen=True)
class Reviewed:
    """Reviewed drawings: (n,) ids and visitors, (n, 28, 28) uint8 inputs, (n,) labels (10: not a digit)."""

    ids: NDArray[np.object_]
    visitors: NDArray[np.object_]
    inputs: NDArray[np.uint8]
    labels: NDArray[np.int64]
    sides: NDArray[np.str_]

    def on(self, side: str) -> "Reviewed":
        chosen = self.sides == side
        return Reviewed(
            *(column[chosen] for column in (self.ids, self.visitors, self.inputs, self.labels, self.sides))
        )

    def manifest(self) -> dict[str, dict[str, int]]:
        """The label of every drawing by its id, by side: what a version keeps of what it was made from."""
        return {
            side: {str(key): int(label) for key, label in zip(part.ids, part.labels, strict=True)}
            for side, part in ((side, self.on(side)) for side in SIDES)
        }


def reviewed_drawings() -> Reviewed:
    """Every drawing whose label an operator accepted and that nobody doubts, each on its side."""
    SplitRow.objects.assign()
    rows = list(
        Prediction.objects.filter(
            split_row__side__in=SIDES, review_status=Prediction.ReviewStatus.ACCEPTED, superseded=False
        )
        .exclude(doubt__at__gt=models.F("reviewed_at"))
        .order_by("pk")
        .values_list("pk", "visitor", "input", "true_label", "split_row__side")
    )
    ids, visitors, inputs, labels, sides = zip(*rows, strict=True) if rows else ((),) * 5
    return Reviewed(
        np.array(ids, object),
        np.array(visitors, object),
        np.frombuffer(bytearray().join(inputs), np.uint8).reshape(-1, 28, 28),
        np.array(labels, np.int64),
        np.array(sides, np.str_),
    )


def fingerprint(sources: Mapping[str, object]) -> str:
    """The SHA-256 of what a version was made from: which drawings with which labels on which side, say."""
    return hashlib.sha256(json.dumps(sources, sort_keys=True).encode()).hexdigest()
