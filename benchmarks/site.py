"""Django for a benchmark that works in its own process."""

import os
from pathlib import Path

import django


def set_up(own: Path | None = None) -> None:
    """As manage.py does, on the database that the environment names, or on one that lies below the folder
    `own`, for this process and its children. Import models afterwards."""
    if own:
        os.environ["VAR_DIR"] = str(own)
        os.environ.pop("DATABASE_URL", None)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mnistsite.settings")
    from mnistsite import local

    local.provide()
    django.setup()
