"""From pixels to ink: what is the digit, and whether that is clear."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks.photographs import SCENES
from benchmarks.picture_changes import CHANGES, change
from benchmarks.scene import Scene, side_by_side
from classifier.checkpoint import SHIPPED
from classifier.image_file import Pixels, decode
from classifier.ink import find_ink
from classifier.predictor import Predictor
from classifier.preprocess import to_input
from tests import samples
from tests.pictures import file
from training.drawings import Strokes
from training.photographs import Result, read

DRAWINGS = samples.strokes()
CLEAR = 2  # a drawing that nobody reads differently


@cache
def shipped() -> Predictor:
    return Predictor.from_bytes(SHIPPED.read_bytes())


def answer(pixels: Pixels) -> Result:
    return read(shipped(), file(Image.fromarray(pixels), "BMP"))


def photograph(scene: Scene, strokes: Strokes, seed: int = 0) -> Pixels:
    return decode(scene.photograph(strokes, np.random.default_rng(seed)))


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("condition", ["ball-point", "soft-shadow", "squared-paper", "chalk", "form"])
def test_inverted_scaled_or_padded_it_is_the_same_digit(condition: str, name: str) -> None:
    for seed in range(4):
        data = SCENES[condition].photograph(DRAWINGS.strokes[40 * seed], np.random.default_rng(seed))
        changed = change(data, name, np.random.default_rng(seed))
        assert read(shipped(), changed).digit == read(shipped(), data).digit


@pytest.mark.parametrize("second", [0, 40], ids=["a lone bar", "as much ink"])
def test_two_digits_side_by_side_are_unclear(second: int) -> None:
    both = side_by_side(DRAWINGS.strokes[CLEAR], DRAWINGS.strokes[second])
    found = find_ink(photograph(Scene(width=800, size=600, off=0), both))
    assert found.ink.any()
    assert not found.is_clear


@pytest.mark.parametrize("size", [8, 10, 12])
def test_digit_of_a_few_pixels_is_unclear(size: int) -> None:
    pixels = photograph(Scene(size=size, pen=0.15, blur=0.3, grain=1), DRAWINGS.strokes[CLEAR])
    found = find_ink(pixels)
    assert not found.is_clear
    if found.ink.any():
        reading = shipped().read_clearly(to_input(found.ink), is_clear=found.is_clear)
        assert (reading.uncertain, reading.reason) == (True, "unclear_picture")


@pytest.mark.parametrize("condition", ["ball-point", "ruled-paper", "scan-rulings"])
def test_empty_paper_is_blank(condition: str) -> None:
    for seed in range(3):
        assert not find_ink(empty(condition, seed)).ink.any()


NO_DIGIT = (
    "soft-shadow hard-shadow vignette thin-chalk squared-paper fine-squares margin form desk thumb coin text"
)


@pytest.mark.parametrize("condition", [*NO_DIGIT.split(), "black-box"])
def test_what_is_on_a_paper_without_a_digit_is_no_sure_digit(condition: str) -> None:
    for seed in range(3):
        assert answer(empty(condition, seed)).uncertain


def empty(condition: str, seed: int) -> Pixels:
    scene = SCENES[condition]
    return photograph(replace(scene, ink=scene.paper), DRAWINGS.strokes[CLEAR], seed)


def test_digit_that_the_edge_may_have_cut_is_unclear() -> None:
    whole = photograph(Scene(light=SCENES["uneven-light"].light, off=0), DRAWINGS.strokes[CLEAR])
    assert find_ink(whole).is_clear
    rows = np.flatnonzero(find_ink(whole).ink.any(axis=1))
    assert not find_ink(whole[: rows[-1] - 60]).is_clear


@pytest.mark.parametrize("side", [8, 32, 160])
@pytest.mark.parametrize("method", ["NEAREST", "BILINEAR", "LANCZOS"])
def test_real_digits_of_eight_pixels_are_hardly_ever_wrong_and_sure(side: int, method: str) -> None:
    """However they were enlarged."""
    digits, wrong = load_digits(), 0
    for values, label in zip(digits.images[:40], digits.target, strict=False):
        tiny = Image.fromarray(np.rint(255 - values * (255 / 16)).astype(np.uint8))
        result = answer(np.asarray(tiny.resize((side, side), Image.Resampling[method])))
        wrong += not result.uncertain and result.digit != label
    assert wrong <= 2
