"""How many of the model's errors the first tenth of the review queue holds.

    python -m benchmarks.review_order [--rows 10000] [--data-dir var/data]

A simulated log on a database of its own: MNIST's test digits as the shipped model reads them; six visitors
in ten say which digit it was, three in a hundred of those wrongly. An operator who knows every label works
through the first tenth of the real queue, by its own leases and reviews, and meets so many of the errors.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from benchmarks import site
from benchmarks.simulated_log import copy_log, make_simulation
from benchmarks.simulated_people import review, work_through_queue

if TYPE_CHECKING:
    from training.dataset import Digits

REPOSITORY = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--data-dir", type=Path, default=REPOSITORY / "var" / "data")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as var:
        site.set_up(own=Path(var))
        simulate(options.rows, options.data_dir)


def simulate(rows: int, data_dir: Path) -> None:
    from django.core.management import call_command

    from training.dataset import load_mnist

    call_command("setup", stdout=sys.stderr)
    truth = fill(load_mnist(data_dir).test, rows)
    found, seen, errors = work_through(truth, rows // 10)
    print("| drawings | errors of the model | in the first tenth of the queue | share |")
    print("|---:|---:|---:|---:|")
    print(f"| {rows:,} | {errors} | {found} of {seen:,} | {found / errors:.0%} |")


def fill(digits: "Digits", rows: int) -> dict[UUID, int]:
    """A log that nobody has reviewed; the true label of every row."""
    from predictions.models import Prediction

    copy_log(replace(make_simulation(digits), reviewed=0.0, in_progress=0.0), rows)
    labels = {image.tobytes(): int(label) for image, label in zip(digits.images, digits.labels, strict=True)}
    inputs = Prediction.objects.values_list("pk", "input")
    return {pk: labels[bytes(pixels)] for pk, pixels in inputs}


def work_through(truth: dict[UUID, int], count: int) -> tuple[int, int, int]:
    """Errors met and drawings seen by the operator, and all errors there are."""
    from django.contrib.auth.models import User

    from predictions.models import Prediction

    readings = dict(Prediction.objects.values_list("pk", "digit"))
    wrong = {pk for pk, label in truth.items() if readings[pk] != label}
    operator, seen = User.objects.get(is_superuser=True), set[UUID]()
    for row in work_through_queue(operator, count):
        review(row, truth[row.pk], operator, selected_by=row.selected_by_queue)
        seen.add(row.pk)
    return len(seen & wrong), len(seen), len(wrong)


if __name__ == "__main__":
    main()
