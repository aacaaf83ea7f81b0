"""The whole loop at small scale: real drawings through a running API, review, training, gate, promotion."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError

from benchmarks.loop_demo import demonstrate
from benchmarks.simulated_people import halve, is_readable
from predictions.learning.drawings import reviewed_drawings
from predictions.models import ModelVersion, Prediction, Promotion
from tests import samples
from tests.drawings import logged, unique
from training import finetune
from training.dataset import Mnist
from training.drawings import load_drawings

pytestmark = pytest.mark.django_db(transaction=True)
DATA = Path(__file__).resolve().parents[2] / "benchmarks" / "data"


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
    picture, figures = tmp_path / "curve.png", tmp_path / "figures.json"
    demonstrate([samples.STROKES], [40], None, 2, picture, figures, live_server.url)
    printed = capsys.readouterr().out

    rows = Prediction.objects.all()
    assert rows.count() == rows.filter(reviewed_by__username="operator").count() == 99
    assert rows.exclude(user_label=None).count() == 99
    assert rows.filter(image=None).count() == 0
    ways = set(rows.values_list("selected_by", flat=True))
    assert {"suspicion"} <= ways <= {"suspicion", "random", "uneven"}  # the lots draw whom they draw
    assert 90 < rows.filter(review_status="accepted").count() < 99
    newest = ModelVersion.objects.first()
    assert newest is not None
    assert set(newest.dataset["train"]) <= {str(key) for key in reviewed_drawings().ids}
    promoted = list(Promotion.objects.order_by("pk").values_list("version__name", flat=True))
    for name in promoted[1:]:
        assert f"{name} is promoted" in printed
    first, second, last = json.loads(figures.read_text())["rounds"]
    assert [at["reviewed"] for at in (first, second, last)] == [0, 40, 99]
    assert first["version"] == version.name
    assert first["p_value"] == 1
    assert second["errors_at_random"] is not None
    assert last["promoted"] == (newest.name in promoted)
    for at in (first, second, last):
        assert at["errors"] == sum(source["errors"] for source in at["by_source"].values())
        assert at["measured"] == sum(source["measured"] for source in at["by_source"].values())
    lines = [line for line in printed.splitlines() if line.startswith("|")]
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["0", "40", "99"]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_half_of_each_source_is_reviewed_and_always_the_same() -> None:
    sources = samples.strokes().sources
    half = halve(sources)
    assert np.array_equal(half, halve(sources))
    for source in np.unique(sources):
        assert half[sources == source].sum() == (sources == source).sum() // 2


def test_lone_lines_are_ones_or_nothing() -> None:
    across, down = np.array([[0.0, 0], [1, 0.05]]), np.array([[0.0, 0], [0.1, 1]])
    assert is_readable([down], 1)
    assert not is_readable([across], 1)
    assert not is_readable([down], 4)
    assert is_readable([down, across], 4)


def test_most_drawings_can_be_read() -> None:
    drawings = load_drawings(DATA / "strokes-dev.npz") + load_drawings(DATA / "strokes-dev-2.npz")
    readable = np.array(list(map(is_readable, drawings.strokes, drawings.labels)))
    assert len(readable) == 5_152
    assert (~readable).sum() == 59


def test_demo_does_not_touch_a_log_that_is_in_use(version: ModelVersion, small_mnist: Mnist) -> None:
    logged(version, unique(1), 3)
    with pytest.raises(CommandError, match="needs a database of its own"):
        demonstrate([samples.STROKES], [40], api="http://localhost")
    assert Prediction.objects.count() == 1


@pytest.mark.parametrize(
    ("drawings", "only", "complaint"),
    [(samples.STROKES, ["nobody"], "Nobody of nobody is in"), (Path("missing.npz"), None, "missing.npz")],
)
def test_demo_says_what_is_wrong(
    version: ModelVersion, small_mnist: Mnist, drawings: Path, only: list[str] | None, complaint: str
) -> None:
    with pytest.raises(CommandError, match=complaint):
        demonstrate([drawings], [40], only, api="http://localhost")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["missing.npz"], "No such file or directory: 'missing.npz'\n"),
        (["any.npz", "--steps", "0"], "--rounds and --steps must be at least 1.\n"),
    ],
)
def test_program_ends_with_one_line_and_code_2(arguments: list[str], complaint: str) -> None:
    command = [sys.executable, "-m", "benchmarks.loop_demo", *arguments]
    nowhere = os.environ | {"DATABASE_URL": "postgresql:///unused"}
    result = subprocess.run(command, env=nowhere, capture_output=True, text=True)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert result.stderr.endswith(complaint)
