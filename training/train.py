"""Trains the network: tensors in, a checkpoint out. No Django, no files."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from classifier.model import Config, DigitNet, to_tensor
from training import synthesis
from training.augment import Strength, augment


@dataclass(frozen=True)
class Settings:
    """The defaults are those of the shipped model."""

    epochs: int = 30
    seed: int = 1
    batch: int = 256
    learning_rate: float = 0.004
    weight_decay: float = 0.02
    warm_up: float = 0.1  # share of all steps
    label_smoothing: float = 0.02
    averaging: float = 0.998  # decay of the weights' moving average, a step
    made_up_digits: int = 20_000
    non_digits: int = 20_000
    config: Config = Config()
    strength: Strength = Strength()


@dataclass(frozen=True)
class Progress:
    epoch: int
    step: int
    steps: int  # in one epoch
    loss: float


def train(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    settings: Settings,
    on_step: Callable[[Progress], None] = lambda progress: None,
    on_epoch: Callable[[int, DigitNet], None] = lambda epoch, network: None,
    device: str = "cpu",
) -> DigitNet:
    images, labels = _with_made_up(images, labels, settings)
    random = torch.Generator().manual_seed(settings.seed)
    torch.manual_seed(settings.seed)
    network = DigitNet(settings.config).to(device, memory_format=torch.channels_last)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(settings.averaging), use_buffers=True)
    steps = len(images) // settings.batch
    optimizer = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        settings.learning_rate,
        settings.epochs * steps,
        pct_start=settings.warm_up,
        cycle_momentum=False,
    )
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    for epoch in range(settings.epochs):
        network.train()
        order = torch.randperm(len(x), generator=random)
        for step in range(steps):
            chosen = order[step * settings.batch : (step + 1) * settings.batch]
            batch = augment(to_tensor(x[chosen]), settings.strength, random)
            batch = batch.contiguous(memory_format=torch.channels_last)
            with torch.autocast(device, torch.bfloat16):
                logits = network(batch.to(device))
            loss = F.cross_entropy(
                logits.float(), y[chosen].to(device), label_smoothing=settings.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(network)
            on_step(Progress(epoch, step, steps, loss.item()))
        on_epoch(epoch, average.module)
    return average.module.eval()


def _with_made_up(images, labels, settings):
    rng = np.random.default_rng(settings.seed)
    spoilable = images[(labels >= 2) & (labels <= 5)]
    parts = [
        (images, labels),
        synthesis.digits(settings.made_up_digits, rng),
        synthesis.non_digits(settings.non_digits, spoilable, rng),
    ]
    return np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts])
