"""The pipeline: a version that says where it comes from, or nothing at all; both ways of starting alike."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pgtrigger
import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from classifier import checkpoint
from classifier.checkpoint import dump
from predictions.learning.drawings import reviewed_drawings
from predictions.learning.gate import checks_in_words, compare_with_active
from predictions.learning.pipeline import (
    Changes,
    Made,
    TrainingRunsError,
    fine_tune,
    new_drawings,
    train_from_scratch,
)
from predictions.models import DriftMonitor, LabelDoubt, ModelVersion, Prediction, Promotion
from predictions.models import version as version_module
from predictions.models.locks import Lock, numbers
from predictions.models.split import side_of
from predictions.pictures import stack
from tests import samples
from tests.drawings import accepted, logged, visitor_on
from training import dataset, recipe
from training.dataset import Mnist
from training.finetune import FineTuning
from training.recipe import code_version
from training.synthesis import digits

# So little that it takes a second; the rest is what a real training does.
QUICK: Changes = {"steps": 10, "batch": 32, "made_up": 20}
TINY = replace(samples.TINY, epochs=1)


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
def reviewed(small_version: ModelVersion, small_mnist: Mnist) -> ModelVersion:
    review_drawings(small_version, 60)
    return small_version


def test_version_says_where_it_comes_from(reviewed: ModelVersion) -> None:
    claim = logged(reviewed, np.eye(28) * 255, 3, user_label=5, user_label_at=reviewed.created_at)
    result = fine_tune(quiet, **QUICK)
    version = ModelVersion.objects.get(name=result["version"])
    assert version.parent == reviewed
    assert not version.active
    assert version.seed == 1
    assert version.code_version == code_version()
    used = {key for side in version.dataset.values() for key in side}
    assert used == {str(key) for key in reviewed_drawings().ids}
    assert str(claim.pk) not in used


def test_version_holds_the_metrics_of_every_set_and_the_curve(reviewed: ModelVersion) -> None:
    version = ModelVersion.objects.get(name=fine_tune(quiet, **QUICK)["version"])
    sets = ["mnist_test", "mnist_validation", "drawings_train", "drawings_validation", "drawings_test"]
    assert sorted(version.metrics["sets"]) == sorted(sets)
    for measured in version.metrics["sets"].values():
        low, high = measured["interval"]
        assert low <= measured["accuracy"] <= high
        assert measured["accuracy"] == pytest.approx(1 - measured["errors"] / measured["count"])
    assert version.metrics["sets"]["mnist_test"]["count"] == 200
    assert [point["step"] for point in version.metrics["curve"]] == list(range(1, 11))


def forget_nines(parent: ModelVersion) -> ModelVersion:
    """A version whose network reads no nine any more."""
    checkpoint = parent.checkpoint()
    checkpoint.weights["head.bias"][9] = -100
    return ModelVersion.objects.register(dump(checkpoint), parent=parent)


def test_gate_sees_what_many_small_losses_add_up_to(version: ModelVersion, small_mnist: Mnist) -> None:
    worse = forget_nines(version)
    worse.promote(reason="as bad as the next one", override=True)
    candidate = forget_nines(worse)
    gate = compare_with_active(quiet, candidate.name)
    assert gate
    assert gate["against"] == worse.name
    failed = {check["name"] for check in gate["checks"] if not check["passed"]}
    failed.discard("forward time")  # equal networks take different times on a busy machine
    assert failed == {f"accuracy on MNIST test since {version}"}


def test_one_seed_gives_the_same_weights_and_another_label_another_fingerprint(
    reviewed: ModelVersion,
) -> None:
    def train(seed: int) -> ModelVersion:
        made = fine_tune(quiet, **(QUICK | {"seed": seed}))
        return ModelVersion.objects.get(name=made["version"])

    first, second = train(seed=1), train(seed=1)
    assert first.metrics["curve"] == second.metrics["curve"]
    other = train(seed=2)
    assert other.metrics["curve"] != first.metrics["curve"]
    assert first.data_fingerprint == second.data_fingerprint == other.data_fingerprint
    row = next(row for row in Prediction.objects.all() if side_of(row.visitor) == "train")
    Prediction.objects.filter(pk=row.pk).update(true_label=(row.true_label or 0) + 1)
    assert train(seed=1).data_fingerprint != first.data_fingerprint


def test_stopped_training_leaves_nothing(reviewed: ModelVersion) -> None:
    def stop(progress: float, message: str) -> None:
        if message.startswith("step 5 of 10"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune(stop, **QUICK)
    assert ModelVersion.objects.get() == reviewed
    fine_tune(quiet, **QUICK)  # and nothing is in the way of the next


def scratch(report: Any) -> Made:
    return train_from_scratch(report, TINY)


def tune(report: Any) -> Made:
    return fine_tune(report, **QUICK)


both_ways = pytest.mark.parametrize("make", [scratch, tune])
Make = Callable[[Any], Made]


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> list[recipe.Sets]:
    """What each training of the test is given, with a closing that takes a moment."""
    given: list[recipe.Sets] = []
    original = recipe.make_checkpoint

    def note(sets: recipe.Sets, *arguments: Any, **options: Any) -> Any:
        given.append(sets)
        return original(sets, *arguments, **options)

    monkeypatch.setattr(recipe, "make_checkpoint", note)
    monkeypatch.setattr(recipe, "CLOSING", FineTuning(drawings_share=0.25, **QUICK))
    return given


def trains_on(sets: recipe.Sets, drawing: np.ndarray) -> bool:
    return drawing.tobytes() in {image.tobytes() for image in sets.trained_on.images}


def touch_up(image: np.ndarray) -> np.ndarray:
    """Nearly the same drawing: other pixels, and far nearer than two drawings of different people."""
    near = image.copy()
    near[0, :3] = 40
    return near


@both_ways
def test_near_copy_of_a_held_out_digit_is_not_trained_on(
    reviewed: ModelVersion, small_mnist: Mnist, sets: list[recipe.Sets], make: Make
) -> None:
    images, labels = digits(3, np.random.default_rng(7))
    for image, label, side in zip(images, labels, ("test", "validation", "train"), strict=True):
        accepted(reviewed, image, int(label), visitor=visitor_on(side))
    *held_out, ordinary = images
    planted = [touch_up(image) for image in (*held_out, small_mnist.test.images[5])]
    rows = [
        accepted(reviewed, drawing, int(label), visitor=visitor_on("train"))
        for drawing, label in zip(planted, (*labels[:2], small_mnist.test.labels[5]), strict=True)
    ]
    make(quiet)
    assert not LabelDoubt.objects.filter(prediction__in=rows).exists()  # else they would be left out for that
    assert trains_on(sets[0], ordinary)
    assert not any(trains_on(sets[0], drawing) for drawing in planted)


@both_ways
def test_training_digit_that_is_nearly_a_held_out_drawing_is_not_trained_on(
    reviewed: ModelVersion, small_mnist: Mnist, sets: list[recipe.Sets], make: Make
) -> None:
    known, label = small_mnist.train.images[11], int(small_mnist.train.labels[11])
    row = accepted(reviewed, touch_up(known), label, visitor=visitor_on("test"))
    make(quiet)
    assert not LabelDoubt.objects.filter(prediction=row).exists()  # else it would not count as held out
    assert trains_on(sets[0], small_mnist.train.images[10])
    assert not trains_on(sets[0], known)


@both_ways
def test_doubted_label_is_not_trained_on(reviewed: ModelVersion, sets: list[recipe.Sets], make: Make) -> None:
    drawing = digits(1, np.random.default_rng(7))[0][0]
    row = accepted(reviewed, drawing, 3, visitor=visitor_on("train"))
    LabelDoubt.objects.create(prediction=row, label=3, suggestion=8, quality=0.01)
    make(quiet)
    assert not trains_on(sets[0], drawing)
    assert str(row.pk) not in ModelVersion.objects.all()[0].dataset["train"]


@both_ways
def test_labels_are_checked_before_a_training(
    reviewed: ModelVersion, sets: list[recipe.Sets], make: Make
) -> None:
    images, labels = digits(120, np.random.default_rng(9))
    for image, label in zip(images, labels, strict=True):
        accepted(reviewed, image, int(label + 1) % 10, visitor=visitor_on("train"))
    make(quiet)
    doubted = [row.input for row in Prediction.objects.filter(doubt__isnull=False)]
    assert len(doubted) > 50
    assert not any(trains_on(sets[0], np.frombuffer(drawing, np.uint8)) for drawing in doubted)


@contextmanager
def another_training() -> Iterator[None]:
    """As it runs on a connection of its own."""
    parameters = {
        key: value
        for key, value in connection.get_connection_params().items()
        if key in ("host", "dbname", "user", "password", "port")
    }
    with psycopg.connect(**parameters) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", numbers(Lock.TRAINING))
        yield
        # The server gives back what a closed connection held, but a moment later.
        other.execute("SELECT pg_advisory_unlock(%s, %s)", numbers(Lock.TRAINING))


@both_ways
def test_two_trainings_never_run_at_once(reviewed: ModelVersion, sets: list[recipe.Sets], make: Make) -> None:
    with another_training(), pytest.raises(TrainingRunsError):
        make(quiet)
    assert ModelVersion.objects.get() == reviewed
    assert not sets
    make(quiet)  # and nothing is in the way of the next


@both_ways
def test_gate_compares_every_new_version(reviewed: ModelVersion, sets: list[recipe.Sets], make: Make) -> None:
    made = make(quiet)
    gate = ModelVersion.objects.get(name=made["version"]).gate
    assert gate is not None
    assert gate["against"] == reviewed.name
    assert gate["passed"] == made["passed"] == all(check["passed"] for check in gate["checks"])
    assert [check["name"] for check in gate["checks"]] == [
        *(f"{what} MNIST test" for what in ("accuracy on", "each digit of", "calibration on")),
        *(f"{what} reviewed drawings" for what in ("accuracy on", "each digit of", "calibration on")),
        "forward time",
        "reviewed labels",
    ]
    assert all(words for _, _, words in checks_in_words(gate))


@both_ways
def test_checkpoint_of_a_new_version_can_be_shipped(
    reviewed: ModelVersion, sets: list[recipe.Sets], make: Make, tmp_path: Path, monkeypatch: Any
) -> None:
    version = ModelVersion.objects.get(name=make(quiet)["version"])
    file = tmp_path / "shipped.safetensors"
    call_command("export_model", version.name, str(file))
    images = samples.mnist().test.images[:3]
    read = version.predictor().read(images)
    empty_database()
    monkeypatch.setattr(checkpoint, "SHIPPED", file)
    monkeypatch.setattr(version_module, "try_to_read", lambda predictor: None)  # it has trained for a second
    shipped = ModelVersion.objects.install_shipped()
    assert shipped.active
    assert shipped.metrics == version.metrics
    assert shipped.predictor().read(images) == read


def empty_database() -> None:
    Prediction.objects.all().delete()
    with pgtrigger.ignore("predictions.Promotion:append_only"):
        Promotion.objects.all().delete()
    ModelVersion.objects.all().update(parent=None)
    ModelVersion.objects.all().delete()


@both_ways
def test_data_is_loaded_once(
    reviewed: ModelVersion, sets: list[recipe.Sets], make: Make, monkeypatch: Any, small_mnist: Mnist
) -> None:
    loads: list[Path] = []

    def load(folder: Path) -> Mnist:
        loads.append(folder)
        return small_mnist

    monkeypatch.setattr(dataset, "load_mnist", load)
    with CaptureQueriesContext(connection) as queries:
        make(quiet)
    assert len(loads) == 1
    reviewed_ones = [query["sql"] for query in queries if '"predictions_splitrow"."side" IN' in query["sql"]]
    assert len([sql for sql in reviewed_ones if '"predictions_prediction"."input"' in sql]) == 1


def test_empty_log_is_trained_on_as_well(small_version: ModelVersion, small_mnist: Mnist) -> None:
    result = fine_tune(quiet, **QUICK)
    assert ModelVersion.objects.get(name=result["version"]).dataset == {
        "train": {},
        "validation": {},
        "test": {},
    }


def test_new_version_is_watched_from_the_drawings_in_the_log(
    reviewed: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("predictions.learning.pipeline.REFERENCE_SIZE", 50)
    result = fine_tune(quiet, **QUICK)
    monitor = DriftMonitor.objects.get(version__name=result["version"])
    assert monitor.reference
    assert monitor.reference["drawings"] == 50
    assert len(monitor.reference["figures"]["ink"]) == 50
    inputs = stack(row.input for row in Prediction.objects.order_by("-created_at")[:50])
    read, _ = monitor.version.predictor().probabilities(inputs)  # by itself: the log holds another's answers
    assert monitor.reference["figures"]["confidence"] == pytest.approx(sorted(read.max(1)), abs=1e-4)
    assert len(monitor.reference["centres"]) == len(set(read.argmax(1)))


def test_new_drawings_are_those_accepted_since_the_newest_version(reviewed: ModelVersion) -> None:
    assert new_drawings() == 60
    fine_tune(quiet, **QUICK)
    assert new_drawings() == 0
    accepted(reviewed, np.eye(28) * 255, 3)
    assert new_drawings() == 1
