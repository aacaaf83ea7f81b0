"""Fine-tuning: a trained network learns reviewed drawings, and keeps what it knows.

Every batch holds a fixed share of drawings, however few there are, beside the data that the network was trained
on: without that, it would forget (Robins, 1995, "Catastrophic Forgetting, Rehearsal and Pseudorehearsal").
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from classifier.model import DigitNet, to_tensor
from training import synthesis
from training.augment import Strength, augment
from training.dataset import Digits


@dataclass(frozen=True)
class FineTuning:
    steps: int = 600
    seed: int = 1
    batch: int = 256
    drawings_share: float = 0.25  # of each batch; docs/learning-loop.md has the measurement
    learning_rate: float = 0.001
    weight_decay: float = 0.02
    label_smoothing: float = 0.02
    averaging: float = 0.99  # decay of the weights' moving average, a step
    made_up: int = 5_000  # digits, and as many drawings that are none
    strength: Strength = Strength()


@dataclass(frozen=True)
class Progress:
    step: int
    steps: int
    loss: float


def finetune(
    network: DigitNet,
    known: Digits,
    drawings: Digits,
    settings: FineTuning,
    on_step: Callable[[Progress, DigitNet], None] = lambda progress, network: None,
) -> DigitNet:
    """Return a new network; `known` is MNIST's training part, labels go to 10 (not a digit). `on_step` is shown
    the network as it would be returned; what it raises ends the training."""
    torch.manual_seed(settings.seed)
    random = torch.Generator().manual_seed(settings.seed)
    student = deepcopy(network).requires_grad_(True)
    average = AveragedModel(student, multi_avg_fn=get_ema_multi_avg_fn(settings.averaging))
    optimizer = torch.optim.AdamW(student.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    sources = _sources(known, drawings, settings)
    for step in range(settings.steps):
        student.train()
        images, labels = _batch(sources, random)
        batch = augment(to_tensor(images), settings.strength, random)
        with torch.autocast("cpu", torch.bfloat16):
            logits = student(batch.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=settings.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        average.update_parameters(student)
        on_step(Progress(step + 1, settings.steps, loss.item()), average.module)
    result: DigitNet = average.module
    return result.eval()


Source = tuple[torch.Tensor, torch.Tensor, int]


def _sources(known: Digits, drawings: Digits, settings: FineTuning) -> list[Source]:
    """What a batch is drawn from: images, labels and how many of them go into each batch."""
    rng = np.random.default_rng(settings.seed)
    spoilable = known.images[(known.labels >= 2) & (known.labels <= 5)]
    made_up = [
        synthesis.digits(settings.made_up, rng),
        synthesis.non_digits(settings.made_up, spoilable, rng),
    ]
    images = np.concatenate([known.images, *(part for part, _ in made_up)])
    labels = np.concatenate([known.labels, *(part for _, part in made_up)])
    count = round(settings.drawings_share * settings.batch) if len(drawings) else 0
    pairs = [(images, labels, settings.batch - count), (drawings.images, drawings.labels, count)]
    return [(torch.from_numpy(x), torch.from_numpy(y), n) for x, y, n in pairs if n]


def _batch(sources: list[Source], random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    chosen = [(x, y, torch.randint(len(x), (count,), generator=random)) for x, y, count in sources]
    return torch.cat([x[at] for x, _, at in chosen]), torch.cat([y[at] for _, y, at in chosen])
