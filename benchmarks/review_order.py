"""How many of the model's errors the first tenth of the review queue holds.

    python -m benchmarks.review_order [--rows 10000] [--data-dir var/data]

A simulated log on a database of its own: MNIST's test digits as the shipped model reads them; six visitors
in ten say which digit it was, three in a hundred of those wrongly. An operator who knows every label works
through the first tenth of the real queue, by its own leases and reviews, and meets so many of the errors.
"""

import argparse
import os
import sys
import tempfile
from itertools import islice
from pathlib import Path
from uuid import UUID

REPOSITORY = Path(__file__).resolve().parent.parent
BATCH = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--data-dir", type=Path, default=REPOSITORY / "var" / "data")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as var:
        os.environ |= {"VAR_DIR": var, "DJANGO_SETTINGS_MODULE": "mnistsite.settings"}
        os.environ.pop("DATABASE_URL", None)
        import django

        django.setup()
        simulate(options.rows, options.data_dir)


def simulate(rows: int, data_dir: Path) -> None:
    from django.core.management import call_command

    from training.dataset import load_mnist

    call_command("setup", stdout=sys.stderr)
    pool = demo_log.make_pool(load_mnist(data_dir).test)
    truth = fill(pool, rows)
    found, seen, errors = work_through(truth, rows // 10)
    print("| drawings | errors of the model | in the first tenth of the queue | share |")
    print("|---:|---:|---:|---:|")
    print(f"| {rows:,} | {errors} | {found} of {seen:,} | {found / errors:.0%} |")


def fill(pool: object, rows: int) -> dict[UUID, int]:
    """A log that nobody has reviewed; the true label of every row."""
    from predictions.models import Prediction

    demo_log.REVIEWED = demo_log.IN_PROGRESS = 0.0
    demo_log.copy_log(pool, rows)  # type: ignore[arg-type]
    labels = {
        image.tobytes(): int(label)
        for image, label in zip(pool.digits.images, pool.digits.labels, strict=True)  # type: ignore[attr-defined]
    }
    inputs = Prediction.objects.values_list("pk", "input")
    return {pk: labels[bytes(pixels)] for pk, pixels in inputs}


def work_through(truth: dict[UUID, int], count: int) -> tuple[int, int, int]:
    """Errors met and drawings seen by the operator, and all errors there are."""
    from django.contrib.auth.models import User

    from predictions.models import Prediction

    readings = dict(Prediction.objects.values_list("pk", "digit"))
    wrong = {pk for pk, label in truth.items() if readings[pk] != label}
    operator = User.objects.get(is_superuser=True)
    seen: set[UUID] = set()
    while len(seen) < count:
        for row in islice(Prediction.objects.all().queue(operator, BATCH, []), count - len(seen)):
            row.review(operator, "accepted", truth[row.pk], row.chosen_by_queue(row.lottery))
            seen.add(row.pk)
    return len(seen & wrong), len(seen), len(wrong)


if __name__ == "__main__":
    main()
