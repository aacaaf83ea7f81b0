"""Fill the log with made-up rows."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from predictions import demo_log
from predictions.versions import ModelVersion


class Command(BaseCommand):
    help = "Appends made-up predictions to the log: MNIST's test digits, as the stored versions read them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rows", type=int, default=10_000)
        parser.add_argument("--data-dir", type=Path, default=settings.VAR_DIR / "data", help="where MNIST is")

    def handle(self, *args: Any, rows: int, data_dir: Path, **options: Any) -> None:  # noqa: ANN401
        from training.dataset import DatasetError, load_mnist

        if rows < 1:
            raise CommandError("--rows must be at least 1.")
        if not ModelVersion.objects.exists():
            raise CommandError("There is no model version yet: run 'manage.py setup' first.")
        started = time.monotonic()
        try:
            pool = demo_log.make_pool(load_mnist(data_dir).test[:rows])
        except DatasetError as error:
            raise CommandError(str(error)) from error
        demo_log.copy_log(pool, rows)
        self.stdout.write(f"{rows:,} rows in {time.monotonic() - started:.0f} s.")
