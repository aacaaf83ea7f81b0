"""Retraining: reviewed drawings in, a new version out, compared with the one that answers."""

import time
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
from predictions.models import NOT_A_DIGIT, Prediction
from predictions.splits import SIDES, Reviewed, Side, fingerprint, reviewed_drawings
from predictions.versions import ModelVersion
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
    from training.calibrate import calibrate
    from training.dataset import without_copies
    from training.finetune import Step, finetune

    started = time.monotonic()
    start, curve = load(bytes(parent.checkpoint)).network(), []
    known, train = without_copies(mnist.train, mnist.test), all_of(drawings.on(Side.TRAIN))
    validation = mnist.validation + digits_of(drawings.on(Side.VALIDATION))

    def on_step(progress: Step) -> None:
        report(progress.step / progress.steps, f"step {progress.step} of {progress.steps}")
        if progress.accuracy is not None:
            curve.append(asdict(progress))

    network = finetune(start, known, train, validation, tuning, on_step)
    facts = {"curve": curve, "settings": asdict(tuning), "trained_on": len(known) + len(train)}
    data = dump(Checkpoint(network.config, network.state_dict(), calibrate(network, validation), facts))
    predictor = serving.load(ModelVersion(checkpoint=data))
    sets = {"mnist_test": mnist.test, "mnist_validation": mnist.validation}
    sets |= {f"drawings_{side}": digits_of(drawings.on(side)) for side in SIDES}
    facts |= {name: measured(predictor, digits) for name, digits in sets.items() if len(digits)}
    facts["seconds"] = round(time.monotonic() - started)
    return _store(parent, drawings, mnist, predictor, checkpoint=data, metrics=facts, seed=tuning.seed)


def all_of(drawings: Reviewed) -> "Digits":
    from training.dataset import Digits

    return Digits(drawings.inputs, drawings.labels)


def digits_of(drawings: Reviewed) -> "Digits":
    """Without what is no digit, which has no right answer among the ten."""
    return all_of(drawings)[drawings.labels != NOT_A_DIGIT]


def measured(predictor: "Predictor", digits: "Digits") -> dict[str, Any]:
    """What training.evaluate says, with the errors and Wilson's 95 % interval of the accuracy."""
    from scipy.stats import binomtest

    from training.evaluate import ask

    answers = ask(predictor, digits.images, digits.labels)
    right = int(answers.correct.sum())
    interval = binomtest(right, len(digits)).proportion_ci(method="wilson")
    bounds = [round(interval.low, 6), round(interval.high, 6)]
    return {**answers.figures(), "errors": len(digits) - right, "interval": bounds}


@transaction.atomic
def _store(
    parent: ModelVersion,
    drawings: Reviewed,
    mnist: "Mnist",
    predictor: "Predictor",
    **facts: Any,  # noqa: ANN401
) -> ModelVersion:
    from training.recipe import code_version

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
