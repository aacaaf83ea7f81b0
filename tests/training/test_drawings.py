"""Stroke files."""

from pathlib import Path

import numpy as np
import pytest

from classifier.preprocess import read_picture
from tests import samples
from training.drawings import CANVAS, Hand, draw, load_drawings


def test_a_file_gives_strokes_in_units_of_the_longer_side() -> None:
    drawings = samples.strokes()
    assert len(drawings) == len(drawings.labels) == len(drawings.sources) == 200
    for strokes in drawings.strokes:
        points = np.concatenate(strokes)
        assert points.min() >= 0
        assert points.max() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"\x93NUMPY"])
def test_another_file_is_refused_in_plain_words(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "other.npz"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="is no stroke file"):
        load_drawings(file)


def test_an_archive_without_strokes_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", labels=[1, 2])
    with pytest.raises(ValueError, match="is no stroke file"):
        load_drawings(tmp_path / "other.npz")


@pytest.mark.parametrize("hand", [Hand(60, 6, -1, -1), Hand(110, 30, 1, 1), Hand(200, 10, 0, 1)])
def test_a_hand_says_size_pen_and_place(hand: Hand) -> None:
    ink = read_picture(draw(samples.strokes().strokes[0], hand)) > 100
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    longest = max(np.ptp(rows), np.ptp(columns)) + 1
    assert longest == pytest.approx(hand.size + hand.pen, abs=4)
    middle = (columns[0] + columns[-1]) / 2
    assert np.sign(round((middle - CANVAS / 2) / 10)) == np.sign(hand.x)


def test_black_on_white_is_the_same_drawing_inverted() -> None:
    strokes = samples.strokes().strokes[0]
    assert np.array_equal(read_picture(draw(strokes, Hand(black=True))), read_picture(draw(strokes, Hand())))


def test_a_sample_is_spread_over_the_file() -> None:
    sample = samples.strokes().sample(50)
    assert len(sample) == 50
    assert set(sample.sources) == set(samples.strokes().sources)
    assert len(samples.strokes().sample(1_000)) == 200
