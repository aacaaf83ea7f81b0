"""Figures of what a predictor says."""

from functools import cache
from itertools import repeat

import numpy as np
import pytest

from classifier.checkpoint import SHIPPED
from classifier.predictor import Predictor
from tests import samples
from training import evaluate
from training.drawings import Hand
from training.evaluate import (
    Answers,
    any_hands,
    as_pixels,
    as_strokes,
    ask,
    changed_answers,
    refused_at,
)


@cache
def shipped() -> Predictor:
    return Predictor.from_bytes(SHIPPED.read_bytes())


def answers(confidences: list[float], correct: list[bool]) -> Answers:
    """Answers of 0 with these confidences; the rest goes to 1."""
    probabilities = np.zeros((len(correct), 10))
    probabilities[:, 0] = confidences
    probabilities[:, 1] = 1 - probabilities[:, 0]
    count = len(correct)
    return Answers(1 - np.array(correct, np.int64), probabilities, np.zeros(count), np.zeros(count, np.bool_))


def test_the_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    assert answers([0.8] * 10, [True] * 8 + [False] * 2).calibration_error() == pytest.approx(0)
    assert answers([0.9] * 10, [True] * 5 + [False] * 5).calibration_error() == pytest.approx(0.4)
    mixed = answers([0.9] * 10 + [0.6] * 10, [True] * 9 + [False] * 1 + [True] * 10)
    assert mixed.calibration_error() == pytest.approx(0.2)


def test_figures_are_of_the_predictors_own_answers() -> None:
    digits = samples.mnist().test
    readings = shipped().read(digits.images)
    figures = ask(shipped(), digits.images, digits.labels).figures()
    assert figures["count"] == 1_000
    assert figures["accuracy"] == np.mean(
        [reading.digit == label for reading, label in zip(readings, digits.labels, strict=True)]
    )
    assert figures["refused"] == np.mean([reading.uncertain for reading in readings])


def test_refusals_are_compared_at_one_share_of_digits() -> None:
    digits, others = answers([0.9] * 100, [True] * 100), answers([0.9] * 4, [True] * 4)
    digits.scores[:] = np.linspace(0, 0.99, 100)
    others.scores[:] = [0.5, 0.96, 0.98, 1.0]
    assert refused_at(digits, others, share=0.05) == 0.75


def test_drawings_come_as_strokes_and_as_pixels() -> None:
    drawings = samples.strokes().sample(10)
    strokes, neat = as_strokes(drawings), as_pixels(drawings, repeat(Hand()))
    assert strokes.shape == neat.shape == (10, 28, 28)
    assert np.abs(strokes.astype(float) - neat).mean() < 15
    anyhow = [as_pixels(drawings, any_hands(seed)) for seed in (0, 0, 1)]
    assert np.array_equal(anyhow[0], anyhow[1])
    assert not np.array_equal(anyhow[0], anyhow[2])


def test_the_grid_has_a_cell_for_every_size_and_pen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "SIZES", (60, 160))
    monkeypatch.setattr(evaluate, "PENS", (14, 22, 60))
    monkeypatch.setattr(evaluate, "PLACES", ((0, 0), (-1, 1)))
    cells = evaluate.grid(shipped(), samples.strokes().sample(20))
    assert cells.shape == (2, 3)
    assert cells[1, 0] >= 0.9
    assert cells[0, 2] < cells[1, 0]  # a pen as wide as the drawing leaves a blob


def test_moving_scaling_and_inverting_hardly_ever_change_an_answer() -> None:
    assert changed_answers(shipped(), samples.strokes().sample(15)) < 0.03
