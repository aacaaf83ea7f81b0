"""How often a version is let in that was trained on a batch of which a fifth of the labels are wrong.

    python -m benchmarks.wrong_labels [--tries 10] [--drawings 500] [--wrong 0.2] [--steps 100]

Each try, on a database of its own: so many of the repository's pen drawings, drawn by lot, are reviewed with
so many wrong labels, and the pipeline makes a version, label check and gate included.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import site
from benchmarks.simulated_people import err, log_reviewed

REPOSITORY = Path(__file__).resolve().parent.parent
DRAWINGS = REPOSITORY / "benchmarks" / "data" / "strokes-dev.npz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=10)
    parser.add_argument("--drawings", type=int, default=500)
    parser.add_argument("--wrong", type=float, default=0.2)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--data-dir", type=Path, default=REPOSITORY / "var" / "data")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as var:
        site.set_up(own=Path(var))
        run(options.tries, options.drawings, options.wrong, options.steps, options.data_dir)


def run(tries: int, count: int, wrong: float, steps: int, data_dir: Path) -> None:
    from django.core.management import call_command
    from django.db import transaction

    from training.drawings import load_drawings
    from training.evaluate import as_strokes

    call_command("setup", stdout=sys.stderr)
    drawings = load_drawings(DRAWINGS)
    inputs = as_strokes(drawings)
    print("| try | wrong labels | doubted | gate |\n|---:|---:|---:|---|")
    for seed in range(1, tries + 1):
        with transaction.atomic():
            print(f"| {seed} | {try_batch(seed, inputs, drawings.labels, count, wrong, steps, data_dir)} |")
            transaction.set_rollback(True)


def try_batch(
    seed: int,
    inputs: NDArray[np.uint8],
    labels: NDArray[np.int64],
    count: int,
    wrong: float,
    steps: int,
    data_dir: Path,
) -> str:
    """The cells of one try's row."""
    from predictions.learning.pipeline import fine_tune
    from predictions.models import LabelDoubt, ModelVersion

    chance = np.random.default_rng(seed)
    at = chance.choice(len(labels), count, replace=False)
    given = [err(int(label), wrong, chance) for label in labels[at]]
    log_reviewed(inputs[at], given, at)
    made = fine_tune(lambda progress, message: None, data_dir, steps=steps, seed=seed)
    gate = ModelVersion.objects.get(name=made["version"]).gate
    failed = [check["name"] for check in gate["checks"] if not check["passed"]] if gate else []
    is_wrong = int((np.array(given) != labels[at]).sum())
    verdict = f"closed: {', '.join(failed)}" if failed else "open"
    return f"{is_wrong} of {count} | {LabelDoubt.objects.open().count()} | {verdict}"


if __name__ == "__main__":
    main()
