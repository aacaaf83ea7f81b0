"""manage.py evaluate_model."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from predictions.models import ModelVersion
from tests import samples
from training import dataset, evaluate, model_card
from training.drawings import Hand, draw

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample instead of MNIST, and few ways to draw."""
    monkeypatch.setattr(dataset, "load_mnist", lambda folder: samples.mnist())
    monkeypatch.setattr(model_card, "GRID", 5)
    monkeypatch.setattr(model_card, "MOVED", 5)
    monkeypatch.setattr(evaluate, "PLACES", ((0, 0), (1, 1)))


def run(*options: str | Path) -> str:
    output = StringIO()
    call_command("evaluate_model", *map(str, options), stdout=output)
    return output.getvalue()


def test_the_active_version_is_measured_on_mnist(version: ModelVersion) -> None:
    (line,) = [line for line in run().splitlines() if line.startswith("MNIST test")]
    count, accuracy, calibration_error, refused = line.split()[2:]
    assert count == "1,000"
    assert float(accuracy.rstrip("%")) >= 99
    assert float(calibration_error.rstrip("%")) < 2
    assert float(refused.rstrip("%")) < 2


def test_a_file_of_strokes_is_measured_each_way_and_by_source_and_drawn(
    version: ModelVersion, tmp_path: Path
) -> None:
    folder = tmp_path / "made" / "for it"
    files = ("--digits", samples.STROKES, "--others", samples.LETTERS)
    lines = run("--version", version.name, *files, "--report", folder)
    names = [line.split()[0] for line in lines.splitlines()]
    for name in ("draw", "draw_anyhow", "strokes", "aga", "ibm", "imp", "val", "Grid"):
        assert name in names
    assert names.count("ibm") == 3
    assert "others, strokes" in lines
    pictures = {path.stem for path in folder.iterdir()}
    assert {"reliability", "refusals_strokes", "grid", "worst_draw", "confusions_mnist_test"} <= pictures
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.iterdir())


def test_letters_alone_are_measured_too(version: ModelVersion) -> None:
    assert "others, draw_anyhow" in run("--others", samples.LETTERS)


def test_a_version_that_is_not_there_is_one_line(version: ModelVersion) -> None:
    with pytest.raises(CommandError, match="There is no model version v99"):
        run("--version=v99")


def test_without_an_active_version_it_says_so() -> None:
    with pytest.raises(CommandError, match="No model version is active"):
        run()


@pytest.mark.parametrize("file", ["missing.npz", "README.md"])
def test_a_file_that_is_no_stroke_file_is_one_line(version: ModelVersion, file: str) -> None:
    with pytest.raises(CommandError, match=file):
        run("--digits", samples.DATA / file)


def test_photographs_are_measured_by_condition_and_without_mnist(
    version: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(dataset, "load_mnist")
    drawings = samples.strokes().sample(5)
    for condition, hand in {"neat": Hand(), "thin": Hand(pen=6)}.items():
        (tmp_path / condition).mkdir()
        for number, (strokes, label) in enumerate(zip(drawings.strokes, drawings.labels, strict=True)):
            (tmp_path / condition / f"{number}_{label}.bmp").write_bytes(draw(strokes, hand))
    names = [line.split()[:2] for line in run("--photos", tmp_path).splitlines()[1:]]
    assert names == [["neat", "5"], ["thin", "5"], ["altogether", "10"]]


def test_folder_without_photographs_is_one_line(version: ModelVersion, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no pictures"):
        run("--photos", tmp_path)


def test_pictures_that_cannot_be_stored_are_one_line(version: ModelVersion, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="Not a directory"):
        run("--report", tmp_path / "file" / "folder")
