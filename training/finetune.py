"""Fine-tuning: a trained network learns reviewed drawings, and keeps what it knows.

Every batch holds a fixed share of drawings, however few there are, beside the data that the network was
trained on: without that, it would forget (Robins, 1995, "Catastrophic Forgetting, Rehearsal and
Pseudorehearsal"). And of the way that its weights have gone, only a part is kept: what was known comes back
sooner than what was learned is lost (Wortsman et al., 2022, "Robust Fine-Tuning of Zero-Shot Models", CVPR).
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Self, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from classifier.model import DigitNet, to_tensor
from training import synthesis
from training.augment import Strength, augment
from training.dataset import Digits
from training.train import Progress, ReportProgress, half_precision, validation_accuracy

# Digits as they are read: hardly bent any more, but with pens of all widths, moved and zoomed
# (docs/experiments.md).
MILD = Strength(
    unchanged=0.4, thicker=3.2, thinner=0.5, turn=0.06, slant=0.07, stretch=0.06, bend=0.3, shift=1, zoom=0.04
)


@dataclass(frozen=True)
class FineTuning:
    """The defaults were measured on people of whom other drawings were reviewed (docs/experiments.md)."""

    steps: int
    drawings_share: float  # of each batch
    kept: float = 1.0  # of the way that the weights have gone
    seed: int = 1
    batch: int = 256
    learning_rate: float = 0.0007  # falls as a cosine
    weight_decay: float = 0.02
    label_smoothing: float = 0.02
    averaging: float = 0.99  # decay of the weights' moving average, a step
    made_up: int = 3_000  # digits, and as many drawings that are none
    strength: Strength = MILD

    @classmethod
    def for_drawings(cls, count: int) -> Self:
        """Few drawings, the hardest as a rule, would be learned by heart, at MNIST's cost, with what many
        need."""
        return cls(
            steps=min(400 + count // 6, 1500),
            drawings_share=min(max(0.2, count / 4000), 0.4),
            kept=min(0.5 + count / 12_000, 0.85),
        )


def finetune(
    network: DigitNet,
    known: Digits,
    drawings: Digits,
    validation: Digits,
    settings: FineTuning,
    report: ReportProgress = lambda progress: None,
) -> DigitNet:
    """Return a new network; `known` is MNIST's training part, a label of 10 means "not a digit". `validation`
    is measured ten times in all, to show progress: it chooses nothing."""
    torch.manual_seed(settings.seed)
    student = deepcopy(network).requires_grad_(True).train()
    average = AveragedModel(student, multi_avg_fn=get_ema_multi_avg_fn(settings.averaging))

    def average_network() -> DigitNet:
        return cast("DigitNet", average.module.eval())

    optimizer = AdamW(student.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = CosineAnnealingLR(optimizer, settings.steps)
    for step, (images, labels) in enumerate(_batches(known, drawings, settings), 1):
        with half_precision("cpu"):
            logits = student(images)
        loss = cross_entropy(logits.float(), labels, label_smoothing=settings.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        average.update_parameters(student)
        measured = step % max(1, settings.steps // 10) == 0
        accuracy = validation_accuracy(average_network(), validation, "cpu") if measured else None
        report(Progress(step, settings.steps, loss.item(), accuracy))
    return _between(network, average_network(), settings.kept)


@torch.no_grad()
def _between(start: DigitNet, end: DigitNet, share: float) -> DigitNet:
    """The end, moved back along a straight line until this share of the way is left."""
    before = start.state_dict()
    for name, tensor in end.state_dict().items():
        if tensor.is_floating_point():
            tensor.lerp_(before[name], 1 - share)
    return end


def _batches(known: Digits, drawings: Digits, settings: FineTuning) -> Iterator[tuple[Tensor, Tensor]]:
    """Random drawings and random known digits, in their shares, augmented."""
    rng = np.random.default_rng(settings.seed)
    random = torch.Generator().manual_seed(settings.seed)
    spoilable = known.images[(known.labels >= 2) & (known.labels <= 5)]
    rest = known + Digits(*synthesis.digits(settings.made_up, rng))
    rest = rest + Digits(*synthesis.non_digits(settings.made_up, spoilable, rng))
    share = round(settings.drawings_share * settings.batch) if len(drawings) else 0
    for _ in range(settings.steps):
        chosen = drawings[rng.integers(0, len(drawings), share)] if share else drawings
        batch = chosen + rest[rng.integers(0, len(rest), settings.batch - share)]
        images = augment(to_tensor(torch.from_numpy(batch.images)), settings.strength, random)
        yield images.contiguous(memory_format=torch.channels_last), torch.from_numpy(batch.labels)
