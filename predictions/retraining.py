"""Retraining: reviewed drawings in, a new version out, compared with the one that answers."""

import json
from contextlib import contextmanager
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from django.conf import settings
from django.db import connection, transaction

from predictions import serving
from predictions.gate import compare_with_active
from predictions.jobs import Report
from predictions.label_check import check_labels
from predictions.models import ModelVersion, Prediction
from predictions.splits import Reviewed, Side, fingerprint, reviewed_drawings
from predictions.watch import REFERENCE_SIZE, Watch, make_reference

if TYPE_CHECKING:
    from classifier.model import DigitNet
    from training.dataset import Digits, Mnist
    from training.finetune import FineTuning

# PostgreSQL's advisory locks are numbers; this one is ours for training.
TRAINING_LOCK = 6_284_101
CURVE_STEPS = 50


class TrainingRuns(RuntimeError):
    """Another training is under way."""


def new_drawings() -> int:
    """Drawings accepted since the newest version was made."""
    newest = ModelVersion.objects.defer("checkpoint").first()
    accepted = Prediction.objects.filter(review_status=Prediction.ReviewStatus.ACCEPTED, superseded=False)
    return accepted.filter(reviewed_at__gt=newest.created_at).count() if newest else accepted.count()


def retrain(report: Report, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Fine-tune the active version on the reviewed drawings, store the result as a version and compare it.

    `changes` are those to training.finetune.FineTuning's defaults. Nothing is stored before all is done. Raises
    TrainingRuns, training.dataset.DatasetError and ValueError where no version is active.
    """
    from training.dataset import load_mnist
    from training.finetune import FineTuning

    parent = ModelVersion.objects.active()
    if parent is None:
        raise ValueError("There is no active version to start from: run manage.py setup.")
    with only_training():
        report(0.0, "checking labels")
        check_labels(report)
        drawings, mnist = reviewed_drawings(), load_mnist(settings.MNIST_DIR)
        version = _train(report, parent, drawings, mnist, FineTuning(**changes))
        decision = compare_with_active(report, version.name)
    return {"version": version.name, "parent": parent.name, "passed": decision["passed"]}


@contextmanager
def only_training() -> Iterator[None]:
    """Held by this database connection, so that a killed process gives it back. Raises TrainingRuns."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [TRAINING_LOCK])
        if not cursor.fetchone()[0]:
            raise TrainingRuns("Another training is under way.")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [TRAINING_LOCK])


def _train(
    report: Report, parent: ModelVersion, drawings: Reviewed, mnist: "Mnist", settings: "FineTuning"
) -> ModelVersion:
    from classifier.checkpoint import Checkpoint, dump, load
    from training.dataset import Digits
    from training.finetune import Progress, finetune

    start = load(bytes(parent.checkpoint))
    validation, curve = _validation(mnist, drawings), []

    def on_step(progress: Progress, network: "DigitNet") -> None:
        report(progress.step / progress.steps, f"step {progress.step} of {progress.steps}, loss {progress.loss:.3f}")
        if progress.step % CURVE_STEPS == 0:
            right = accuracy(network, start.calibration, validation)
            curve.append({"step": progress.step, "loss": round(progress.loss, 4), "validation": right})

    train = drawings.on(Side.TRAIN)
    network = finetune(start.network(), mnist.train, Digits(train.inputs, train.labels), settings, on_step)
    calibration = recalibrated(network, start.calibration, validation)
    facts = {"settings": asdict(settings), "curve": curve, "drawings": {side: len(drawings.on(side).ids) for side in SIDES}}
    data = dump(Checkpoint(network.config, network.state_dict(), calibration, facts))
    return _store(parent, drawings, data, facts)
