"""From digits to a checkpoint, with a tiny network on the sample."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from classifier.predictor import Predictor
from tests import samples
from training import recipe, synthesis
from training.finetune import FineTuning
from training.train import Progress, count_steps

TINY = replace(samples.TINY, epochs=1)
CLOSING = FineTuning(steps=3, drawings_share=0.25, batch=64, made_up=64)


@cache
def made() -> tuple[Predictor, list[Progress], list[np.ndarray]]:
    """A predictor, what was reported, and the made-up digits in the order in which they were made."""
    progress: list[Progress] = []
    drawn: list[np.ndarray] = []

    def digits(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        images, labels = original(count, rng)
        drawn.append(images)
        return images, labels

    original = synthesis.digits
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthesis, "digits", digits)
        sets = recipe.split(samples.mnist(), {})
        checkpoint = recipe.make_checkpoint(sets, TINY, CLOSING, progress.append)
    return Predictor(checkpoint.network(), checkpoint.calibration), progress, drawn


def test_training_and_closing_are_reported_as_one_way() -> None:
    _, progress, _ = made()
    total = count_steps(samples.mnist().train, TINY) + CLOSING.steps
    assert {part.steps for part in progress} == {total}
    assert sorted({part.step for part in progress}) == list(range(1, total + 1))


def test_the_closing_makes_up_drawings_that_the_training_has_not_seen() -> None:
    _, _, (training, closing, *_) = made()
    assert not {image.tobytes() for image in training} & {image.tobytes() for image in closing}


def test_the_checkpoint_reads() -> None:
    predictor, _, _ = made()
    (reading,) = predictor.read(samples.mnist().test.images[:1])
    assert sum(reading.probabilities) == pytest.approx(1)
