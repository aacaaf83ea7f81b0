"""Trains the network: digits in, a network out. No Django, no files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from classifier.model import DIGITS, Config, DigitNet, to_tensor
from training import synthesis
from training.augment import Strength, augment
from training.dataset import Digits


@dataclass(frozen=True)
class Settings:
    """The defaults are those of the shipped model."""

    epochs: int = 30
    seed: int = 1
    batch: int = 256
    learning_rate: float = 0.004  # the highest; it rises for the first tenth, then falls as a cosine
    weight_decay: float = 0.02
    label_smoothing: float = 0.02
    averaging: float = 0.998  # decay of the weights' moving average, a step
    made_up_digits: int = 35_000
    slashed_zeros: int = 8_000
    non_digits: int = 22_000
    renewal: int = 4  # epochs until the made-up drawings are made anew
    config: Config = field(default_factory=Config)
    strength: Strength = field(default_factory=Strength)


@dataclass(frozen=True)
class Progress:
    """How far a training is; `accuracy` is the validation accuracy, where it has just been measured."""

    step: int
    steps: int
    loss: float
    accuracy: float | None = None


# What it raises ends the training.
ReportProgress = Callable[[Progress], None]


def train(
    digits: Digits,
    validation: Digits,
    settings: Settings,
    report: ReportProgress = lambda progress: None,
    device: str = "cpu",
) -> DigitNet:
    """Train on the digits and on made-up drawings; a label of 10 means "not a digit". One seed on one machine
    gives the same weights with the same number of threads.

    Returns the moving average of the weights (Polyak and Juditsky, 1992, "Acceleration of Stochastic
    Approximation by Averaging") in evaluation mode; `validation` only shows progress.
    Raises ValueError where the drawings don't fill one batch.
    """
    pool = _pool(digits, settings)
    if len(pool) < settings.batch:
        raise ValueError(
            f"A training needs at least one batch of {settings.batch} drawings, not {len(pool)}."
        )
    torch.manual_seed(settings.seed)
    network = DigitNet(settings.config).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = AveragedModel(network, multi_avg_fn=_rising_average(settings.averaging), use_buffers=True)
    averaged = cast(DigitNet, average.module)
    steps = count_steps(digits, settings)
    optimizer = AdamW(network.parameters(), weight_decay=settings.weight_decay)
    schedule = OneCycleLR(optimizer, settings.learning_rate, steps, pct_start=0.1, cycle_momentum=False)
    step, loss = 0, torch.zeros(())  # every epoch has a batch, but no type says so
    for epoch in range(settings.epochs):
        if epoch and epoch % settings.renewal == 0:
            pool = _pool(digits, settings, epoch)
        network.train()
        first = 1 + epoch * steps // settings.epochs
        for step, (images, labels) in enumerate(_batches(pool, settings, epoch), first):
            loss = _loss(network, images.to(device), labels.to(device), settings)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(network)
            report(Progress(step, steps, loss.item()))
        report(Progress(step, steps, loss.item(), validation_accuracy(averaged.eval(), validation, device)))
    return averaged.cpu()


def count_steps(digits: Digits, settings: Settings) -> int:
    """The steps of all epochs; a last batch that is not full is left out."""
    made_up = settings.made_up_digits + settings.slashed_zeros + settings.non_digits
    return settings.epochs * ((len(digits) + made_up) // settings.batch)


def _pool(digits: Digits, settings: Settings, epoch: int = 0) -> Digits:
    """The digits together with made-up drawings that no earlier pool of the training held."""
    rng = np.random.default_rng((settings.seed, 1 + epoch))  # the seed alone is fine-tuning's
    spoilable = digits.images[(digits.labels >= 2) & (digits.labels <= 5)]
    return (
        digits
        + Digits(*synthesis.digits(settings.made_up_digits, rng))
        + Digits(*synthesis.slash_zeros(settings.slashed_zeros, digits.images[digits.labels == 0], rng))
        + Digits(*synthesis.non_digits(settings.non_digits, spoilable, rng))
    )


def _batches(pool: Digits, settings: Settings, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Every drawing once, in random order, augmented; a last batch not full is left out."""
    random = torch.Generator().manual_seed(settings.seed * 10_000 + epoch)
    images, labels = torch.from_numpy(pool.images), torch.from_numpy(pool.labels)
    for chosen in torch.randperm(len(pool), generator=random).split(settings.batch):
        if len(chosen) == settings.batch:
            batch = augment(to_tensor(images[chosen]), settings.strength, random)
            yield batch.contiguous(memory_format=torch.channels_last), labels[chosen]


def _loss(network: DigitNet, images: Tensor, labels: Tensor, settings: Settings) -> Tensor:
    """Cross-entropy over the eleven outputs."""
    with half_precision(images.device.type):
        logits = network(images)
    return cross_entropy(logits.float(), labels, label_smoothing=settings.label_smoothing)


def half_precision(device: str) -> torch.autocast:
    """Halves the time of a step on a processor that computes in bfloat16; on others, where a step would take
    five times as long, it changes nothing."""
    in_hardware = device != "cpu" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device, torch.bfloat16, enabled=in_hardware)


def _rising_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """A moving average that forgets the first, random weights: its decay rises to the one given."""

    def update(averages: Any, current: Any, count: Any) -> None:  # noqa: ANN401
        rising = (1 + int(count)) / (10 + int(count))
        get_ema_multi_avg_fn(min(decay, rising))(averages, current, count)

    return update


@torch.inference_mode()
def validation_accuracy(network: DigitNet, validation: Digits, device: str) -> float:
    parts = torch.from_numpy(validation.images).split(500)
    read = torch.cat([network(to_tensor(part).to(device))[:, :DIGITS].argmax(dim=1).cpu() for part in parts])
    return float((read == torch.from_numpy(validation.labels)).double().mean())
