"""Bring the database to the state that the site needs; harmless to run again."""

import secrets
import time
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection

from mnistsite.files import write_whole
from predictions.management.plain import PlainCommand
from predictions.models import ModelVersion

SECONDS_TO_WAIT = 60
SECONDS_BETWEEN_LOOKS = 0.2


class Command(PlainCommand):
    help = (
        "Migrates, installs the shipped model as the active version, makes an admin account on first start."
    )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        self.wait_for_database()
        call_command("migrate", interactive=False, verbosity=0, stdout=self.stdout)
        if not ModelVersion.objects.exists():
            version = ModelVersion.objects.install_shipped()
            self.stdout.write(f"Model {version} installed and active.")
        if not get_user_model().objects.filter(is_superuser=True).exists():
            self.make_admin()

    def wait_for_database(self) -> None:
        """One that starts anew, or recovers, on a busy machine, may be away for a while."""
        deadline, said = time.monotonic() + SECONDS_TO_WAIT, ""
        while True:
            try:
                return connection.ensure_connection()
            except OperationalError as problem:
                if time.monotonic() > deadline:
                    raise
                if said != str(problem):
                    said = str(problem)
                    self.stdout.write(f"Waiting for the database: {said}")
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def make_admin(self) -> None:
        accounts = get_user_model().objects
        if accounts.filter(username=settings.ADMIN_USERNAME).exists():
            raise CommandError(
                f"There is no superuser, and {settings.ADMIN_USERNAME!r} is an ordinary account's name: run "
                "manage.py createsuperuser."
            )
        accounts.create_superuser(
            settings.ADMIN_USERNAME, settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD or self.make_password()
        )
        self.stdout.write(f"Admin account {settings.ADMIN_USERNAME!r} made.")

    def make_password(self) -> str:
        """A random password, kept where only this user can read it."""
        password = secrets.token_urlsafe(12)
        file = settings.VAR_DIR / "admin-password"
        write_whole(file, f"{password}\n")
        self.stdout.write(f"Password of the admin account: {password} (kept in {file})")
        return password
