"""Forgetting: what learned from a deleted drawing answers no more; the next version is as without it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client
from django.utils import timezone

from classifier.checkpoint import SHIPPED
from predictions.learning import forgetting
from predictions.learning.drawings import reviewed_drawings
from predictions.learning.pipeline import TrainingRunsError, fine_tune, register
from predictions.models import (
    GateClosedError,
    Job,
    ModelVersion,
    Prediction,
    Promotion,
    Side,
    SplitRow,
    Weights,
)
from predictions.models.split import side_of
from tests.drawings import accepted, logged, unique
from tests.meanwhile import meanwhile
from tests.predictions.api.test_damaged_weights import cut_short, harm
from tests.predictions.learning.test_pipeline import QUICK, another_training, quiet
from training.synthesis import digits

PEOPLE = [UUID(int=number) for number in range(20)]
TRAINER = next(person for person in PEOPLE if side_of(person) == Side.TRAIN)


pytestmark = pytest.mark.usefixtures("small_mnist")


def review(version: ModelVersion, numbers: range, without: UUID | None = None) -> None:
    """The same drawings in every world, each person's in turn, but for one person's who was never there."""
    images, labels = digits(100, np.random.default_rng(1))
    for number in numbers:
        if (person := PEOPLE[number % 20]) != without:
            key = UUID(int=1000 + number)
            accepted(version, images[number], int(labels[number]), visitor=person, id=key)


def make_line(first: ModelVersion, count: int, without: UUID | None = None) -> ModelVersion:
    """So many versions, each made from twenty drawings more than the one before; the newest answers."""
    version = first
    for number in range(count):
        review(first, range(20 * number, 20 * number + 20), without)
        version = ModelVersion.objects.get(name=fine_tune(quiet, **QUICK)["version"])
        version.promote(reason="for the test", override=True)
    return version


def delete_drawings_of(person: UUID) -> None:
    assert Prediction.objects.filter(visitor=person).erase()


def weights(version: ModelVersion) -> bytes:
    """Without the metrics, which say how long the training took."""
    tensors = sorted(version.checkpoint().weights.items())
    return b"".join(tensor.numpy().tobytes() for _, tensor in tensors)


@contextmanager
def another_world() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def line(small_version: ModelVersion) -> ModelVersion:
    return make_line(small_version, 2)


def test_new_weights_are_those_of_a_line_that_never_had_the_drawings(small_version: ModelVersion) -> None:
    for person in np.random.default_rng(3).choice(20, 2, replace=False):
        with another_world():
            clean = weights(make_line(small_version, 3, without=PEOPLE[person]))
        with another_world():
            make_line(small_version, 3)
            delete_drawings_of(PEOPLE[person])
            Weights.objects.exclude(version=small_version).filter(version__active=False).delete()
            made = fine_tune(quiet, **QUICK)["version"]
            assert weights(ModelVersion.objects.get(name=made)) == clean


def test_deletion_marks_what_learned_from_the_drawings_and_leaves_no_id_behind(
    line: ModelVersion, client: Client
) -> None:
    gone = [str(key) for key in Prediction.objects.filter(visitor=TRAINER).values_list("pk", flat=True)]
    learned = {version.name for version in ModelVersion.objects.all() if gone[0] in str(version.dataset)}
    assert "v1" not in learned
    assert learned
    assert client.delete("/api/predictions", headers={"X-Visitor": str(TRAINER)}).json() == {
        "deleted": len(gone)
    }
    marked = ModelVersion.objects.filter(to_forget_since__isnull=False)
    assert {version.name for version in marked} >= learned
    for version in ModelVersion.objects.all():
        assert not any(key in str(version.dataset) for key in gone)
        assert version.metrics["sets"]["mnist_test"]["count"]


def test_drawing_that_only_measured_is_taken_from_the_manifest_and_marks_nothing(line: ModelVersion) -> None:
    tester = next(person for person in PEOPLE if side_of(person) == Side.TEST)
    assert line.dataset["test"]
    delete_drawings_of(tester)
    line.refresh_from_db()
    assert not any(Prediction.objects.filter(pk=key).count() == 0 for key in line.dataset["test"])
    assert not ModelVersion.objects.filter(to_forget_since__isnull=False).exists()


def test_what_started_from_marked_weights_is_marked_too(line: ModelVersion) -> None:
    data = bytes(line.weights.checkpoint)
    child = ModelVersion.objects.register(data, parent=line)
    grandchild = ModelVersion.objects.register(data, parent=child)
    delete_drawings_of(TRAINER)
    grandchild.refresh_from_db()
    assert grandchild.to_forget_since


def test_version_whose_start_is_marked_while_it_trains_is_marked_too(small_version: ModelVersion) -> None:
    row = accepted(small_version, digits(1, np.random.default_rng(0))[0][0], 1, visitor=TRAINER)
    SplitRow.objects.assign()
    data = bytes(small_version.weights.checkpoint)
    start = ModelVersion.objects.register(data, dataset={"train": {str(row.pk): 1}})
    delete_drawings_of(TRAINER)
    assert start.to_forget_since is None, "as the training has read it"
    made = ModelVersion.objects.register(data, parent=start)
    made.refresh_from_db()
    assert made.to_forget_since


def test_the_job_makes_a_version_from_what_is_left_and_promotes_it(line: ModelVersion) -> None:
    delete_drawings_of(TRAINER)
    result = forgetting.forget(quiet, **QUICK)
    active = ModelVersion.objects.active()
    assert active
    assert active.name == result["replaced_by"]
    assert active.to_forget_since is None
    assert {key for side in active.dataset.values() for key in side} == set(map(str, reviewed_drawings().ids))
    assert result["erased"] == []


def test_nothing_marked_means_nothing_done(line: ModelVersion) -> None:
    assert forgetting.forget(quiet, **QUICK) == {"replaced_by": None, "erased": []}
    assert ModelVersion.objects.active() == line


def test_marked_weights_are_erased_after_days_and_their_row_stays(line: ModelVersion) -> None:
    delete_drawings_of(TRAINER)
    forgetting.forget(quiet, **QUICK)
    ModelVersion.objects.filter(to_forget_since__isnull=False).update(
        to_forget_since=timezone.now() - timedelta(days=7)
    )
    erased = forgetting.forget(quiet, **QUICK)["erased"]
    assert line.name in erased
    assert not Weights.objects.filter(version=line).exists()
    assert ModelVersion.objects.get(pk=line.pk).metrics == line.metrics


def test_where_the_gate_stays_closed_the_first_version_answers_in_the_end(
    line: ModelVersion, small_version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        ModelVersion, "obstacle", lambda self, active: "worse" if self != small_version else "worse too"
    )
    delete_drawings_of(TRAINER)
    assert forgetting.forget(quiet, **QUICK)["replaced_by"] is None
    assert ModelVersion.objects.active() == line
    ModelVersion.objects.filter(pk=line.pk).update(to_forget_since=timezone.now() - timedelta(days=8))
    assert forgetting.forget(quiet, **QUICK) == {"replaced_by": small_version.name, "erased": [line.name]}
    assert ModelVersion.objects.active() == small_version


def test_what_has_no_time_left_is_erased_where_no_training_succeeds(
    line: ModelVersion, small_version: ModelVersion
) -> None:
    delete_drawings_of(TRAINER)
    with another_training(), pytest.raises(TrainingRunsError):
        forgetting.forget(quiet, **QUICK)
    assert ModelVersion.objects.active() == line
    ModelVersion.objects.filter(pk=line.pk).update(to_forget_since=timezone.now() - timedelta(days=8))
    with another_training(), pytest.raises(TrainingRunsError):
        forgetting.forget(quiet, **QUICK)
    assert ModelVersion.objects.active() == small_version
    assert not Weights.objects.filter(version=line).exists()


def test_what_does_not_answer_is_erased_where_nothing_can_take_the_active_versions_place(
    line: ModelVersion, small_version: ModelVersion
) -> None:
    ModelVersion.objects.exclude(pk=small_version.pk).update(
        to_forget_since=timezone.now() - timedelta(days=8)
    )
    harm(small_version, cut_short)
    with pytest.raises(GateClosedError, match="v1 could not answer"):
        forgetting.forget(quiet, **QUICK)
    assert ModelVersion.objects.active() == line
    assert set(Weights.objects.values_list("version", flat=True)) == {small_version.pk, line.pk}


@pytest.mark.django_db(transaction=True)
def test_night_marks_what_learned_from_drawings_that_another_release_deleted(line: ModelVersion) -> None:
    key = next(iter(line.dataset["train"]))
    Prediction.objects.filter(pk=key).delete()
    assert forgetting.forget(quiet, **QUICK)["replaced_by"]
    line.refresh_from_db()
    assert line.to_forget_since
    assert not any(key in str(version.dataset) for version in ModelVersion.objects.all())


def test_where_every_version_is_to_be_forgotten_the_shipped_one_takes_their_place(
    line: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelVersion, "obstacle", lambda self, active: "worse")
    ModelVersion.objects.update(to_forget_since=timezone.now() - timedelta(days=8))
    answers = forgetting.forget(quiet, **QUICK)["replaced_by"]
    active = ModelVersion.objects.get(active=True)
    assert (active.name, active.to_forget_since) == (answers, None)
    assert bytes(active.weights.checkpoint) == SHIPPED.read_bytes()
    assert not Weights.objects.filter(version__to_forget_since__isnull=False).exists()


@pytest.mark.django_db(transaction=True)
def test_two_deletions_at_once_wait_for_each_other_and_both_end(small_version: ModelVersion) -> None:
    """Each marks a version that the other one's started from: without a lock they stop each other."""
    keys = [uuid4() for _ in range(8)]
    data = bytes(small_version.weights.checkpoint)
    version = small_version
    for number in range(8):
        named = {"train": {str(keys[number]): 1, str(keys[-1 - number]): 1}}
        version = ModelVersion.objects.register(data, parent=version, dataset=named)
    failures: list[Exception] = []

    def delete(key: UUID) -> None:
        try:
            with transaction.atomic():
                ModelVersion.objects.forget([key])
        except OperationalError as error:
            failures.append(error)
        connection.close()

    threads = [threading.Thread(target=delete, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert ModelVersion.objects.filter(to_forget_since=None).get() == small_version


def test_neither_a_promotion_nor_a_rollback_goes_to_a_marked_version(
    line: ModelVersion, small_version: ModelVersion
) -> None:
    delete_drawings_of(TRAINER)
    forgetting.forget(quiet, **QUICK)
    line.refresh_from_db()
    with pytest.raises(GateClosedError, match="deleted"):
        line.promote(reason="for the test", override=True)
    back = Promotion.objects.all().roll_back()
    assert back.version == small_version
    with pytest.raises(GateClosedError, match="no earlier version"):
        Promotion.objects.all().roll_back()


def test_drawing_that_is_deleted_while_a_version_trains_on_it_marks_that_version(
    small_version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    review(small_version, range(40))
    drawings = reviewed_drawings()
    delete_drawings_of(TRAINER)
    version = register(small_version.checkpoint(), drawings, small_version)
    version.refresh_from_db()
    assert version.to_forget_since
    assert {key for side in version.dataset.values() for key in side} == set(
        map(str, reviewed_drawings().ids)
    )


def test_copy_of_a_deleted_drawing_gets_a_side_of_its_own(small_version: ModelVersion) -> None:
    tester = next(person for person in PEOPLE if side_of(person) == Side.TEST)
    image = digits(1, np.random.default_rng(0))[0][0]
    accepted(small_version, image, 1, visitor=TRAINER)
    copy = accepted(small_version, image, 1, visitor=tester)
    SplitRow.objects.assign()
    assert SplitRow.objects.get(pk=copy.pk).side == Side.COPY
    delete_drawings_of(TRAINER)
    SplitRow.objects.assign()
    assert SplitRow.objects.get(pk=copy.pk).side == Side.TEST


def test_replays_forget_the_drawing_as_well(line: ModelVersion) -> None:
    row = Prediction.objects.filter(visitor=TRAINER)[0]
    kept = [{"id": str(key), "before": 1, "after": 2} for key in (row.pk, UUID(int=5))]
    job = Job.objects.create(kind=Job.Kind.REPLAY, result={"drawings": kept})
    delete_drawings_of(TRAINER)
    job.refresh_from_db()
    assert job.result == {"drawings": kept[1:]}


@pytest.mark.django_db(transaction=True)
def test_two_deletions_at_once_bring_no_drawing_back_into_a_replay(small_version: ModelVersion) -> None:
    drawn = [logged(small_version, unique(number), 1, visitor=uuid4()) for number in range(3)]
    found = [{"id": str(row.pk), "before": 1, "after": 2} for row in drawn]
    job = Job.objects.create(kind=Job.Kind.REPLAY, result={"drawings": found})
    first, second = (Prediction.objects.filter(pk=row.pk) for row in drawn[:2])
    with meanwhile(first.erase):
        second.erase()
    job.refresh_from_db()
    assert job.result == {"drawings": found[2:]}
