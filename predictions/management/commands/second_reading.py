"""Let another version read what waits for review."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.template.defaultfilters import pluralize

from predictions.learning.second_reading import give_second_reading
from predictions.management.plain import PlainCommand
from predictions.models import ModelVersion


class Command(PlainCommand):
    help = "Lets a version read what waits for review; where it disagrees, the queue shows the row early."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("version", help="its name")

    def handle(self, *args: Any, version: str, **options: Any) -> None:  # noqa: ANN401
        found = ModelVersion.objects.filter(name=version).first()
        if found is None:
            raise CommandError(f"There is no model version {version!r}.")
        count = give_second_reading(found)
        self.stdout.write(f"{version} reads {count:,} waiting drawing{pluralize(count)} differently.")
