"""Reads inputs: load once, then read batches from any thread."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifier.checkpoint import Calibration, load
from classifier.model import DIGITS, NOT_A_DIGIT, ConvNorm, DigitNet, to_tensor

BATCH = 500  # inputs in one forward pass: large batches leave the processor's caches


@dataclass(frozen=True, slots=True)
class Reading:
    """One input as read; `probabilities` are calibrated, and `confidence` is the largest of them."""

    digit: int
    confidence: float
    probabilities: tuple[float, ...]
    uncertain: bool
    reason: str  # "", "low_confidence" or "not_a_digit"


class Predictor:
    """Inputs are (n, 28, 28) uint8 arrays as `preprocess.to_input` makes them. Holds no state but the
    weights, so threads may share it; how many threads torch itself uses is the caller's business."""

    def __init__(self, network: DigitNet, calibration: Calibration) -> None:
        self.network = _fused(network)
        self.calibration = calibration

    @classmethod
    def from_bytes(cls, data: bytes) -> "Predictor":
        """Raises ValueError where the bytes are no checkpoint."""
        checkpoint = load(data)
        return cls(checkpoint.network(), checkpoint.calibration)

    def read(self, inputs: NDArray[np.uint8]) -> list[Reading]:
        probabilities, scores = self.probabilities(inputs)
        return [
            self._reading(row, score)
            for row, score in zip(probabilities.tolist(), scores.tolist(), strict=True)
        ]

    def probabilities(self, inputs: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (n, 10) calibrated probabilities and (n,) not-a-digit scores from 0 to 1."""
        logits = self._batched(self.network, inputs, DIGITS + 1)
        digits = torch.softmax(logits[:, :DIGITS] / self.calibration.temperature, dim=1)
        return digits.numpy(), torch.softmax(logits, dim=1)[:, NOT_A_DIGIT].numpy()

    def embed(self, inputs: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the (n, channels) features before the last layer, for comparing kinds of drawings."""
        return self._batched(self.network.embed, inputs, self.network.config.channels[-1]).numpy()

    def saliency(self, drawing: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return (28, 28) shares of how much each pixel's ink speaks for the digit read: gradient times input
        (Shrikumar et al., 2016, "Not Just a Black Box", arXiv 1605.01713); negative speaks against it."""
        pixels = to_tensor(torch.from_numpy(drawing[None])).requires_grad_()
        best = self.network(pixels)[0, :DIGITS].max()
        (gradient,) = torch.autograd.grad(best, pixels)
        shares = (gradient * pixels)[0, 0].detach().double().numpy()
        return shares / max(float(np.abs(shares).max()), 1e-12)

    def _batched(self, forward: Callable[[Tensor], Tensor], inputs: NDArray[np.uint8], width: int) -> Tensor:
        """Forward in batches; double precision, so that probabilities sum to 1 as exactly as floats can."""
        if not len(inputs):
            return torch.empty((0, width), dtype=torch.float64)
        with torch.inference_mode():
            return torch.cat(
                [forward(to_tensor(part)) for part in torch.from_numpy(inputs).split(BATCH)]
            ).double()

    def _reading(self, probabilities: list[float], score: float) -> Reading:
        confidence = max(probabilities)
        reason = ""
        if score > self.calibration.not_a_digit:
            reason = "not_a_digit"
        elif confidence < self.calibration.confidence:
            reason = "low_confidence"
        return Reading(
            probabilities.index(confidence), confidence, tuple(probabilities), bool(reason), reason
        )


def _fused(network: DigitNet) -> DigitNet:
    for module in network.modules():
        if isinstance(module, ConvNorm):
            module.fuse()
    fused: DigitNet = network.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return fused
