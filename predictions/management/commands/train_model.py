"""Train a model and store it as a model version."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from predictions.learning.pipeline import Changes, TrainingRunsError, fine_tune, train_from_scratch
from predictions.management.plain import PlainCommand
from predictions.management.progress import show_progress
from predictions.models import GateClosedError, ModelVersion, Prediction

SEEDS = 2**32  # as many as NumPy, torch and the database take, also times 10,000


class Command(PlainCommand):
    help = (
        "Trains a model on MNIST, made-up and reviewed drawings, stores it as a model version, and compares "
        "it with the active one. Where drawings have been reviewed, the weights that its line began with are "
        "fine-tuned on them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        from training.train import Settings

        parser.add_argument("--from-scratch", action="store_true", help="start from random weights")
        parser.add_argument("--steps", type=int, help="of fine-tuning; by default as the drawings ask for")
        parser.add_argument("--epochs", type=int, default=Settings.epochs, help="from scratch: %(default)s")
        parser.add_argument("--seed", type=int, default=Settings.seed, help="default: %(default)s")
        parser.add_argument("--data-dir", type=Path, default=settings.MNIST_DIR)
        parser.add_argument("--device", default="cpu", help='as torch names them, like "cuda"')
        promote = parser.add_mutually_exclusive_group()
        promote.add_argument("--promote", action="store_true", help="let the new version answer at once")
        promote.add_argument("--no-promote", action="store_false", dest="promote", help="the default")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        check(options)
        try:
            version = make(options)
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


def make(options: dict[str, Any]) -> ModelVersion:
    """Fine-tune the weights that the active version's line began with; train from scratch where that was
    asked for, or where there is no version to start from or no drawing has been reviewed."""
    from training.dataset import DatasetError
    from training.train import Settings

    changes: Changes = {"seed": options["seed"]}
    if options["steps"]:
        changes["steps"] = options["steps"]
    drawings = Prediction.objects.all().may_teach()
    from_scratch = options["from_scratch"] or not ModelVersion.objects.start() or not drawings.exists()
    try:
        with show_progress() as report:
            if from_scratch:
                start = Settings(epochs=options["epochs"], seed=options["seed"])
                made = train_from_scratch(report, start, options["data_dir"], options["device"])
            else:
                made = fine_tune(report, options["data_dir"], **changes)
    except (DatasetError, TrainingRunsError) as error:
        raise CommandError(str(error)) from error
    return ModelVersion.objects.get(name=made["version"])


def check(options: dict[str, Any]) -> None:
    """Find out before the training whether it can start and its result be stored."""
    import torch

    device = options["device"]
    for name in ("epochs", "steps"):
        if options[name] is not None and options[name] < 1:
            raise CommandError(f"--{name} must be 1 or more.")
    if not 0 <= options["seed"] < SEEDS:
        raise CommandError(f"--seed must be from 0 to {SEEDS - 1}.")
    try:
        torch.ones(1, device=device).tolist()
    except (RuntimeError, AssertionError) as error:
        raise CommandError(f"There is no device {device!r} here.") from error
    ModelVersion.objects.exists()


def table(version: ModelVersion) -> str:
    test, validation = (version.metrics["sets"][name] for name in ("mnist_test", "mnist_validation"))
    lines = {
        "MNIST test accuracy": f"{test['accuracy']:.2%} of {test['count']:,}",
        "MNIST test calibration error": f"{test['calibration_error']:.2%}",
        "MNIST test digits refused": f"{test['refused']:.2%}",
        "validation accuracy": f"{validation['accuracy']:.2%} of {validation['count']:,}",
        "size": f"{len(version.weights.checkpoint):,} bytes",
        "training": f"{version.metrics['seconds'] / 60:.1f} minutes, seed {version.seed}",
        "answers now": "yes" if version.active else f"no: promote {version} in the admin",
    }
    return "\n".join([f"Model version {version}", *(f"  {name:<30}{value}" for name, value in lines.items())])
