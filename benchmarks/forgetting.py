"""Whether the weights after a deletion are those of a site that never had the drawing, and what that costs.

    python -m benchmarks.forgetting [--deletions 20] [--steps 60] [--data-dir var/data]

On a database of its own, a line of five versions learns from 100, 200, … 500 of the repository's pen
drawings. Drawings chosen by lot are deleted, each in a world of its own, and the night's job makes the new
version; then a line of five is made that never had the drawing, and the weights are compared byte for byte.
`--steps` shortens the trainings; without, they are as long as the drawings ask for.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks import site
from benchmarks.simulated_people import drawing_id, log_reviewed

if TYPE_CHECKING:
    from predictions.learning.pipeline import Changes
    from training.drawings import Drawings

REPOSITORY = Path(__file__).resolve().parent.parent
DRAWINGS = REPOSITORY / "benchmarks" / "data" / "strokes-dev.npz"
VERSIONS, PER_VERSION = 5, 100


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deletions", type=int, default=20)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--data-dir", type=Path, default=REPOSITORY / "var" / "data")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as var:
        site.set_up(own=Path(var))
        run(options.deletions, options.steps, options.data_dir)


def run(deletions: int, steps: int | None, data_dir: Path) -> None:
    from django.core.management import call_command

    from training.drawings import load_drawings
    from training.evaluate import as_strokes

    call_command("setup", stdout=sys.stderr)
    drawings = load_drawings(DRAWINGS)
    chance = np.random.default_rng(1)
    places = chance.choice(len(drawings), VERSIONS * PER_VERSION, replace=False)
    inputs = as_strokes(drawings[places])
    changes: Changes = {"steps": steps} if steps else {}
    same, seconds = 0, list[float]()
    for gone in chance.choice(places, deletions, replace=False):
        with another_world():
            make_line(drawings, inputs, places, changes, data_dir)
            started = time.process_time()
            after = forget(int(gone), changes, data_dir)
            seconds.append(time.process_time() - started)
        with another_world():
            kept = places != gone
            clean = make_line(drawings, inputs[kept], places[kept], changes, data_dir)
        same += after == clean
        print(f"{'the same' if after == clean else 'OTHER WEIGHTS'}, {seconds[-1]:.0f} s of CPU", flush=True)
    print(f"{same} of {deletions} the same; {max(seconds):.0f} s of CPU at the most.")


@contextmanager
def another_world() -> Iterator[None]:
    from django.db import transaction

    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def make_line(
    drawings: "Drawings",
    inputs: NDArray[np.uint8],
    places: NDArray[np.int64],
    changes: "Changes",
    data_dir: Path,
) -> bytes:
    """Five versions, each promoted; the weights of the newest."""
    from predictions.learning.pipeline import fine_tune
    from predictions.models import ModelVersion

    for part in np.array_split(np.arange(len(places)), VERSIONS):
        log_reviewed(inputs[part], drawings.labels[places[part]].tolist(), places[part])
        made = fine_tune(lambda progress, message: None, data_dir, **changes)
        ModelVersion.objects.get(name=made["version"]).promote(reason="benchmark", override=True)
    return weights()


def forget(place: int, changes: "Changes", data_dir: Path) -> bytes:
    """Delete the drawing, do the night's job, and return the weights that answer then."""
    from predictions.learning import forgetting
    from predictions.models import Prediction

    assert Prediction.objects.filter(pk=drawing_id(place)).erase()
    forgetting.forget(lambda progress, message: None, data_dir, **changes)
    return weights()


def weights() -> bytes:
    """Of the active version, without its metrics, which say how long it took."""
    from predictions.models import ModelVersion

    tensors = sorted(ModelVersion.objects.get(active=True).checkpoint().weights.items())
    return b"".join(tensor.numpy().tobytes() for _, tensor in tensors)


if __name__ == "__main__":
    main()
