"""The one way from digits to a checkpoint: split, train, calibrate, measure.

A version from random weights and a fine-tuned one differ in where the weights start and in the settings, and
in nothing else.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import classifier
import training
from classifier.checkpoint import Checkpoint, Metrics, SetFigures, dump
from classifier.model import NOT_A_DIGIT, DigitNet
from classifier.predictor import Predictor
from training.calibrate import calibrate
from training.dataset import Digits, Mnist, without_copies
from training.evaluate import ask
from training.finetune import FineTuning, finetune
from training.train import Progress, ReportProgress, Settings, count_steps, train

# A training from random weights ends as a fine-tuning is done: at a low rate, on hardly bent images, with few
# and new made-up drawings. Fewer errors on MNIST, on drawings and on wide pens (docs/experiments.md).
CLOSING = FineTuning(steps=800, drawings_share=0.25, learning_rate=0.0003)


@dataclass(frozen=True)
class Sets:
    """Digits by their use. `known` is MNIST's part of what trains, `drawings` people's (a label of 10 is "not
    a digit"); `measured` are the sets that a version's metrics are about, by name."""

    known: Digits
    drawings: Digits
    validation: Digits
    measured: dict[str, Digits]

    @cached_property
    def trained_on(self) -> Digits:
        return self.known + self.drawings


def split(mnist: Mnist, drawings: Mapping[str, Digits]) -> Sets:
    """Leave out of everything that trains each near copy of a digit that is held out.

    `drawings` are people's, by side: "train", "validation", "test". One digit of MNIST's training part is
    nearly one of its validation part, and stays: that part calibrates, and decides no comparison.
    """
    train, validation, test = (drawings.get(side, mnist.test[:0]) for side in ("train", "validation", "test"))
    # What is no digit has no right answer among the ten, so that it can only teach.
    digits = {
        name: part[part.labels != NOT_A_DIGIT]
        for name, part in (("train", train), ("validation", validation), ("test", test))
    }
    tests, mnist_validation = mnist.test + test, without_copies(mnist.validation, mnist.test + test)
    measured = {"mnist_test": mnist.test, "mnist_validation": mnist_validation}
    measured |= {f"drawings_{name}": part for name, part in digits.items()}
    return Sets(
        known=without_copies(mnist.train, tests + validation),
        drawings=without_copies(train, tests + mnist.validation + validation),
        validation=mnist_validation + without_copies(digits["validation"], tests),
        measured={name: part for name, part in measured.items() if len(part)},
    )


def make_checkpoint(
    sets: Sets,
    start: DigitNet | Settings,
    tuning: FineTuning,
    report: ReportProgress = lambda progress: None,
    device: str = "cpu",
) -> Checkpoint:
    """Train from `start`, a trained network or the settings of a training from random weights; then
    fine-tune.

    The metrics inside the checkpoint say what the weights come from, and how they read every measured set.
    What `report` raises ends the training.
    """
    started, curve = time.monotonic(), list[Progress]()

    def on_progress(progress: Progress) -> None:
        report(progress)
        if progress.accuracy is not None:
            curve.append(progress)

    network = _train(sets, start, tuning, on_progress, device)
    checkpoint = Checkpoint(network.config, network.state_dict(), calibrate(network, sets.validation))
    metrics: Metrics = {
        "seed": tuning.seed,
        "data_fingerprint": sets.trained_on.fingerprint(),
        "code_version": code_version(),
        "trained_on": len(sets.trained_on),
        "settings": asdict(start) if isinstance(start, Settings) else None,
        "tuning": asdict(tuning),
        "curve": [asdict(point) for point in curve],
        "sets": _measure(checkpoint, sets),
        "seconds": round(time.monotonic() - started),
    }
    return replace(checkpoint, metrics=metrics)


def _train(
    sets: Sets, start: DigitNet | Settings, tuning: FineTuning, report: ReportProgress, device: str
) -> DigitNet:
    """The steps of both parts count as one training's."""
    before = 0
    if isinstance(start, Settings):
        before = count_steps(sets.trained_on, start)
        first = _count_further(report, before=0, after=tuning.steps)
        start = train(sets.trained_on, sets.validation, start, first, device)
    second = _count_further(report, before=before, after=0)
    return finetune(start, sets.known, sets.drawings, sets.validation, tuning, second)


def _count_further(report: ReportProgress, before: int, after: int) -> ReportProgress:
    return lambda part: report(replace(part, step=before + part.step, steps=before + part.steps + after))


def _measure(checkpoint: Checkpoint, sets: Sets) -> dict[str, SetFigures]:
    """Read every set as it will be read when the checkpoint serves: in the precision that is stored."""
    predictor = Predictor.from_bytes(dump(checkpoint))
    return {
        name: ask(predictor, digits.images, digits.labels).figures() for name, digits in sets.measured.items()
    }


def code_version() -> str:
    """SHA-256 of the code that makes a model, which an installation without git has too."""
    folders = [Path(package.__path__[0]) for package in (classifier, training)]
    code = b"".join(path.read_bytes() for folder in folders for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(code).hexdigest()
