"""The trial of a version: two digits that any network for digits reads right."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from classifier.predictor import Predictor

TRIED = [1, 0]  # what the inputs of `draw` show


def try_to_read(predictor: "Predictor") -> None:
    """Raises ValueError where a probability is not a number, or one of the two digits is read as another."""
    probabilities, scores = predictor.probabilities(draw())
    if not (np.isfinite(probabilities).all() and np.isfinite(scores).all()):
        raise ValueError("its probabilities are not numbers")
    read = probabilities.argmax(axis=1).tolist()
    if read != TRIED:
        raise ValueError(f"it reads a plain {TRIED[0]} and {TRIED[1]} as {read[0]} and {read[1]}")


def draw() -> NDArray[np.uint8]:
    """A bar and a ring, (2, 28, 28), 20 pixels high as all inputs are, with a pen of 3."""
    bar = np.zeros((28, 28), np.uint8)
    bar[4:24, 13:16] = 255
    rows, columns = np.mgrid[:28, :28] - 13.5
    size = np.hypot(rows / 10, columns / 7)  # 1 on an ellipse of 20 by 14 pixels
    ring = np.where((size > 0.65) & (size <= 1), 255, 0).astype(np.uint8)
    return np.stack([bar, ring])
