"""Photographs in folders, and the table of how they are read."""

from collections import Counter
from pathlib import Path

import pytest

from classifier.checkpoint import SHIPPED
from classifier.predictor import Predictor
from tests import samples
from tests.pictures import file, noise
from training.drawings import Hand, draw
from training.photographs import Result, count, find_photographs, read, table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A digit by its own name and by another's, and a picture of nothing."""
    strokes = samples.strokes()
    right, wrong = int(strokes.labels[2]), (int(strokes.labels[2]) + 1) % 10
    canvas = draw(strokes.strokes[2], Hand())
    files = {
        f"neat/1_{right}.bmp": canvas,
        f"neat/2_{wrong}.bmp": canvas,
        "nothing/3_3.png": file(noise(40, 40, "L").point([200] * 256)),
        "nothing/text_4.png": b"no picture",
    }
    for name, data in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return tmp_path


def test_right_uncertain_and_wrong_are_counted_for_each_condition(folder: Path) -> None:
    counts = count(Predictor.from_bytes(SHIPPED.read_bytes()), find_photographs(folder))
    assert counts == {
        "neat": Counter({"count": 2, "right": 1, "wrong and sure": 1}),
        "nothing": Counter({"count": 2, "uncertain": 2}),
    }
    heading, *lines = table(counts).splitlines()
    assert heading.split() == ["count", "right", "uncertain", "wrong", "and", "sure"]
    assert [line.split() for line in lines] == [
        ["neat", "2", "50.00%", "0.00%", "50.00%"],
        ["nothing", "2", "0.00%", "100.00%", "0.00%"],
        ["altogether", "4", "25.00%", "50.00%", "25.00%"],
    ]


def test_what_is_no_picture_is_uncertain() -> None:
    assert read(Predictor.from_bytes(SHIPPED.read_bytes()), b"no picture") == Result(None, True)


@pytest.mark.parametrize("name", ["seven.jpg", "12.jpg", "a_10.jpg", "7_.jpg"])
def test_name_without_its_digit_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / name).write_bytes(b"")
    with pytest.raises(ValueError, match=name):
        find_photographs(tmp_path)
