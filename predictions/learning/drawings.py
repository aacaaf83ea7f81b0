"""Reviewed drawings as arrays: all that may teach, each on its side of the split."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
from django.db import models
from numpy.typing import NDArray

from predictions import pictures
from predictions.models import NOT_A_DIGIT, SIDES, Prediction, SplitRow

if TYPE_CHECKING:
    from training.dataset import Digits

# The label of every drawing by its id, by side.
Manifest = dict[str, dict[str, int]]


@dataclass(frozen=True)
class ReviewedDrawings:
    """(n,) ids and visitors, (n, 28, 28) uint8 inputs, (n,) labels (10: not a digit) and sides."""

    ids: NDArray[np.object_]
    visitors: NDArray[np.object_]
    inputs: NDArray[np.uint8]
    labels: NDArray[np.int64]
    sides: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, which: NDArray[np.bool_]) -> "ReviewedDrawings":
        return ReviewedDrawings(*(getattr(self, column.name)[which] for column in fields(self)))

    def on(self, side: str) -> "ReviewedDrawings":
        return self[self.sides == side]

    def without(self, ids: Collection[UUID]) -> "ReviewedDrawings":
        return self[np.array([key not in ids for key in self.ids], np.bool_)]

    def digits(self) -> "Digits":
        """Without the drawings that are no digit, which have no right answer among the ten."""
        return self[self.labels != NOT_A_DIGIT].all()

    def all(self) -> "Digits":
        from training.dataset import Digits

        return Digits(self.inputs, self.labels)

    def manifest(self) -> Manifest:
        """The record that a version keeps of the drawings it was made from."""
        return {
            side: {str(key): int(label) for key, label in zip(part.ids, part.labels, strict=True)}
            for side, part in ((side, self.on(side)) for side in SIDES)
        }


def reviewed_drawings() -> ReviewedDrawings:
    """Every drawing whose label an operator accepted and that nobody doubts, each on its side."""
    SplitRow.objects.assign()
    rows = list(
        Prediction.objects.all()
        .may_teach()
        .filter(split_row__side__in=SIDES)
        .exclude(doubt__at__gt=models.F("reviewed_at"))
        .order_by("pk")
        .values_list("pk", "visitor", "input", "true_label", "split_row__side")
    )
    ids, visitors, inputs, labels, sides = zip(*rows, strict=True) if rows else ((),) * 5
    return ReviewedDrawings(
        np.array(ids, object),
        np.array(visitors, object),
        pictures.stack(inputs),
        np.array(labels, np.int64),
        np.array(sides, np.str_),
    )
