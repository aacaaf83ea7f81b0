"""Reads inputs: load once, then read batches from any thread."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifier.checkpoint import Calibration, load
from classifier.model import DIGITS, NOT_A_DIGIT, ConvNorm, DigitNet, to_tensor

UNCLEAR_PICTURE = "unclear_picture"  # a reason to be uncertain
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
    The network given is fused for serving: it can't be trained any more.
    """

    def __init__(self, network: DigitNet, calibration: Calibration) -> None:
        self.network = _fuse(network)
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
        logits = self._run_in_batches(self.network, inputs, DIGITS + 1)
        digits = torch.softmax(logits[:, :DIGITS] / self.calibration.temperature, dim=1)
        return digits.numpy(), torch.softmax(logits, dim=1)[:, NOT_A_DIGIT].numpy()

    def reasons(self, probabilities: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.str_]:
        """Return (n,) reasons to be uncertain of a reading, "" where there is none."""
        unsure = np.where(probabilities.max(axis=1) < self.calibration.confidence, "low_confidence", "")
        return np.where(scores > self.calibration.not_a_digit, "not_a_digit", unsure)

    def embed(self, inputs: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the (n, features) values before the last layer, for comparing kinds of drawings."""
        return self._run_in_batches(self.network.embed, inputs, self.network.config.features).numpy()

    def saliency(self, drawing: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return how much each of the (28, 28) pixels' ink speaks for the digit read, from -1 to 1: gradient
        times input (Shrikumar et al., 2016, "Not Just a Black Box", arXiv 1605.01713)."""
        pixels = to_tensor(torch.from_numpy(drawing[None])).requires_grad_()
        best = self.network(pixels)[0, :DIGITS].max()
        (gradient,) = torch.autograd.grad(best, pixels)
        shares = (gradient * pixels)[0, 0].detach().double()
        return (shares / shares.abs().max().clamp(min=1e-12)).numpy()

    def _run_in_batches(
        self, forward: Callable[[Tensor], Tensor], inputs: NDArray[np.uint8], width: int
    ) -> Tensor:
        """Return (n, width) outputs in double precision, so that probabilities sum to 1 exactly enough."""
        results = torch.empty((len(inputs), width), dtype=torch.float64)
        with torch.inference_mode():
            for start in range(0, len(inputs), BATCH):
                part = torch.from_numpy(inputs[start : start + BATCH])
                results[start : start + BATCH] = forward(to_tensor(part))
        return results


def _fuse(network: DigitNet) -> DigitNet:
    for module in network.modules():
        if isinstance(module, ConvNorm):
            module.fuse()
    fused: DigitNet = network.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return fused
