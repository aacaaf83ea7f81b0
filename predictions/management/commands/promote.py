from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from predictions.learning.gate import compare_with_active, is_compared
from predictions.models import GateClosedError, ModelVersion


class Command(BaseCommand):
    help = "Makes a version the one that answers, where the gate finds it as good as the active one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("version")
        parser.add_argument("--reason", default="", help="Why; kept in the log of promotions.")
        parser.add_argument(
            "--override", action="store_true", help="Promote against the gate; needs --reason."
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        version = ModelVersion.objects.filter(name=options["version"]).first()
        if version is None:
            raise CommandError(f"There is no version {options['version']!r}.")
        if not options["override"] and not is_compared(version):
            compare_with_active(lambda progress, message: self.stderr.write(message), version.name)
            version.refresh_from_db()
        try:
            promotion = version.promote(reason=options["reason"], override=options["override"])
        except GateClosedError as closed:
            raise CommandError(str(closed)) from closed
        self.stdout.write(f"{version} answers now, instead of {promotion.previous or 'none'}.")
