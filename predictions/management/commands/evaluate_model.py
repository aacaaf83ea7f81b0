"""Measure a model version on MNIST, files of strokes or photographs; print tables, draw the pictures."""

from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from predictions.management.plain import PlainCommand
from predictions.models import ModelVersion

if TYPE_CHECKING:
    from classifier.predictor import Predictor
    from training.drawings import Drawings


class Command(PlainCommand):
    help = "Measures a model version on the MNIST test set and files of strokes, or on photographs alone."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:  # noqa: ANN401
        """Here --version is a model's, not Django's."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--version", metavar="NAME", help="like v1; default: the active version")
        parser.add_argument("--digits", type=Path, metavar="FILE.npz", help="strokes of digits")
        parser.add_argument("--others", type=Path, metavar="FILE.npz", help="strokes of what is no digit")
        parser.add_argument(
            "--photos",
            type=Path,
            metavar="FOLDER",
            help="photographs of digits, FOLDER/CONDITION/NAME_DIGIT.jpg; nothing else is measured",
        )
        parser.add_argument("--report", type=Path, metavar="DIR", help="where to draw the pictures")
        parser.add_argument("--data-dir", type=Path, default=settings.MNIST_DIR)

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        predictor = find_version(options["version"]).predictor()
        if options["photos"]:
            self.stdout.write(measure_photographs(predictor, options["photos"]))
            return
        from training import model_card
        from training.dataset import DatasetError, load_mnist

        digits, others = (load(options[name]) for name in ("digits", "others"))
        try:
            test = load_mnist(options["data_dir"]).test
        except DatasetError as error:
            raise CommandError(str(error)) from error
        measured = model_card.measure(predictor, test, digits, others)
        self.stdout.write(model_card.table(measured))
        if options["report"]:
            from training.pictures import draw

            draw(measured, options["report"])
            self.stdout.write(f"Pictures in {options['report']}")


def find_version(name: str | None) -> ModelVersion:
    """The version of that name, or the active one."""
    found = ModelVersion.objects.filter(name=name).first() if name else ModelVersion.objects.active()
    if found is None:
        raise CommandError(f"There is no model version {name}." if name else "No model version is active.")
    return found


def measure_photographs(predictor: "Predictor", folder: Path) -> str:
    """A table; a bar shows the progress on a terminal."""
    from tqdm import tqdm

    from training import photographs

    try:
        found = photographs.find_photographs(folder)
    except ValueError as error:
        raise CommandError(str(error)) from error
    return photographs.table(photographs.count(predictor, tqdm(found, unit="picture", disable=None)))


def load(path: Path | None) -> "Drawings | None":
    """The drawings of a stroke file; None without a path."""
    from training.drawings import load_drawings

    try:
        return load_drawings(path) if path else None
    except (OSError, ValueError) as error:
        raise CommandError(str(error)) from error
