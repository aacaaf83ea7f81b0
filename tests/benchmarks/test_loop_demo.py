"""The whole loop at small scale: real drawings through a running API, review, training, gate, promotion."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from predictions.learning.drawings import reviewed_drawings
from predictions.models import ModelVersion, Prediction, Promotion
from tests.drawings import logged, unique
from training.dataset import Mnist

STROKES = samples.DATA / "strokes-sample.npz"

pytestmark = pytest.mark.django_db(transaction=True)


def test_people_draw_the_operator_reviews_the_model_learns(
    live_server: Any,
    version: ModelVersion,
    small_mnist: Mnist,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    picture = tmp_path / "curve.png"
    options = ["--reviews", "40", "80", "--steps", "5", "--picture", str(picture)]
    call_command("loop_demo", STROKES, "--api", live_server.url, "--unseen", "val", "imp", *options)
    printed = capsys.readouterr().out

    reviewed = Prediction.objects.filter(review_status="accepted")
    assert reviewed.count() == 80
    assert all(row.reviewed_by.username == "operator" for row in reviewed)
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


def test_demo_does_not_touch_a_log_that_is_in_use(version: ModelVersion) -> None:
    logged(version, unique(1), 3)
    with pytest.raises(CommandError, match="needs a database of its own"):
        call_command("loop_demo", STROKES, "--api", "http://localhost", "--unseen", "val")
    assert Prediction.objects.count() == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([STROKES, "--unseen", "nobody"], "Nobody of nobody is in"),
        ([STROKES, "--unseen", "val", "--reviews", "500"], "drawings are left for 500 reviews"),
        (["missing.npz", "--unseen", "val"], "missing.npz"),
    ],
)
def test_demo_says_what_is_wrong(
    version: ModelVersion, small_mnist: Mnist, arguments: list[str], complaint: str
) -> None:
    with pytest.raises(CommandError, match=complaint):
        call_command("loop_demo", "--api", "http://localhost", *arguments)
