"""The side of the split that each reviewed drawing stays on."""

import hashlib
from collections.abc import Iterable
from uuid import UUID

from django.db import connection, models, transaction

from predictions import pictures
from predictions.models.prediction import Prediction

# Of each hundred visitors, so many draw for validation and for test; the others draw for training.
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
        """Give every drawing that may teach and has no side yet its side, for good.

        A training and a comparison may ask at once: one after the other, since the first decides.
        """
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE predictions_splitrow IN SHARE UPDATE EXCLUSIVE MODE")
        originals = self.exclude(side=Side.COPY).values("input_hash")
        self.filter(side=Side.COPY).exclude(
            input_hash__in=originals
        ).delete()  # of a drawing that was deleted
        unassigned = Prediction.objects.all().may_teach().filter(split_row=None)
        rows = unassigned.order_by("reviewed_at", "pk").values_list("pk", "visitor", "input")
        sides = dict(self.exclude(side=Side.COPY).values_list("input_hash", "side"))
        chosen = _choose_sides(rows.iterator(2000), sides)
        left = Prediction.objects.all().still_there(row.prediction_id for row in chosen)
        self.bulk_create([row for row in chosen if row.prediction_id in left], batch_size=2000)


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


def side_of(visitor: UUID | None) -> str:
    """All of one visitor's drawings stand on one side. Drawings without a visitor may all be one person's, so
    they count as one visitor's, on the training side."""
    if visitor is None:
        return Side.TRAIN
    place = int.from_bytes(hashlib.sha256(visitor.bytes).digest()[:8], "big") % 100
    if place < TEST_PERCENT:
        return Side.TEST
    return Side.VALIDATION if place < TEST_PERCENT + VALIDATION_PERCENT else Side.TRAIN


def _choose_sides(
    rows: Iterable[tuple[UUID, UUID | None, pictures.Stored]], sides: dict[str, str]
) -> list[SplitRow]:
    """`sides` maps the hash of each input seen so far to the side that holds it; it grows."""
    chosen = []
    for key, visitor, model_input in rows:
        digest, side = hashlib.sha256(model_input).hexdigest(), side_of(visitor)
        if sides.setdefault(digest, side) != side:
            side = Side.COPY
        chosen.append(SplitRow(prediction_id=key, input_hash=digest, side=side))
    return chosen
