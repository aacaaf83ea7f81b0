"""The process that trains, replays, looks for drift and cleans up: one or more of them, on any machine."""

from typing import Any, cast

from django.core.management.base import BaseCommand
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector

# A job that does not stop by then is given back to the queue.
SECONDS_TO_STOP = 10


class Command(BaseCommand):
    help = "Does the jobs in the queue, and the timetable's, until it is stopped."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        # Two at a time, so that a long training keeps neither the drift monitor nor a replay waiting.
        connector = cast("DjangoConnector", app.connector).get_worker_connector()
        with app.replace_connector(connector) as worker_app:
            worker_app.run_worker(concurrency=2, shutdown_graceful_timeout=SECONDS_TO_STOP)
