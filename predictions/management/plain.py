"""Commands that end in plain words, and not in a traceback, for what whoever runs them can mend."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError
from psycopg.errors import UndefinedColumn, UndefinedTable

from predictions.models import UnreadableWeightsError
from predictions.models.lost_connection import LOST


class PlainCommand(BaseCommand):
    """With `--traceback` it shows what was raised, as Django's commands do."""

    makes_tables = False  # else tables that are missing are its own fault

    def execute(self, *args: Any, **options: Any) -> str | None:  # noqa: ANN401
        try:
            return super().execute(*args, **options)
        except (UnreadableWeightsError, OSError) as error:
            raise CommandError(str(error)) from error
        except LOST as error:
            raise CommandError(f"The database did not do it: {error}") from error
        except ProgrammingError as error:
            if self.makes_tables or not isinstance(error.__cause__, UndefinedTable | UndefinedColumn):
                raise
            said = f"The database lacks this release's tables: run manage.py migrate. ({error})"
            raise CommandError(said) from error
