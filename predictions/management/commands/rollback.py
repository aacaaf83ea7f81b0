from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from predictions.management.plain import PlainCommand
from predictions.models import GateClosedError, Promotion


class Command(PlainCommand):
    help = "Undoes the newest promotion that still stands: the version before it answers again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", default="", help="Why; kept in the log of promotions.")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        try:
            promotion = Promotion.objects.all().roll_back(reason=options["reason"])
        except GateClosedError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{promotion.version} answers again, instead of {promotion.previous}.")
