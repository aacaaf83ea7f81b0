from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from predictions.learning.gate import compare_with_active, is_compared
from predictions.management.plain import PlainCommand
from predictions.models import GateClosedError, ModelVersion, UnreadableWeightsError

WAY_OUT = "There is nothing to compare with: roll back, or promote with --override and a --reason."


class Command(PlainCommand):
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
            self.compare(version)
        try:
            promotion = version.promote(reason=options["reason"], override=options["override"])
        except GateClosedError as closed:
            raise CommandError(str(closed)) from closed
        self.stdout.write(f"{version} answers now, instead of {promotion.previous or 'none'}.")

    def compare(self, version: ModelVersion) -> None:
        from training.dataset import DatasetError

        try:
            compare_with_active(lambda progress, message: self.stderr.write(message), version.name)
        except DatasetError as error:
            raise CommandError(str(error)) from error
        except UnreadableWeightsError as error:
            raise CommandError(f"{error} {WAY_OUT}") from error
        version.refresh_from_db()
