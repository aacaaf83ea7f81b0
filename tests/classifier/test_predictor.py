"""Reading inputs with the shipped model."""

import threading
from functools import cache

import numpy as np
import pytest

from classifier.checkpoint import SHIPPED, load
from classifier.predictor import Predictor, Reading
from classifier.preprocess import render_strokes, to_input
from tests import samples
from training.evaluate import as_strokes


@cache
def shipped() -> Predictor:
    return Predictor.from_bytes(SHIPPED.read_bytes())


def read(strokes: list[list[tuple[float, float]]], pen: float = 0.13) -> Reading:
    (reading,) = shipped().read(to_input(render_strokes(strokes, pen))[None])
    return reading


def test_it_reads_mnist() -> None:
    digits = samples.mnist().test
    readings = shipped().read(digits.images)
    correct = sum(reading.digit == label for reading, label in zip(readings, digits.labels, strict=True))
    assert correct >= 990
    assert sum(reading.uncertain for reading in readings) <= 20


def test_it_reads_what_people_draw() -> None:
    drawings = samples.strokes()
    probabilities, _ = shipped().probabilities(as_strokes(drawings))
    assert (probabilities.argmax(axis=1) == drawings.labels).mean() >= 0.94


def test_it_refuses_letters() -> None:
    readings = shipped().read(as_strokes(samples.letters()))
    assert sum(reading.uncertain for reading in readings) >= 0.8 * len(readings)
    assert all(bool(reading.reason) == reading.uncertain for reading in readings)


def test_probabilities_are_ten_and_sum_to_one() -> None:
    for reading in shipped().read(samples.mnist().test.images[:50]):
        assert len(reading.probabilities) == 10
        assert sum(reading.probabilities) == pytest.approx(1, abs=1e-12)
        assert reading.confidence == max(reading.probabilities) == reading.probabilities[reading.digit]


def test_a_dot_is_refused() -> None:
    assert read([[(5, 5)]]).uncertain


def test_a_filled_square_is_refused() -> None:
    square = np.full((1, 28, 28), 0, np.uint8)
    square[:, 4:24, 4:24] = 255
    assert shipped().read(square)[0].uncertain


def test_scribbles_are_refused() -> None:
    rng = np.random.default_rng(5)
    scribbles = [[(float(x), float(y)) for x, y in rng.uniform(0, 9, (25, 2))] for _ in range(20)]
    assert all(read([scribble], pen=0.05).uncertain for scribble in scribbles)


def test_two_digits_side_by_side_are_refused() -> None:
    digits = samples.mnist().test.images
    pairs = [
        to_input(np.concatenate([digits[first], digits[first + 1]], axis=1)) for first in range(0, 60, 2)
    ]
    uncertain = [reading.uncertain for reading in shipped().read(np.stack(pairs))]
    assert sum(uncertain) >= 28


def test_a_batch_reads_as_one_by_one() -> None:
    images = samples.mnist().test.images[:600]
    together, _ = shipped().probabilities(images)
    alone = np.concatenate([shipped().probabilities(image[None])[0] for image in images[:40]])
    assert np.allclose(together[:40], alone, atol=1e-5)


def test_nothing_is_read_as_nothing() -> None:
    empty = np.empty((0, 28, 28), np.uint8)
    assert shipped().read(empty) == []
    assert shipped().probabilities(empty)[0].shape == (0, 10)


def test_threads_share_it() -> None:
    images = samples.mnist().test.images[:64]
    expected = shipped().read(images[:1])
    answers: list[list[Reading]] = []
    threads = [threading.Thread(target=lambda: answers.append(shipped().read(images[:1]))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 8


def test_features_of_the_same_digit_are_nearer_than_of_another() -> None:
    digits = samples.mnist().test
    features = shipped().embed(digits.images)
    assert features.shape == (len(digits), load(SHIPPED.read_bytes()).config.features)
    centres = np.stack([features[digits.labels == digit].mean(axis=0) for digit in range(10)])
    nearest = np.linalg.norm(features[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == digits.labels).mean() > 0.95


def test_bytes_that_are_no_checkpoint_are_refused() -> None:
    with pytest.raises(ValueError, match="Not a digit checkpoint"):
        Predictor.from_bytes(b"nothing")
