"""What whoever runs a command can mend is said in one line."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from predictions.models import ModelVersion
from tests import samples
from tests.conftest import ONE, Post
from tests.drawings import accepted, unique
from tests.predictions.api.test_damaged_weights import cut_short, harm
from training.dataset import Mnist


@pytest.fixture
def candidate(version: ModelVersion) -> ModelVersion:
    """v2, not compared yet."""
    candidate = ModelVersion.objects.register(samples.SMALL.read_bytes())
    candidate.name = "v2"
    candidate.save(update_fields=["name"])
    return candidate


@pytest.mark.parametrize(
    "command",
    [
        ["promote", "v2"],
        ["replay", "v1"],
        ["second_reading", "v1"],
        ["evaluate_model"],
        ["export_model", "v1", "/dev/null"],
        ["train_model"],
    ],
)
def test_weights_that_cannot_be_read_are_one_line(
    version: ModelVersion, candidate: ModelVersion, small_mnist: Mnist, command: list[str]
) -> None:
    accepted(version, unique(1), 3)
    harm(version, cut_short)
    with pytest.raises(CommandError, match=r"^v1 (could not answer|is not exported): "):
        call_command(*command)
    assert ModelVersion.objects.active() == version


@pytest.mark.parametrize("command", [["promote", "v2"], ["evaluate_model"], ["train_model"]])
def test_mnist_that_cannot_be_had_is_one_line(
    candidate: ModelVersion, settings: Any, tmp_path: Path, command: list[str]
) -> None:
    settings.MNIST_DIR = tmp_path / "file"
    settings.MNIST_DIR.touch()
    with pytest.raises(CommandError, match="MNIST can't be stored"):
        call_command(*command)


def test_where_the_active_version_cannot_be_read_an_override_promotes_a_good_one(
    post: Post, version: ModelVersion, candidate: ModelVersion, small_mnist: Mnist
) -> None:
    harm(version, cut_short)
    with pytest.raises(CommandError, match="--override"):
        call_command("promote", "v2")
    assert post("predict", {"strokes": ONE}).status_code == 503
    call_command("promote", "v2", "--override", "--reason", "v1 is damaged")
    assert post("predict", {"strokes": ONE}).json()["model_version"] == "v2"
