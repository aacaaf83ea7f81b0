"""The two things that a checkout needs and nobody has set: a secret key and a database server, under var/."""

import os
import secrets
from pathlib import Path

from django.conf import settings

from mnistsite import settings as given
from mnistsite.files import write_whole

KEY_LENGTH = 50  # characters at the least


def provide() -> None:
    """Set the two for this process and, through the environment, for its children; never in production.

    To be called before anything connects to the database.
    """
    if given.PRODUCTION:
        return
    if not given.SECRET_KEY:
        settings.SECRET_KEY = os.environ["SECRET_KEY"] = secret_key(given.VAR_DIR / "secret_key")
    if not given.DATABASE_URL:
        from mnistsite import embedded_postgres  # whose package no image has

        url = embedded_postgres.database_url(given.VAR_DIR / "postgres")
        settings.DATABASE_URL = os.environ["DATABASE_URL"] = url
        settings.DATABASES["default"].update(given.database(url))


def secret_key(file: Path) -> str:
    """One random key a checkout, so that sessions survive a restart; anew where a full disk left none."""
    if not file.exists() or len(file.read_text()) < KEY_LENGTH:
        write_whole(file, secrets.token_urlsafe(50))
    return file.read_text()
