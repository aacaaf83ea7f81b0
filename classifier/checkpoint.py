"""A checkpoint: weights as safetensors with everything that reading them needs as JSON in the metadata."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from classifier.model import Config, DigitNet

SHIPPED = Path(__file__).with_name("shipped.safetensors")
# One metadata key with sorted JSON: safetensors writes several keys in random order, and the same weights
# must give the same bytes.
KEY = "digitnet"


@dataclass(frozen=True)
class Calibration:
    """Turns logits into answers: fixed on validation data, never on the test set.

    `temperature` divides the digits' logits (Guo et al., 2017, "On Calibration of Modern Neural Networks");
    an input is refused with a not-a-digit score over `not_a_digit` or a confidence under `confidence`.
    """

    temperature: float = 1.0
    not_a_digit: float = 0.5
    confidence: float = 0.5


class SetFigures(TypedDict):
    """How one set of digits is read: shares from 0 to 1; `interval` is the 95 % interval of the accuracy."""

    count: int
    errors: int
    accuracy: float
    interval: list[float]
    calibration_error: float
    refused: float


class Metrics(TypedDict):
    """The origin of the weights, and how good they are. With the same of all that comes first, training
    gives the same weights; `settings` is None where a network was fine-tuned, `sets` are figures by a set's
    name."""

    seed: int
    data_fingerprint: str
    code_version: str
    trained_on: int
    settings: dict[str, Any] | None
    tuning: dict[str, Any]
    curve: list[dict[str, Any]]
    sets: dict[str, SetFigures]
    seconds: int


@dataclass(frozen=True)
class Checkpoint:
    """`metrics` is None before the weights have been measured."""

    config: Config
    weights: dict[str, Tensor]
    calibration: Calibration = Calibration()
    metrics: Metrics | None = None

    def network(self) -> DigitNet:
        """Return the network in evaluation mode. Raises ValueError where weights and config don't fit."""
        try:
            with torch.device("meta"):  # no memory for weights that are replaced at once, nor for absurd ones
                network = DigitNet(self.config)
            network.load_state_dict(self.weights, assign=True)
        except RuntimeError as error:
            raise ValueError("The checkpoint's weights don't fit its configuration.") from error
        return network.eval()


def dump(checkpoint: Checkpoint) -> bytes:
    """Store convolutions and matrices in half precision: half the size, and no digit is read differently."""
    weights = {name: _halve(tensor).contiguous() for name, tensor in checkpoint.weights.items()}
    facts = {
        "config": asdict(checkpoint.config),
        "calibration": asdict(checkpoint.calibration),
        "metrics": checkpoint.metrics,
    }
    return save_tensors(weights, {KEY: json.dumps(facts, sort_keys=True)})


def load(data: bytes) -> Checkpoint:
    """Raises ValueError for anything but a checkpoint that `dump` wrote."""
    try:
        weights = {name: _floats(tensor) for name, tensor in load_tensors(data).items()}
        facts = json.loads(_metadata(data)[KEY])
        config = Config(tuple(facts["config"]["channels"]), facts["config"]["features"])
        checkpoint = Checkpoint(config, weights, Calibration(**facts["calibration"]), facts["metrics"])
        checkpoint.network()
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"Not a digit checkpoint: {error}") from error
    return checkpoint


def _metadata(data: bytes) -> dict[str, Any]:
    """The header of safetensors: its length in eight bytes, then JSON (the format's specification)."""
    length = int.from_bytes(data[:8], "little")
    metadata: dict[str, Any] = json.loads(data[8 : 8 + length])["__metadata__"]
    return metadata


def _halve(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor


def _floats(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype == torch.float16 else tensor
