"""Train a model and store it as a model version."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from tqdm import tqdm

from predictions.gate import compare_with_active
from predictions.retraining import TrainingRunsError, all_of, retrain
from predictions.splits import Side, reviewed_drawings
from predictions.versions import GateClosedError, ModelVersion

if TYPE_CHECKING:
    from classifier.checkpoint import Checkpoint
    from training.dataset import Digits
    from training.train import Progress


class Command(BaseCommand):
    help = (
        "Trains a model on MNIST, made-up and reviewed drawings, stores it as a model version, and compares "
        "it with the active one. Where drawings have been reviewed, the active version is fine-tuned on them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        from training.finetune import FineTuning
        from training.train import Settings

        parser.add_argument(
            "--from-scratch", action="store_true", help="do not start from the active version"
        )
        parser.add_argument("--steps", type=int, default=FineTuning.steps, help="of fine-tuning: %(default)s")
        parser.add_argument("--epochs", type=int, default=Settings.epochs, help="from scratch: %(default)s")
        parser.add_argument("--seed", type=int, default=Settings.seed, help="default: %(default)s")
        parser.add_argument("--data-dir", type=Path, default=settings.MNIST_DIR)
        parser.add_argument("--device", default="cpu", help='as torch names them, like "cuda"')
        promote = parser.add_mutually_exclusive_group()
        promote.add_argument("--promote", action="store_true", help="let the new version answer at once")
        promote.add_argument("--no-promote", action="store_false", dest="promote", help="the default")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        check(options["epochs"], options["device"])
        try:
            version = refined(options) or made_anew(options)
        except KeyboardInterrupt as interrupt:
            raise CommandError("Interrupted; nothing was stored.", returncode=130) from interrupt
        if options["promote"]:
            self.promote(version)
        self.stdout.write(table(version))

    def promote(self, version: ModelVersion) -> None:
        try:
            version.promote(reason="train_model --promote")
        except GateClosedError as closed:
            self.stderr.write(f"{closed} It is stored, and answers nothing.")


def refined(options: dict[str, Any]) -> ModelVersion | None:
    """The active version fine-tuned; None where there is none, or nothing to learn from."""
    from training.dataset import DatasetError

    if options["from_scratch"] or not ModelVersion.objects.active() or not len(reviewed_drawings().ids):
        return None
    with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed} {postfix}") as bar:

        def report(progress: float, message: str) -> None:
            bar.set_postfix_str(message, refresh=False)
            bar.update(round(100 * progress) - bar.n)

        try:
            result = retrain(report, steps=options["steps"], seed=options["seed"])
        except (DatasetError, TrainingRunsError) as error:
            raise CommandError(str(error)) from error
    return ModelVersion.objects.get(name=result["version"])


def made_anew(options: dict[str, Any]) -> ModelVersion:
    """Trained from random weights, on the reviewed drawings as well."""
    drawings, started = reviewed_drawings(), time.monotonic()
    connection.close()  # a training is long, and an idle connection may not survive it
    settings = {name: options[name] for name in ("epochs", "seed", "data_dir", "device")}
    checkpoint = trained(**settings, extra=all_of(drawings.on(Side.TRAIN)))
    version = stored(checkpoint, time.monotonic() - started, drawings.manifest())
    if ModelVersion.objects.active():
        compare_with_active(lambda progress, message: None, version.name)
        version.refresh_from_db()
    return version


def check(epochs: int, device: str) -> None:
    """Find out before the training whether it can start and its result be stored."""
    import torch

    if epochs < 1:
        raise CommandError("--epochs must be 1 or more.")
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise CommandError(f"There is no device {device!r} here.") from error
    try:
        ModelVersion.objects.exists()
    except DatabaseError as error:
        raise CommandError("The database is not ready: is it up, and was 'manage.py migrate' run?") from error


def trained(epochs: int, seed: int, data_dir: Path, device: str, extra: "Digits") -> "Checkpoint":
    from training.dataset import DatasetError, load_mnist
    from training.recipe import make_checkpoint
    from training.train import Settings

    try:
        mnist = load_mnist(data_dir)
    except DatasetError as error:
        raise CommandError(str(error)) from error
    settings = Settings(epochs=epochs, seed=seed)
    with Bar(settings.epochs) as bar:
        return make_checkpoint(mnist, settings, bar.show, extra, device)


class Bar(tqdm):  # type: ignore[type-arg]
    """Epoch, loss and validation accuracy while a model is trained."""

    def __init__(self, epochs: int) -> None:
        super().__init__(desc="epoch 1", unit="step", smoothing=0.05, mininterval=0.5)
        self.epochs = epochs

    def show(self, progress: "Progress") -> None:
        closing = progress.epoch == self.epochs
        total = progress.steps if closing else self.epochs * progress.steps
        if total != self.total:
            self.reset(total)
        name = "closing" if closing else f"epoch {progress.epoch + 1}/{self.epochs}"
        self.set_description(name, refresh=False)
        accuracy = "-" if progress.accuracy is None else f"{progress.accuracy:.2%}"
        self.set_postfix(loss=f"{progress.loss:.3f}", validation=accuracy, refresh=False)
        before = 0 if closing else progress.epoch * progress.steps
        self.update(before + progress.step - self.n)


def stored(checkpoint: "Checkpoint", seconds: float, manifest: dict[str, dict[str, int]]) -> ModelVersion:
    """One row, whole or not at all."""
    from classifier.checkpoint import dump

    return ModelVersion.objects.create(
        name=ModelVersion.objects.next_name(),
        checkpoint=dump(checkpoint),
        metrics={**checkpoint.metrics, "seconds": round(seconds)},
        dataset=manifest,
        data_fingerprint=checkpoint.metrics["data_fingerprint"],
        seed=checkpoint.metrics["seed"],
        code_version=checkpoint.metrics["code_version"],
    )


def table(version: ModelVersion) -> str:
    test, validation = version.metrics["mnist_test"], version.metrics["mnist_validation"]
    lines = {
        "MNIST test accuracy": f"{test['accuracy']:.2%} of {test['count']:,}",
        "MNIST test calibration error": f"{test['calibration_error']:.2%}",
        "MNIST test digits refused": f"{test['refused']:.2%}",
        "validation accuracy": f"{validation['accuracy']:.2%} of {validation['count']:,}",
        "size": f"{len(version.checkpoint):,} bytes",
        "training": f"{version.metrics['seconds'] / 60:.1f} minutes, seed {version.seed}",
        "answers now": "yes" if version.active else f"no: promote {version} in the admin",
    }
    return "\n".join([f"Model version {version}", *(f"  {name:<30}{value}" for name, value in lines.items())])
