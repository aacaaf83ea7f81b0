"""Made-up drawings."""

import numpy as np
import pytest

from classifier.checkpoint import SHIPPED
from classifier.predictor import Predictor
from tests import samples
from training import glyphs, synthesis


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_digits_of_every_kind_are_inputs_as_preprocessing_makes_them() -> None:
    images, labels = synthesis.digits(300, random())
    assert images.shape == (300, 28, 28)
    assert images.dtype == np.uint8
    assert set(labels.tolist()) == set(range(10))
    for image in images:
        sides = [int(image.any(axis=axis).sum()) for axis in (0, 1)]
        assert max(sides) <= 20


def test_one_seed_gives_the_same_drawings() -> None:
    source = samples.mnist().train.images
    for make in (synthesis.digits, lambda count, rng: synthesis.non_digits(count, source, rng)):
        (first, labels), (second, same) = make(40, random()), make(40, random())
        assert np.array_equal(first, second)
        assert np.array_equal(labels, same)


def test_slashed_zeros_are_real_ones_with_ink_in_the_middle() -> None:
    digits = samples.mnist().train
    zeros = digits.images[digits.labels == 0]
    images, labels = synthesis.slash_zeros(60, zeros, random())
    assert images.shape == (60, 28, 28)
    assert set(labels.tolist()) == {0}
    plain, slashed = ((part[:, 13:16, 13:16].max(axis=(1, 2)) > 100).mean() for part in (zeros, images))
    assert plain < 0.2
    assert slashed > 0.8


def test_every_glyph_can_be_read_from_its_text() -> None:
    styles = [style for styles in glyphs.DIGITS.values() for style in styles]
    for style in [*styles, *glyphs.OTHERS]:
        for stroke in style.split("|"):
            pairs = stroke.removeprefix("-").split()
            assert all(len(pair) == 2 and pair.isdecimal() for pair in pairs), style
            assert len(pairs) >= 2, style


@pytest.mark.parametrize("digit", range(10))
def test_the_shipped_model_reads_most_made_up_digits(digit: int) -> None:
    images, labels = synthesis.digits(1_000, random())
    probabilities, _ = Predictor.from_bytes(SHIPPED.read_bytes()).probabilities(images[labels == digit])
    assert (probabilities.argmax(axis=1) == digit).mean() > 0.85


def test_what_is_no_digit_is_labelled_so() -> None:
    images, labels = synthesis.non_digits(200, samples.mnist().train.images, random())
    assert images.shape == (200, 28, 28)
    assert set(labels.tolist()) == {10}
    assert all(image.any() for image in images)


def test_no_drawings_join_others_like_any_number_of_them() -> None:
    source = np.zeros((1, 28, 28), np.uint8)
    for images, labels in (
        synthesis.digits(0, random()),
        synthesis.slash_zeros(0, source, random()),
        synthesis.non_digits(0, source, random()),
    ):
        assert (images.shape, images.dtype.name) == ((0, 28, 28), "uint8")
        assert (labels.shape, labels.dtype.name) == ((0,), "int64")
