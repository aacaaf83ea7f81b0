"""The application for gunicorn. It refuses to start when a system check finds an error."""

import os

import django
from django.core.management import call_command

from mnistsite import settings
from mnistsite.handler import Handler
from predictions.database.base import impatient

settings.DATABASES["default"] = impatient(settings.DATABASES["default"])
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mnistsite.settings")
django.setup(set_prefix=False)
application = Handler()
call_command("check")
