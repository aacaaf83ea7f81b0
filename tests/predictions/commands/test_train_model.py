"""manage.py train_model."""

from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from django.core.management import CommandError, call_command
from django.db import connection

from classifier.model import Config
from predictions.models import ModelVersion, Promotion
from predictions.models import version as version_module
from tests import samples
from tests.drawings import accepted, unique
from tests.predictions.api.test_damaged_weights import cut_short, harm
from training import dataset, recipe, train
from training.dataset import DatasetError
from training.finetune import FineTuning

# The command lets go of its connection during the training, which a test's own transaction would not survive.
pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True)
class Tiny(train.Settings):
    batch: int = 64
    made_up_digits: int = 64
    slashed_zeros: int = 32
    non_digits: int = 64
    config: Config = field(default_factory=lambda: Config(channels=(4, 8, 16), features=16))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample instead of MNIST, and a tiny network: everything else is real."""
    monkeypatch.setattr(dataset, "load_mnist", lambda folder: samples.mnist())
    monkeypatch.setattr(train, "Settings", Tiny)
    monkeypatch.setattr(recipe, "CLOSING", FineTuning(steps=3, drawings_share=0.25, batch=64, made_up=64))


def run(*options: str) -> str:
    output = StringIO()
    call_command("train_model", "--epochs=1", *options, stdout=output)
    return output.getvalue()


def test_a_version_is_stored_with_everything_that_says_where_it_comes_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = run("--seed=3")
    version = ModelVersion.objects.get()
    assert (version.seed, version.active, version.parent) == (3, False, None)
    assert version.data_fingerprint == samples.mnist().train.fingerprint()
    assert version.code_version == recipe.code_version()
    assert version.metrics["sets"]["mnist_test"]["count"] == 1_000
    assert version.metrics["settings"]
    assert version.metrics["settings"]["epochs"] == 1
    assert version.metrics["tuning"]["steps"] == 3
    version.predictor().read(samples.mnist().test.images[:1])
    assert f"Model version {version}" in output
    assert f"{version.metrics['sets']['mnist_test']['accuracy']:.2%} of 1,000" in output
    bar = capsys.readouterr().err
    assert all(word in bar for word in ("step ", "loss ", "validation "))


def test_one_seed_gives_the_same_weights() -> None:
    for _ in range(2):
        run("--seed=3")
    run("--seed=4")
    versions = ModelVersion.objects.order_by("pk")
    first, second, other = (version.checkpoint().weights["head.weight"] for version in versions)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_it_answers_at_once_only_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version_module, "try_to_read", lambda predictor: None)  # it has trained for a second
    run("--no-promote")
    assert ModelVersion.objects.active() is None
    run("--promote")
    version = ModelVersion.objects.active()
    assert version is not None
    assert Promotion.objects.get().version == version


def fail(error: BaseException) -> Callable[..., Any]:
    def failing(*args: object, **options: object) -> None:
        raise error

    return failing


def test_interrupting_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "validation_accuracy", fail(KeyboardInterrupt()))
    with pytest.raises(CommandError, match="Interrupted; nothing was stored"):
        run()
    assert not ModelVersion.objects.exists()


def test_data_that_cannot_be_had_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dataset, "load_mnist", fail(DatasetError("MNIST can't be fetched: no network.")))
    with pytest.raises(CommandError, match="MNIST can't be fetched: no network"):
        run(f"--data-dir={tmp_path}")


def test_training_beside_a_version_that_cannot_be_read_says_that_its_result_is_stored(
    small_version: ModelVersion,
) -> None:
    harm(small_version, cut_short)
    with pytest.raises(CommandError, match=r"v1 could not answer: .* v\d+ is stored"):
        run()
    made = ModelVersion.objects.exclude(pk=small_version.pk).get()
    assert made.gate is None


def test_where_every_version_is_to_be_forgotten_training_starts_from_random_weights(
    small_version: ModelVersion,
) -> None:
    accepted(small_version, unique(1), 3)
    small_version.mark_to_forget()
    run()
    assert ModelVersion.objects.exclude(pk=small_version.pk).get().parent is None


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--epochs=0", "1 or more"),
        ("--steps=0", "1 or more"),
        ("--seed=-1", "from 0 to"),
        (f"--seed={2**64}", "from 0 to"),
        ("--device=abacus", "no device"),
        ("--device=meta", "no device"),
    ],
)
def test_a_bad_option_is_one_line(option: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run(option)


def test_a_database_that_was_not_migrated_is_said_before_the_training() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE predictions_modelversion RENAME TO elsewhere")
        try:
            with pytest.raises(CommandError, match=r"manage\.py migrate"):
                run()
        finally:
            cursor.execute("ALTER TABLE elsewhere RENAME TO predictions_modelversion")
