"""Photographs are made as their conditions say, and each condition is read as a canvas is."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks import photographs
from benchmarks.photographs import CONDITIONS
from classifier.checkpoint import SHIPPED
from classifier.image_file import LONGEST_SIDE, decode
from classifier.predictor import Predictor
from classifier.preprocess import read_drawing, read_stored, to_input
from classifier.stored_picture import MOST_STORED
from tests import samples
from training.photographs import find_photographs, read

DRAWINGS = samples.strokes()
NUMBERS = (2, 40, 80)  # drawings that nobody reads differently


@cache
def shipped() -> Predictor:
    return Predictor.from_bytes(SHIPPED.read_bytes())


def photograph(condition: str, number: int) -> bytes:
    return CONDITIONS[condition](DRAWINGS.strokes[number], np.random.default_rng(number))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_is_read_right_and_again_from_what_is_stored(condition: str) -> None:
    for number in NUMBERS:
        data = photograph(condition, number)
        assert read(shipped(), data).digit == DRAWINGS.labels[number]
        drawing = read_drawing(data)
        assert drawing.file
        assert np.array_equal(to_input(read_stored(drawing.file)), to_input(drawing.ink))
        assert len(drawing.file) <= MOST_STORED
        assert max(decode(drawing.file).shape) <= LONGEST_SIDE


def test_folder_has_each_picture_of_each_condition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = [
        str(tmp_path),
        "canvas",
        "ruled-paper",
        "scan-box",
        "--count=3",
        f"--strokes={samples.STROKES}",
    ]
    for _ in range(2):
        monkeypatch.setattr("sys.argv", ["photographs", *options])
        photographs.main()
    found = find_photographs(tmp_path)
    labels = DRAWINGS.sample(3).labels.tolist()
    assert [photo.label for photo in found] == labels * 3
    assert {photo.path.suffix for photo in found if photo.condition == "ruled-paper"} == {".jpg"}
    assert decode(found[-1].path.read_bytes()).shape == (320, 320)


def test_unknown_condition_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["photographs", str(tmp_path), "moonlight"])
    with pytest.raises(SystemExit):
        photographs.main()
