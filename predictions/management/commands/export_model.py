"""Write a version's checkpoint to a file, which can be installed elsewhere or shipped with the code."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from predictions.management.plain import PlainCommand
from predictions.models import ModelVersion, Weights


class Command(PlainCommand):
    help = "Writes a version's weights, with everything that is known about them, to a safetensors file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("version", help="its name")
        parser.add_argument("file", type=Path, help="like classifier/shipped.safetensors")

    def handle(self, *args: Any, version: str, file: Path, **options: Any) -> None:  # noqa: ANN401
        found = ModelVersion.objects.select_related("weights").filter(name=version).first()
        if found is None:
            raise CommandError(f"There is no model version {version!r}.")
        try:
            file.write_bytes(found.weights.sound_checkpoint())
        except (ValueError, Weights.DoesNotExist) as error:
            raise CommandError(f"{version} is not exported: {error}") from error
        except OSError as error:
            raise CommandError(f"{file} can't be written: {error.strerror}.") from error
        self.stdout.write(f"{version} written to {file}.")
