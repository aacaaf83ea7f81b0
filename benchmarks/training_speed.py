"""How much CPU time an accuracy on MNIST takes: our recipe beside the one of PyTorch's examples.

    make bench-train   (python -m benchmarks.training_speed [--seeds 1] [--epochs 1 2 3 4 8] [--theirs 14])

Both train at the same time, each in a process of its own with one thread, so that both see the same machine.
Theirs is measured after each epoch of one training. Ours ends at a low rate, so each number of epochs is a
training of its own, from random weights. Only training counts, not loading and not the test. Our settings
were chosen on MNIST's validation part.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import nll_loss
from torch.optim import Adadelta
from torch.optim.lr_scheduler import StepLR

from training.augment import Strength
from training.dataset import Digits, Mnist, load_mnist
from training.recipe import split
from training.train import Settings, train, validation_accuracy

REPOSITORY = Path(__file__).resolve().parent.parent
TARGETS = (0.990, 0.995, 0.996, 0.997)
MEAN, DEVIATION = 0.1307, 0.3081  # of MNIST's pixels


@dataclass(frozen=True)
class Point:
    """So many seconds of CPU and of wall time took a training so far; its accuracy on the test digits."""

    epochs: int
    cpu: float
    wall: float
    accuracy: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 2, 3, 4, 8], help="of ours")
    parser.add_argument("--theirs", type=int, default=14, help="epochs of theirs")
    parser.add_argument("--data-dir", type=Path, default=REPOSITORY / "var" / "data")
    parser.add_argument("--picture", type=Path, default=REPOSITORY / "docs" / "training-speed.png")
    options = parser.parse_args()
    curves = run_side_by_side(options.data_dir, options.seeds, options.epochs, options.theirs)
    print_points(curves)
    print_targets(curves)
    draw(curves, options.picture)


def run_side_by_side(
    data_dir: Path, seeds: list[int], epochs: list[int], theirs: int
) -> dict[str, list[Point]]:
    """The curve of each recipe, means over the seeds."""
    with ProcessPoolExecutor(2, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        runs: dict[str, list[Future[list[Point]]]] = {"PyTorch's example": [], "ours": []}
        for seed in seeds:
            runs["PyTorch's example"].append(pool.submit(train_theirs, data_dir, seed, theirs))
            runs["ours"].append(pool.submit(train_ours, data_dir, seed, epochs))
        return {name: mean_curve([run.result() for run in done]) for name, done in runs.items()}


def mean_curve(runs: list[list[Point]]) -> list[Point]:
    return [
        Point(
            points[0].epochs,
            statistics.mean(point.cpu for point in points),
            statistics.mean(point.wall for point in points),
            statistics.mean(point.accuracy for point in points),
        )
        for points in zip(*runs, strict=True)
    ]


class Clock:
    """Counts the seconds of its `with` blocks."""

    cpu = wall = 0.0

    def __enter__(self) -> None:
        self.started = time.process_time(), time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.cpu += time.process_time() - self.started[0]
        self.wall += time.perf_counter() - self.started[1]


def settings(epochs: int, seed: int) -> Settings:
    """Our recipe without what teaches it more than MNIST: no made-up drawings, hardly wider pens. A short
    training wants smaller batches and an average that forgets sooner."""
    mild = Strength(
        unchanged=0.3, thicker=1.0, thinner=0.5, turn=0.1, slant=0.1, stretch=0.1, bend=0.5, shift=1.0
    )
    return Settings(
        epochs=epochs,
        seed=seed,
        batch=128,
        averaging=0.99,
        made_up_digits=0,
        slashed_zeros=0,
        non_digits=0,
        strength=mild,
    )


def train_ours(data_dir: Path, seed: int, epochs: list[int]) -> list[Point]:
    mnist = load_mnist(data_dir)
    sets = split(mnist, {})
    points = []
    for count in epochs:
        clock = Clock()
        with clock:
            network = train(sets.trained_on, sets.validation[:500], settings(count, seed))
        accuracy = validation_accuracy(network, mnist.test, "cpu")
        points.append(tell("ours", Point(count, clock.cpu, clock.wall, accuracy)))
    return points


class ExampleNet(nn.Sequential):
    """The network of github.com/pytorch/examples, mnist/main.py; (n, 1, 28, 28) → log-probabilities."""

    def __init__(self) -> None:
        convolutions = nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)
        dense = nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10), nn.LogSoftmax(dim=1)
        super().__init__(*convolutions, nn.Dropout(0.25), nn.Flatten(), *dense)


def train_theirs(data_dir: Path, seed: int, epochs: int) -> list[Point]:
    """As that file does by default, on all 60,000 training digits."""
    mnist = load_mnist(data_dir)
    digits = mnist.train + mnist.validation
    torch.manual_seed(seed)
    network, clock, points = ExampleNet(), Clock(), []
    optimizer = Adadelta(network.parameters(), lr=1.0)
    schedule = StepLR(optimizer, step_size=1, gamma=0.7)
    for epoch in range(1, epochs + 1):
        with clock:
            network.train()
            for images, labels in batches(digits):
                optimizer.zero_grad()
                nll_loss(network(images), labels).backward()
                optimizer.step()
            schedule.step()
        accuracy = read(network.eval(), mnist)
        points.append(tell("PyTorch's example", Point(epoch, clock.cpu, clock.wall, accuracy)))
    return points


def batches(digits: Digits, size: int = 64) -> Iterator[tuple[Tensor, Tensor]]:
    images, labels = torch.from_numpy(digits.images), torch.from_numpy(digits.labels)
    for chosen in torch.randperm(len(labels)).split(size):
        yield normalise(images[chosen]), labels[chosen]


def normalise(images: Tensor) -> Tensor:
    """(n, 28, 28) uint8 → (n, 1, 28, 28) floats."""
    return (images[:, None].float() / 255 - MEAN) / DEVIATION


@torch.inference_mode()
def read(network: nn.Module, mnist: Mnist) -> float:
    parts = torch.from_numpy(mnist.test.images).split(500)
    found = torch.cat([network(normalise(part)).argmax(dim=1) for part in parts])
    return float((found == torch.from_numpy(mnist.test.labels)).double().mean())


def tell(name: str, point: Point) -> Point:
    print(
        f"{name}, {point.epochs} epochs: {point.accuracy:.2%} after {point.cpu:.0f} CPU s, "
        f"{point.wall:.0f} s",
        flush=True,
    )
    return point


def print_points(curves: dict[str, list[Point]]) -> None:
    print("\n| recipe | epochs | CPU, s | wall, s | test |\n|---|---:|---:|---:|---:|")
    for name, points in curves.items():
        for point in points:
            print(f"| {name} | {point.epochs} | {point.cpu:.0f} | {point.wall:.0f} | {point.accuracy:.2%} |")


def print_targets(curves: dict[str, list[Point]]) -> None:
    """Where each curve first is at or over a target."""
    print(f"\n| CPU s (wall s) to | {' | '.join(f'{target:.1%}' for target in TARGETS)} |")
    print(f"|---|{'---:|' * len(TARGETS)}")
    for name, points in curves.items():
        reached = [next((point for point in points if point.accuracy >= target), None) for target in TARGETS]
        cells = [f"{point.cpu:.0f} ({point.wall:.0f})" if point else "not reached" for point in reached]
        print(f"| {name} | {' | '.join(cells)} |")


def draw(curves: dict[str, list[Point]], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, points in curves.items():
        axes.plot(
            [point.cpu for point in points], [100 * point.accuracy for point in points], "o-", label=name
        )
    for target in TARGETS:
        axes.axhline(100 * target, color="grey", linestyle=":", linewidth=0.8)
    axes.set(xlabel="CPU seconds", ylabel="MNIST test, %", ylim=(98, 99.8))
    axes.legend()
    figure.savefig(file)


if __name__ == "__main__":
    main()
