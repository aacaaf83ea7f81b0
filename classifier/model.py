"""The network: a small residual convolutional net with eleven outputs, ten digits and "not a digit"."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

DIGITS = 10
NOT_A_DIGIT = 10  # the eleventh output's index
DROPOUT = 0.2  # of what the last layers see of the grid, in training


@dataclass(frozen=True)
class Config:
    """Channels at 28×28, 14×14 and 7×7 pixels, and how many features the digit is decided on."""

    channels: tuple[int, int, int] = (16, 48, 96)
    features: int = 64


class ConvNorm(nn.Module):
    """A convolution with batch norm."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1, padding: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(self.conv(x))
        return normed


class Stage(nn.Module):
    """Change the channels (and the size, by the stride), then add what a second convolution finds
    (He et al., 2015, "Deep Residual Learning for Image Recognition")."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.change = ConvNorm(inputs, outputs, stride=stride)
        self.refine = ConvNorm(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.change(x).relu()
        together: Tensor = changed + self.refine(changed)
        return together.relu()


class DigitNet(nn.Module):
    """(n, 1, 28, 28) floats from 0 to 1, 1 for ink → (n, 11) logits.

    Inputs are centred, so where a stroke lies tells digits apart: the last layers see every place of the 7×7
    grid on its own. Averaging over the grid instead costs half a point on MNIST (docs/experiments.md).
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        full, half, quarter = config.channels
        self.stages = nn.Sequential(Stage(1, full, 1), Stage(full, half, 2), Stage(half, quarter, 2))
        self.dropout = nn.Dropout(DROPOUT)
        self.gather = ConvNorm(quarter, config.features, size=7, padding=0)
        self.head = nn.Linear(config.features, DIGITS + 1)

    def embed(self, x: Tensor) -> Tensor:
        """Return the (n, features) that the last layer decides on."""
        features: Tensor = self.gather(self.dropout(self.stages(x)))
        return features.relu().flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.embed(x))
        return logits


def to_tensor(inputs: Tensor) -> Tensor:
    """(n, 28, 28) uint8 → (n, 1, 28, 28) floats from 0 to 1, in CPUs' fastest memory order."""
    return inputs.unsqueeze(1).float().div_(255).contiguous(memory_format=torch.channels_last)
