"""A made-up log of any length, appended to the database at hand.

    python -m benchmarks.simulated_log [--rows 10000] [--data-dir var/data]

MNIST's test digits as the stored versions really read them, with visitors who slip and operators who are
behind. For measurements and for a look around: no row of the source "simulation" ever teaches.
"""

import argparse
import io
import random
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from django.db import connection
from django.utils import timezone
from numpy.typing import NDArray
from PIL import Image

from benchmarks import site

if TYPE_CHECKING:
    from classifier.predictor import Reading
    from predictions.models import ModelVersion, Prediction
    from training.dataset import Digits

REPOSITORY = Path(__file__).resolve().parent.parent
DAYS = 90
LABELLED = 0.6  # of drawings, by their visitors
SLIPS = 0.03  # of those labels are wrong
REJECTED = 0.02  # of reviewed drawings
VISITS = 8  # drawings of one visitor


@dataclass(frozen=True)
class Simulation:
    """Digits to draw from, as every version reads them; versions oldest first. The rest says which log they
    become."""

    digits: "Digits"
    images: list[bytes]
    versions: "list[ModelVersion]"
    readings: "list[list[Reading]]"
    source: str
    reviewed: float = 0.3  # of drawings, the older ones
    in_progress: float = 0.1  # of rows are earlier states of a drawing


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--data-dir", type=Path, help="where MNIST is; default: where the site keeps it")
    options = parser.parse_args()
    if options.rows < 1:
        parser.error("--rows must be at least 1.")
    site.set_up()
    from django.conf import settings

    from training.dataset import DatasetError, load_mnist

    started = time.monotonic()
    try:
        digits = load_mnist(options.data_dir or settings.MNIST_DIR).test
        copy_log(make_simulation(digits[: options.rows]), options.rows)
    except (DatasetError, ValueError) as error:
        parser.error(str(error))
    print(f"{options.rows:,} rows in {time.monotonic() - started:.0f} s.")


def fill_once(folder: Path, rows: int) -> None:
    """Give a database of its own so long a log, unless it has it; `folder` is where `site.set_up` put it. Its
    rows come from the API: made-up ones would be in no export."""
    from django.core.management import call_command

    from training.dataset import load_mnist

    call_command("setup", stdout=sys.stderr)  # an older one gets the newer migrations
    if not (folder / "filled").exists():
        digits = load_mnist(REPOSITORY / "var" / "data").test[:rows]
        copy_log(replace(make_simulation(digits), source="api"), rows)
        (folder / "filled").touch()


def make_simulation(digits: "Digits") -> Simulation:
    """Read the digits with every stored version. Raises ValueError where there is none."""
    from predictions.models import ModelVersion, Prediction

    versions = list(ModelVersion.objects.order_by("pk"))
    if not versions:
        raise ValueError("There is no model version yet: run manage.py setup.")
    readings = [version.predictor().read(digits.images) for version in versions]
    images = [draw_large(image) for image in digits.images]
    return Simulation(digits, images, versions, readings, Prediction.Source.SIMULATION)


def draw_large(image: NDArray[np.uint8]) -> bytes:
    """A 28×28 digit as a page would send it: a 140×140 PNG in black and white."""
    file = io.BytesIO()
    large = Image.fromarray(image).resize((140, 140), Image.Resampling.BICUBIC)
    large.point(lambda ink: 255 * (ink > 100)).convert("1").save(file, "PNG")
    return file.getvalue()


def copy_log(simulation: Simulation, rows: int) -> None:
    """Append that many rows by COPY, and make the planner know of them."""
    from predictions.models import Prediction

    names = [field.attname for field in Prediction._meta.concrete_fields if not field.generated]
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY predictions_prediction ({', '.join(names)}) FROM STDIN") as copy:
            for row in make_rows(simulation, rows):
                copy.write_row([getattr(row, name) for name in names])
        cursor.execute("VACUUM (ANALYZE) predictions_prediction")


def make_rows(simulation: Simulation, rows: int) -> "Iterator[Prediction]":
    """Rows, not stored yet, in the order of their time, up to now."""
    chance, visitor = random.Random(rows), uuid.uuid4()
    start, step = timezone.now() - timedelta(days=DAYS), timedelta(days=DAYS) / rows
    for number in range(rows):
        if chance.random() < 1 / VISITS:
            visitor = uuid.uuid4()
        yield make_row(simulation, chance, number / rows, start + number * step, visitor)


def make_row(
    simulation: Simulation, chance: random.Random, age: float, at: datetime, visitor: uuid.UUID
) -> "Prediction":
    """`age` grows from 0 to 1 with time: the newest version answers the newest drawings."""
    from predictions.models import Prediction

    which, newest = chance.randrange(len(simulation.digits)), len(simulation.versions) - 1
    version = min(int(age * len(simulation.versions)), newest)
    row = Prediction.from_reading(
        simulation.readings[version][which],
        created_at=at,
        source=simulation.source,
        visitor=visitor,
        drawing=uuid.uuid4(),
        superseded=chance.random() < simulation.in_progress,
        image=simulation.images[which],
        input=simulation.digits.images[which].tobytes(),
        model_version=simulation.versions[version],
        latency_ms=chance.uniform(3, 9),
        second_reading=simulation.readings[newest][which].digit if version < newest else None,
        lottery=chance.random(),
    )
    label = int(simulation.digits.labels[which])
    if not row.superseded:
        claim(row, chance, label)
    if not row.superseded and age <= simulation.reviewed:
        decide(row, chance, label)
    return row


def claim(row: "Prediction", chance: random.Random, label: int) -> None:
    """The visitor's claim, if there is one."""
    if chance.random() < LABELLED:
        row.user_label = chance.randrange(10) if chance.random() < SLIPS else label
        row.user_label_at = row.created_at + timedelta(seconds=5)


def decide(row: "Prediction", chance: random.Random, label: int) -> None:
    """An operator's decision a day later."""
    rejected = chance.random() < REJECTED
    row.review_status = row.ReviewStatus.REJECTED if rejected else row.ReviewStatus.ACCEPTED
    row.true_label = None if rejected else label
    row.reviewed_at = row.created_at + timedelta(days=1)
    row.selected_by, row.row_version = row.selected_by_queue, 2


if __name__ == "__main__":
    main()
