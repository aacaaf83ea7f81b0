"""Retraining: a version that says where it comes from, or nothing at all."""

from uuid import UUID

import numpy as np
import psycopg
import pytest
from django.conf import settings
from django.db import connection

from classifier.checkpoint import dump, load
from predictions.learning.drawings import fingerprint, reviewed_drawings, side_of
from predictions.learning.gate import compare_with_active
from predictions.learning.pipeline import TRAINING_LOCK, TrainingRunsError, new_drawings, retrain
from predictions.models import DriftMonitor, ModelVersion
from tests.drawings import accepted, logged
from tests.rows import version as version_named
from training.dataset import Mnist
from training.recipe import code_version
from training.synthesis import digits

# So little that it takes a second; the rest is what a real training does.
QUICK = {"steps": 10, "batch": 32, "made_up": 20}


def quiet(progress: float, message: str) -> None:
    """Nobody looks."""


def review_drawings(version: ModelVersion, count: int) -> None:
    """Accepted drawings of twenty people who write on every side of the split."""
    people = [UUID(int=number) for number in range(20)]
    assert {side_of(person) for person in people} == {"train", "validation", "test"}
    images, labels = digits(count, np.random.default_rng(1))
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        accepted(version, image, int(label), visitor=people[number % 20])


@pytest.fixture
def reviewed(version: ModelVersion, small_mnist: Mnist) -> ModelVersion:
    review_drawings(version, 60)
    return version


def test_version_says_where_it_comes_from(reviewed: ModelVersion) -> None:
    claim = logged(reviewed, np.eye(28) * 255, 3, user_label=5, user_label_at=reviewed.created_at)
    result = retrain(quiet, **QUICK)
    version = ModelVersion.objects.get(name=result["version"])
    assert version.parent == reviewed
    assert not version.active
    assert version.seed == 1
    assert version.code_version == code_version()
    used = {key for side in version.dataset.values() for key in side}
    assert used == {str(key) for key in reviewed_drawings().ids}
    assert str(claim.pk) not in used
    mnist = {"MNIST": small_fingerprint()}
    assert version.data_fingerprint == fingerprint(mnist | reviewed_drawings().manifest())  # type: ignore[arg-type]


def small_fingerprint() -> str:
    from training import dataset

    return dataset.load_mnist(settings.MNIST_DIR).train.fingerprint()


def test_version_holds_the_metrics_of_every_set_and_the_curve(reviewed: ModelVersion) -> None:
    version = ModelVersion.objects.get(name=retrain(quiet, **QUICK)["version"])
    sets = ["mnist_test", "mnist_validation", "drawings_train", "drawings_validation", "drawings_test"]
    for measured in (version.metrics[name] for name in sets):
        low, high = measured["interval"]
        assert low <= measured["accuracy"] <= high
        assert measured["accuracy"] == 1 - measured["errors"] / measured["count"]
    assert version.metrics["mnist_test"]["count"] == 200
    assert [point["step"] for point in version.metrics["curve"]] == list(range(1, 11))


def test_gate_has_compared_the_new_version(reviewed: ModelVersion) -> None:
    result = retrain(quiet, **QUICK)
    gate = ModelVersion.objects.get(name=result["version"]).gate
    assert gate is not None
    assert gate["against"] == reviewed.name
    assert gate["passed"] == result["passed"] == all(check["passed"] for check in gate["checks"])
    assert [check["name"] for check in gate["checks"]] == [
        *(f"{what} MNIST test" for what in ("accuracy on", "each digit of", "calibration on")),
        *(f"{what} reviewed drawings" for what in ("accuracy on", "each digit of", "calibration on")),
        "forward time",
        "reviewed labels",
    ]


def forgetful(name: str, parent: ModelVersion) -> ModelVersion:
    """A version whose network reads no nine any more."""
    checkpoint = load(bytes(parent.checkpoint))
    checkpoint.weights["head.bias"][9] = -100
    version = version_named(name)
    version.checkpoint, version.parent = dump(checkpoint), parent
    version.save()
    return version


def test_gate_sees_what_many_small_losses_add_up_to(version: ModelVersion, small_mnist: Mnist) -> None:
    worse = forgetful("v2", version)
    worse.promote(reason="as bad as the next one", override=True)
    candidate = forgetful("v3", worse)
    gate = compare_with_active(quiet, candidate.name)
    assert gate["against"] == worse.name
    failed = [check["name"] for check in gate["checks"] if not check["passed"]]
    assert failed == [f"accuracy on MNIST test since {version}"]


def test_one_seed_gives_the_same_weights(reviewed: ModelVersion) -> None:
    versions = [ModelVersion.objects.get(name=retrain(quiet, **QUICK)["version"]) for _ in range(2)]
    first, second = (version.metrics["curve"] for version in versions)
    assert first == second
    other = retrain(quiet, **QUICK, seed=2)
    assert ModelVersion.objects.get(name=other["version"]).metrics["curve"] != first


def test_stopped_training_leaves_nothing(reviewed: ModelVersion) -> None:
    def stop(progress: float, message: str) -> None:
        if message == "step 5 of 10":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrain(stop, **QUICK)
    assert ModelVersion.objects.get() == reviewed
    retrain(quiet, **QUICK)  # and nothing is in the way of the next


def test_two_trainings_never_run_at_once(reviewed: ModelVersion) -> None:
    parameters = {
        key: value
        for key, value in connection.get_connection_params().items()
        if key in ("host", "dbname", "user", "password", "port")
    }
    with psycopg.connect(**parameters) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [TRAINING_LOCK])
        with pytest.raises(TrainingRunsError):
            retrain(quiet, **QUICK)
    assert ModelVersion.objects.get() == reviewed


def test_empty_log_is_trained_on_as_well(version: ModelVersion, small_mnist: Mnist) -> None:
    result = retrain(quiet, **QUICK)
    assert ModelVersion.objects.get(name=result["version"]).dataset == {
        "train": {},
        "validation": {},
        "test": {},
    }


def test_new_version_is_watched_from_the_drawings_in_the_log(
    reviewed: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("predictions.learning.pipeline.REFERENCE_SIZE", 50)
    result = retrain(quiet, **QUICK)
    watch = DriftMonitor.objects.get(version__name=result["version"])
    assert watch.reference["drawings"] == 50
    assert len(watch.reference["figures"]["ink"]) == 50


def test_new_drawings_are_those_accepted_since_the_newest_version(reviewed: ModelVersion) -> None:
    assert new_drawings() == 60
    retrain(quiet, **QUICK)
    assert new_drawings() == 0
    accepted(reviewed, np.eye(28) * 255, 3)
    assert new_drawings() == 1
