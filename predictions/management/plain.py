"""Commands that end in plain words, and not in a traceback, for what whoever runs them can mend."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError
from psycopg.errors import UndefinedColumn, UndefinedTable

from predictions.models import UnreadableWeightsError
from predictions.models.lost_connection import LOST


class PlainCommand(BaseCommand):
    """With `--traceback` it shows what was raised, as Django's commands do."""

    def execute(self, *args: Any, **options: Any) -> str | None:  # noqa: ANN401
        try:
            return super().execute(*args, **options)
        except (UnreadableWeightsError, OSError) as error:
            raise CommandError(str(error)) from error
        except LOST as error:
            raise CommandError(f"The database is away, or refuses: {error}") from error
        except ProgrammingError as error:
            if not isinstance(error.__cause__, UndefinedTable | UndefinedColumn):
                raise
            raise CommandError("The database lacks this release's tables: run manage.py migrate.") from error
