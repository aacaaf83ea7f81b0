"""Reads inputs: load once, then read batches from any thread."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifier.checkpoint import Calibration, load
from classifier.fused import FusedNet
from classifier.model import DIGITS, NOT_A_DIGIT, DigitNet, to_tensor

UNCLEAR_PICTURE = "unclear_picture"  # a reason to be uncertain
# A 1 with a long flag in one country is a 7 in another, so that one is read as the other, and surely. At 0.9
# most such errors are uncertain, and two to six of a thousand right readings (docs/experiments.md).
ALIKE = [1, 7]
SURE_OF_ALIKE = 0.9
BATCH = 500  # inputs in one forward pass: a larger batch no longer fits the processor's caches


@dataclass(frozen=True, slots=True)
class Reading:
    """One input as read; `probabilities` are calibrated, and `confidence` is the largest of them."""

    digit: int
    confidence: float
    probabilities: tuple[float, ...]
    uncertain: bool
    reason: str  # "", "low_confidence", "not_a_digit" or "unclear_picture"


class Predictor:
    """Reads (n, 28, 28) uint8 inputs as `preprocess.to_input` makes them.

    Holds nothing but the weights, so threads may share it; how many threads torch uses is up to the caller.
    """

    def __init__(self, network: DigitNet, calibration: Calibration) -> None:
        self.network = FusedNet(network)
        self.calibration = calibration

    @classmethod
    def from_bytes(cls, data: bytes) -> "Predictor":
        """Raises ValueError where the bytes are no checkpoint."""
        checkpoint = load(data)
        return cls(checkpoint.network(), checkpoint.calibration)

    def read(self, inputs: NDArray[np.uint8]) -> list[Reading]:
        probabilities, scores = self.probabilities(inputs)
        reasons = self.reasons(probabilities, scores)
        return [
            Reading(int(np.argmax(row)), float(row.max()), tuple(row.tolist()), bool(reason), reason)
            for row, reason in zip(probabilities, reasons.tolist(), strict=True)
        ]

    def read_clearly(self, model_input: NDArray[np.uint8], *, is_clear: bool) -> Reading:
        """Read one (28, 28) input; of a picture in which the digit is not clear, no reading is certain."""
        reading = self.read(model_input[None])[0]
        return reading if is_clear else replace(reading, uncertain=True, reason=UNCLEAR_PICTURE)

    def probabilities(self, inputs: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (n, 10) calibrated probabilities and (n,) not-a-digit scores from 0 to 1."""
        logits = _run_in_batches(self.network, inputs)
        digits = _softmax(logits[:, :DIGITS] / self.calibration.temperature)
        return digits, _softmax(logits)[:, NOT_A_DIGIT]

    def reasons(self, probabilities: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.str_]:
        """Return (n,) reasons to be uncertain of a reading, "" where there is none."""
        likeliest = np.sort(np.argsort(probabilities, axis=1)[:, -2:], axis=1)
        alike = (likeliest == ALIKE).all(axis=1)
        needed = np.maximum(self.calibration.confidence, np.where(alike, SURE_OF_ALIKE, 0))
        unsure = np.where(probabilities.max(axis=1) < needed, "low_confidence", "")
        return np.where(scores > self.calibration.not_a_digit, "not_a_digit", unsure)

    def embed(self, inputs: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the (n, features) values before the last layer, for comparing kinds of drawings."""
        return _run_in_batches(self.network.embed, inputs)


def _run_in_batches(forward: Callable[[Tensor], Tensor], inputs: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the (n, width) outputs in double precision, so that probabilities sum to 1 exactly enough."""
    with torch.inference_mode():
        parts = torch.from_numpy(inputs).split(BATCH)
        return np.concatenate([forward(to_tensor(part)).double().numpy() for part in parts])


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
