"""The whole loop at small scale: real drawings through a running API, review, training, gate, promotion."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from benchmarks.loop_demo import demonstrate
from predictions.learning.drawings import reviewed_drawings
from predictions.models import ModelVersion, Prediction, Promotion
from tests import samples
from tests.drawings import logged, unique
from training import finetune
from training.dataset import Mnist

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True)
class Quick(finetune.FineTuning):
    batch: int = 32
    made_up: int = 50


def test_people_draw_the_operator_reviews_the_model_learns(
    live_server: Any,
    version: ModelVersion,
    small_mnist: Mnist,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finetune, "FineTuning", Quick)
    picture = tmp_path / "curve.png"
    demonstrate(samples.STROKES, ["val", "imp"], [40, 80], 2, picture, live_server.url)
    printed = capsys.readouterr().out

    reviewed = Prediction.objects.filter(review_status="accepted")
    assert reviewed.count() == 80
    assert reviewed.filter(reviewed_by__username="operator").count() == 80
    assert reviewed.exclude(user_label=None).count() == 80
    assert reviewed.filter(image=None).count() == 0
    newest = ModelVersion.objects.first()
    assert newest is not None
    assert set(newest.dataset["train"]) <= {str(key) for key in reviewed_drawings().ids}
    promoted = list(Promotion.objects.order_by("pk").values_list("version__name", flat=True))
    assert promoted[0] == version.name
    for name in promoted[1:]:
        assert f"{name} is promoted" in printed
    assert ModelVersion.objects.get(active=True).name == promoted[-1]
    rows = [line for line in printed.splitlines() if line.startswith("|")]
    assert [row.split("|")[1].strip() for row in rows[2:]] == ["0", "40", "80"]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_demo_does_not_touch_a_log_that_is_in_use(version: ModelVersion, small_mnist: Mnist) -> None:
    logged(version, unique(1), 3)
    with pytest.raises(CommandError, match="needs a database of its own"):
        demonstrate(samples.STROKES, ["val"], [40], 5, api="http://localhost")
    assert Prediction.objects.count() == 1


@pytest.mark.parametrize(
    ("drawings", "unseen", "reviews", "complaint"),
    [
        (samples.STROKES, "nobody", 40, "Nobody of nobody is in"),
        (samples.STROKES, "val", 500, "drawings are left for 500 reviews"),
        (Path("missing.npz"), "val", 40, "missing.npz"),
    ],
)
def test_demo_says_what_is_wrong(
    version: ModelVersion, small_mnist: Mnist, drawings: Path, unseen: str, reviews: int, complaint: str
) -> None:
    with pytest.raises(CommandError, match=complaint):
        demonstrate(drawings, [unseen], [reviews], 5, api="http://localhost")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["missing.npz", "--unseen", "val"], "No such file or directory: 'missing.npz'\n"),
        (["any.npz", "--unseen", "val", "--steps", "0"], "--reviews and --steps must be at least 1.\n"),
    ],
)
def test_program_ends_with_one_line_and_code_2(arguments: list[str], complaint: str) -> None:
    command = [sys.executable, "-m", "benchmarks.loop_demo", *arguments]
    nowhere = os.environ | {"DATABASE_URL": "postgresql:///unused"}
    result = subprocess.run(command, env=nowhere, capture_output=True, text=True)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert result.stderr.endswith(complaint)
