"""A made-up log of any length: MNIST's test digits as the stored versions really read them, with visitors
who slip and operators who are behind. For measurements and for a look around; never for training."""

import io
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection
from django.utils import timezone
from PIL import Image

from predictions import serving
from predictions.models import ModelVersion, Prediction

if TYPE_CHECKING:
    from classifier.predictor import Reading
    from training.dataset import Digits

DAYS = 90
LABELLED = 0.6  # of drawings, by their visitors
SLIPS = 0.03  # of those labels are wrong
REVIEWED = 0.3  # of drawings, the older ones
REJECTED = 0.02  # of those
IN_PROGRESS = 0.1  # of rows are earlier states of a drawing
VISITS = 8  # drawings of one visitor

COLUMNS = [
    "id",
    "created_at",
    "source",
    "visitor",
    "drawing",
    "superseded",
    "image",
    "input",
    "model_version_id",
    "digit",
    "confidence",
    "probabilities",
    "uncertain",
    "reason",
    "latency_ms",
    "second_digit",
    "user_label",
    "user_label_at",
    "true_label",
    "review_status",
    "reviewed_at",
    "chosen",
    "lottery",
    "row_version",
]
Row = list[Any]


@dataclass(frozen=True)
class Pool:
    """Digits to draw from, as every version reads them; versions oldest first."""

    digits: "Digits"
    images: list[bytes]
    versions: list[int]
    readings: "list[list[Reading]]"


def make_pool(digits: "Digits") -> Pool:
    """Read the digits with every stored version."""
    versions = list(ModelVersion.objects.order_by("pk"))
    readings = [serving.load(version).read(digits.images) for version in versions]
    images = [drawn_large(image) for image in digits.images]
    return Pool(digits, images, [version.pk for version in versions], readings)


def drawn_large(image: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """A 28×28 digit as a page would send it: a 140×140 PNG in black and white."""
    file = io.BytesIO()
    large = Image.fromarray(image).resize((140, 140), Image.Resampling.BICUBIC)
    large.point(lambda ink: 255 * (ink > 100)).convert("1").save(file, "PNG")
    return file.getvalue()


def copy_log(pool: Pool, rows: int) -> None:
    """Append that many rows by COPY, and make the planner know of them."""
    sql = f"COPY predictions_prediction ({', '.join(COLUMNS)}) FROM STDIN"
    with connection.cursor() as cursor:
        with cursor.copy(sql) as copy:
            for row in made_up(pool, rows):
                copy.write_row(row)
        cursor.execute("VACUUM (ANALYZE) predictions_prediction")


def made_up(pool: Pool, rows: int) -> Iterator[Row]:
    """Rows in the order of their time, up to now."""
    chance, visitor = random.Random(rows), uuid.uuid4()
    start, step = timezone.now() - timedelta(days=DAYS), timedelta(days=DAYS) / rows
    for number in range(rows):
        if chance.random() < 1 / VISITS:
            visitor = uuid.uuid4()
        yield made_up_row(pool, chance, number / rows, start + number * step, visitor)


def made_up_row(pool: Pool, chance: random.Random, age: float, at: datetime, visitor: uuid.UUID) -> Row:
    """`age` grows from 0 to 1 with time: the newest version answers the newest drawings."""
    which = chance.randrange(len(pool.digits))
    label, newest = int(pool.digits.labels[which]), len(pool.versions) - 1
    version = min(int(age * len(pool.versions)), newest)
    reading = pool.readings[version][which]
    superseded = chance.random() < IN_PROGRESS
    return [
        uuid.uuid4(),
        at,
        chance.choice(Prediction.Source.values),
        visitor,
        uuid.uuid4(),
        superseded,
        pool.images[which],
        pool.digits.images[which].tobytes(),
        pool.versions[version],
        reading.digit,
        reading.confidence,
        list(reading.probabilities),
        reading.uncertain,
        reading.reason,
        chance.uniform(3, 9),
        pool.readings[newest][which].digit if version < newest else None,
        *claim(chance, label, at, superseded),
        *decision(chance, label, at, superseded or age > REVIEWED),
    ]


def claim(chance: random.Random, label: int, at: datetime, silent: bool) -> Row:
    """The visitor's label and its time."""
    if silent or chance.random() > LABELLED:
        return [None, None]
    said = chance.randrange(10) if chance.random() < SLIPS else label
    return [said, at + timedelta(seconds=5)]


def decision(chance: random.Random, label: int, at: datetime, pending: bool) -> Row:
    """The operator's part of the row: true label, status, time, how it was chosen, lot, row version."""
    lot = chance.random()
    if pending:
        return [None, "pending", None, "", lot, 1]
    reviewed_at, chosen = at + timedelta(days=1), Prediction.chosen_by_queue(lot)
    if chance.random() < REJECTED:
        return [None, "rejected", reviewed_at, chosen, lot, 2]
    return [label, "accepted", reviewed_at, chosen, lot, 2]
