"""Retraining: reviewed drawings in, a new version out, compared with the one that answers."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, transaction

from predictions import serving
from predictions.gate import compare_with_active
from predictions.jobs import Report
from predictions.label_check import check_labels
from predictions.models import NOT_A_DIGIT, ModelVersion, Prediction
from predictions.splits import SIDES, Reviewed, Side, fingerprint, reviewed_drawings
from predictions.watch import REFERENCE_SIZE, Watch, make_reference

if TYPE_CHECKING:
    from classifier.predictor import Predictor
    from training.dataset import Digits, Mnist
    from training.finetune import FineTuning

# PostgreSQL's advisory locks are numbers; this one is ours for training.
TRAINING_LOCK = 6_284_101


class TrainingRunsError(RuntimeError):
    """Another training is under way."""


def new_drawings() -> int:
    """Drawings accepted since the newest version was made."""
    newest = ModelVersion.objects.defer("checkpoint").first()
    accepted = Prediction.objects.filter(review_status=Prediction.ReviewStatus.ACCEPTED, superseded=False)
    return accepted.filter(reviewed_at__gt=newest.created_at).count() if newest else accepted.count()


def retrain(report: Report, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Fine-tune the active version on the reviewed drawings, store the result as a version and compare it.

    `changes` are those to training.finetune.FineTuning's defaults. Nothing is stored before the network is
    trained. Raises TrainingRunsError, training.dataset.DatasetError, ValueError where no version is active.
    """
    from training.dataset import load_mnist
    from training.finetune import FineTuning

    with only_training():
        parent = ModelVersion.objects.active()
        if parent is None:
            raise ValueError("There is no active version to start from: run manage.py setup.")
        report(0.0, "checking labels")
        check_labels(report)
        version = _train(
            report, parent, reviewed_drawings(), load_mnist(settings.MNIST_DIR), FineTuning(**changes)
        )
        decision = compare_with_active(report, version.name)
    return {"version": version.name, "parent": parent.name, "passed": decision["passed"]}


@contextmanager
def only_training() -> Iterator[None]:
    """Held by this database connection, so that a killed process gives it back. Raises TrainingRunsError."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [TRAINING_LOCK])
        if not cursor.fetchone()[0]:
            raise TrainingRunsError("Another training is under way.")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [TRAINING_LOCK])


def _train(
    report: Report, parent: ModelVersion, drawings: Reviewed, mnist: "Mnist", tuning: "FineTuning"
) -> ModelVersion:
    from classifier.checkpoint import Checkpoint, dump, load
    from training.finetune import Progress, finetune, recalibrated

    start = load(bytes(parent.checkpoint))
    sets = {
        "MNIST test": mnist.test,
        "MNIST validation": mnist.validation,
        **{f"drawings {side}": _digits(drawings.on(side)) for side in SIDES},
    }
    validation, curve = sets["MNIST validation"] + sets["drawings validation"], []

    def on_step(progress: Progress) -> None:
        report(progress.step / progress.steps, f"step {progress.step} of {progress.steps}")
        if progress.accuracy is not None:
            curve.append(asdict(progress))

    train = drawings.on(Side.TRAIN)
    network = finetune(start.network(), mnist.train, _all(train), validation, tuning, on_step)
    calibration = recalibrated(network, start.calibration, validation)
    facts = {"curve": curve, "settings": asdict(tuning)}
    data = dump(Checkpoint(network.config, network.state_dict(), calibration, facts))
    predictor = serving.load(ModelVersion(checkpoint=data))
    measured = {name: measured(predictor, digits) for name, digits in sets.items() if len(digits)}
    facts |= {"sets": measured, "test_accuracy": measured["MNIST test"]["accuracy"]}
    return _store(parent, drawings, mnist, predictor, checkpoint=data, metrics=facts, seed=tuning.seed)


def _all(drawings: Reviewed) -> "Digits":
    from training.dataset import Digits

    return Digits(drawings.inputs, drawings.labels)


def _digits(drawings: Reviewed) -> "Digits":
    """Without what is no digit, which has no right answer among the ten."""
    both = _all(drawings)
    return both[both.labels != NOT_A_DIGIT]


def measured(predictor: "Predictor", digits: "Digits") -> dict[str, Any]:
    """Accuracy with Wilson's 95 % interval, and the expected calibration error."""
    from scipy.stats import binomtest

    from training.compare import expected_calibration_error

    probabilities, _ = predictor.probabilities(digits.images)
    errors = int((probabilities.argmax(1) != digits.labels).sum())
    interval = binomtest(len(digits) - errors, len(digits)).proportion_ci(method="wilson")
    return {
        "digits": len(digits),
        "errors": errors,
        "accuracy": 1 - errors / len(digits),
        "interval": [round(interval.low, 6), round(interval.high, 6)],
        "calibration_error": round(expected_calibration_error(probabilities, digits.labels), 6),
    }


@transaction.atomic
def _store(
    parent: ModelVersion,
    drawings: Reviewed,
    mnist: "Mnist",
    predictor: "Predictor",
    **facts: Any,  # noqa: ANN401
) -> ModelVersion:
    manifest = drawings.manifest()
    version = ModelVersion.objects.create(
        name=ModelVersion.objects.next_name(),
        parent=parent,
        dataset=manifest,
        data_fingerprint=fingerprint({"MNIST": mnist.train.fingerprint(), **manifest}),
        code_version=code_version(),
        **facts,
    )
    recent = list(Prediction.objects.filter(superseded=False).order_by("-created_at")[:REFERENCE_SIZE])
    if len(recent) == REFERENCE_SIZE:
        Watch.objects.create(version=version, reference=make_reference(recent, predictor))
    return version


def code_version() -> str:
    """The SHA-256 of the code that makes a model, which a container without git can tell as well."""
    digest = hashlib.sha256()
    for package in ("classifier", "training"):
        for file in sorted((settings.BASE_DIR / package).glob("*.py")):
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:12]
