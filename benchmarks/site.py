"""Django for a benchmark that works in its own process, on the database that the environment names."""

import os

import django


def set_up() -> None:
    """As manage.py does: with what a checkout needs where nothing was set."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mnistsite.settings")
    from mnistsite import local

    local.provide()
    django.setup()
