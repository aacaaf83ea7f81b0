"""The one pipeline that makes a version, wherever its weights start.

Load once → label check → split → start → train → calibrate → measure on every set → register → gate.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from django.conf import settings
from django.db import transaction

from predictions.learning.drawings import ReviewedDrawings, reviewed_drawings
from predictions.learning.drift import REFERENCE_SIZE, make_reference
from predictions.learning.gate import compare
from predictions.learning.label_check import doubt_labels
from predictions.models import (
    SIDES,
    DriftMonitor,
    ModelVersion,
    Prediction,
    UnreadableWeightsError,
    locks,
)
from predictions.models.locks import Lock
from predictions.models.lost_connection import connect_again_if_lost

if TYPE_CHECKING:
    from classifier.checkpoint import Checkpoint
    from classifier.model import DigitNet
    from predictions.models.job import ReportProgress
    from training.finetune import FineTuning
    from training.train import Progress, Settings


class TrainingRunsError(RuntimeError):
    """Another training is under way."""


class Made(TypedDict):
    """A job's result: the names of the version and of its parent, and whether the gate let it pass."""

    version: str
    parent: str | None
    passed: bool


class Changes(TypedDict, total=False):
    """To the settings that training.finetune.FineTuning has for so many drawings."""

    steps: int
    seed: int
    batch: int
    made_up: int


def fine_tune(report: "ReportProgress", data_dir: Path | None = None, **changes: Unpack[Changes]) -> Made:
    """Make a version from the weights that the active one's line began with, and all reviewed drawings.
    Raises ValueError where there is no version to start from, UnreadableWeightsError, and as `make_version`
    does."""
    import torch

    from training.finetune import FineTuning

    # The other processors are the visitors'. While they are busy, two threads take five times as long as one.
    torch.set_num_threads(1)
    parent = ModelVersion.objects.start()
    if parent is None:
        raise ValueError("There is no version to start from: run manage.py setup.")
    start, drawings = parent.checkpoint().network(), Prediction.objects.all().may_teach().count()
    tuning = replace(FineTuning.for_drawings(drawings), **changes)
    return make_version(report, start, tuning, parent=parent, data_dir=data_dir)


def train_from_scratch(
    report: "ReportProgress", start: "Settings", data_dir: Path | None = None, device: str = "cpu"
) -> Made:
    """Make a version that starts from random weights. Raises as `make_version` does."""
    from training.recipe import CLOSING

    closing = replace(CLOSING, seed=start.seed)
    return make_version(report, start, closing, data_dir=data_dir, device=device)


def make_version(
    report: "ReportProgress",
    start: "DigitNet | Settings",
    tuning: "FineTuning",
    *,
    parent: ModelVersion | None = None,
    data_dir: Path | None = None,
    device: str = "cpu",
) -> Made:
    """Train from `start`, a trained network or the settings of a training from random weights, on MNIST and
    on the reviewed drawings; store the result as a version and compare it with the active one.

    MNIST lies in `data_dir`, by default MNIST_DIR. Nothing is stored before the network is trained. Raises
    TrainingRunsError, training.dataset.DatasetError; UnreadableWeightsError where the version that checks
    labels can't be read, or, when the result is stored, one that it is compared with.
    """
    from training.dataset import load_mnist
    from training.recipe import make_checkpoint, split

    with hold_training_lock():
        report(0.0, "loading")
        mnist, drawings = load_mnist(data_dir or settings.MNIST_DIR), reviewed_drawings()
        report(0.0, "checking labels")
        drawings = drawings.without(doubt_labels(drawings, mnist.train))
        sets = split(mnist, {side: drawings.on(side).all() for side in SIDES})
        checkpoint = make_checkpoint(sets, start, tuning, in_words(report), device)
        connect_again_if_lost()
        version = register(checkpoint, drawings, parent)
        held_out = sets.measured["mnist_test"], sets.measured.get("drawings_test")
        try:
            decision = compare(report, version, *held_out)
        except UnreadableWeightsError as error:
            raise UnreadableWeightsError(f"{error} {version} is stored, and not compared with it.") from error
    return {
        "version": version.name,
        "parent": parent.name if parent else None,
        "passed": decision is None or decision["passed"],
    }


@transaction.atomic
def register(
    checkpoint: "Checkpoint", drawings: ReviewedDrawings, parent: ModelVersion | None
) -> ModelVersion:
    """Store the version with the label of every drawing that it was made from, and, where the log is long
    enough, the figures of today's drawings, which later ones are compared with."""
    from classifier.checkpoint import dump

    version = ModelVersion.objects.register(dump(checkpoint), parent=parent, dataset=drawings.manifest())
    left = Prediction.objects.all().still_there(drawings.ids)
    ModelVersion.objects.forget(key for key in drawings.ids if key not in left)  # deleted in the meantime
    recent = list(Prediction.objects.filter(superseded=False).order_by("-created_at")[:REFERENCE_SIZE])
    if len(recent) == REFERENCE_SIZE:
        DriftMonitor.objects.create(version=version, reference=make_reference(recent, version.predictor()))
    return version


def in_words(report: "ReportProgress") -> "Callable[[Progress], None]":
    """Tell of a training's progress as of any job's."""
    validation = ""

    def on_progress(progress: "Progress") -> None:
        nonlocal validation
        if progress.accuracy is not None:
            validation = f", validation {progress.accuracy:.2%}"
        words = f"step {progress.step:,} of {progress.steps:,}, loss {progress.loss:.3f}{validation}"
        report(progress.step / progress.steps, words)

    return on_progress


@contextmanager
def hold_training_lock() -> Iterator[None]:
    """Held by this database connection, so that a killed process gives it back; one that breaks gives it back
    early, and the training goes on without. Raises TrainingRunsError."""
    if not locks.try_to_hold(Lock.TRAINING):
        raise TrainingRunsError("Another training is under way.")
    try:
        yield
    finally:
        connect_again_if_lost()
        locks.release(Lock.TRAINING)


def new_drawings() -> int:
    """Drawings accepted since the newest version was made."""
    newest, drawings = ModelVersion.objects.first(), Prediction.objects.all().may_teach()
    return (drawings.filter(reviewed_at__gt=newest.created_at) if newest else drawings).count()
