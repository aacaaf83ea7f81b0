"""Take true labels from a CSV file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.template.defaultfilters import pluralize

from predictions.management.plain import PlainCommand
from predictions.transfer.label_import import import_labels

SHOWN = 20


class Command(PlainCommand):
    help = "Accepts predictions with the labels of a CSV file (id, true_label): all lines, or none."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--operator", required=True, help="the account that answers for the labels")
        parser.add_argument("--dry-run", action="store_true", help="show what would change")

    def handle(self, *args: Any, file: Path, operator: str, dry_run: bool, **options: Any) -> None:  # noqa: ANN401
        user = get_user_model().objects.filter(username=operator).first()
        if user is None:
            raise CommandError(f"There is no account {operator!r}.")
        try:
            with file.open(newline="", encoding="utf-8-sig") as lines:
                plan = import_labels(lines, user, dry_run=dry_run)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} can't be read: {error}.") from error
        for change in plan.changes[:SHOWN] if dry_run else []:
            line = change.line
            self.stdout.write(f"Line {line.number}: {line.id} {change.old_label} -> {line.label}")
        if plan.errors:
            bad = len(plan.errors)
            nothing = f"{bad} bad line{pluralize(bad)}: nothing imported."
            raise CommandError("\n".join([*plan.errors[:SHOWN], nothing]))
        count, verb = len(plan.changes), "would change" if dry_run else "changed"
        have = pluralize(plan.unchanged, "has its,have their")
        self.stdout.write(f"{count:,} row{pluralize(count)} {verb}, {plan.unchanged:,} {have} label already.")
