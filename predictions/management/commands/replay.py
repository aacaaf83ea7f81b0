from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError
from django.template.defaultfilters import pluralize
from django.utils import timezone

from predictions.learning.replay import replay
from predictions.management.plain import PlainCommand
from predictions.management.progress import show_progress
from predictions.models import ModelVersion


class Command(PlainCommand):
    help = "Runs a version over the logged drawings and tells what would change."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("version")
        parser.add_argument("--since", help="Only drawings since this date or time, e.g. 2026-11-01.")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        with show_progress() as report:
            try:
                result = replay(report, options["version"], time(options["since"]))
            except ModelVersion.DoesNotExist as error:
                raise CommandError(f"There is no version {options['version']!r}.") from error
        self.show(result)

    def show(self, result: dict[str, Any]) -> None:
        changed, rows = result["changed"], result["rows"]
        self.stdout.write(f"{changed:,} of {rows:,} drawing{pluralize(rows)} would be read differently.")
        moves = [
            (count, before, after)
            for before, row in enumerate(result["moves"])
            for after, count in enumerate(row)
            if count and before != after
        ]
        for count, before, after in sorted(moves, reverse=True):
            self.stdout.write(f"  {before} → {after}  {count:,}")
        if result["reviewed"]:
            before, after = result["accuracy_before"], result["accuracy_after"]
            self.stdout.write(
                f"Of {result['reviewed']:,} reviewed: {before:.2%} right before, {after:.2%} after."
            )


def time(text: str | None) -> str | None:
    """An ISO date or time; where it names no zone, it is in the site's."""
    if text is None:
        return None
    try:
        known = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"--since must be a date or time like 2026-11-01, not {text!r}.") from error
    return (known if known.tzinfo else timezone.make_aware(known)).isoformat()
