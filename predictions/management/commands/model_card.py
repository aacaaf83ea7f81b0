"""Print a version's card."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from predictions.learning.card import markdown
from predictions.management.plain import PlainCommand
from predictions.models import ModelVersion


class Command(PlainCommand):
    help = "Prints the card of a version as Markdown."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("version")

    def handle(self, *args: Any, version: str, **options: Any) -> None:  # noqa: ANN401
        found = ModelVersion.objects.filter(name=version).first()
        if found is None:
            raise CommandError(f"There is no version {version}.")
        self.stdout.write(markdown(found))
