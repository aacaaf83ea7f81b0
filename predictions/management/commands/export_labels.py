"""Write the accepted drawings to files."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from predictions.management.plain import PlainCommand
from predictions.transfer import export
from predictions.transfer.formats import FOLDERS, FORMATS


class Command(PlainCommand):
    help = "Writes the accepted drawings: as MNIST's IDX files, PNG files with a CSV, Parquet, or JSON Lines."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=list(FORMATS), required=True)
        parser.add_argument("--output", type=Path, required=True, help="a new folder; for jsonl a new file")

    def handle(self, *args: Any, format: str, output: Path, **options: Any) -> None:  # noqa: ANN401
        if output.exists():
            raise CommandError(f"{output} exists already.")
        started = time.monotonic()
        part = output.with_name(f"{output.name}.part")  # renamed once it is whole
        try:
            with export.snapshot():
                self.write(format, part)
            part.rename(output)
        except OSError as error:
            raise CommandError(f"{output} can't be written: {error.strerror}.") from error
        self.stdout.write(f"{output} written in {time.monotonic() - started:.0f} s.")

    def write(self, format: str, part: Path) -> None:
        if format == "jsonl":
            with part.open("wb") as file:
                file.writelines(export.json_lines())
        else:
            export.write(FOLDERS[format](), part)
