"""The process that trains, replays, looks for drift and cleans up: one or more of them, on any machine."""

import asyncio
import logging
import signal
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, LiteralString

import psycopg
from django.core.management.base import BaseCommand
from procrastinate import App, PsycopgConnector
from procrastinate.connector import Notify
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException

logger = logging.getLogger(__name__)
# A job that does not stop by then is given back to the queue.
SECONDS_TO_STOP = 10
SECONDS_BETWEEN_TRIES = 1


class Connector(PsycopgConnector):
    """Waits for a database that is restarted, where the library's own would end the worker."""

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        while True:
            with suppress(ConnectorException):
                await super().listen_notify(on_notification, channels)
            await asyncio.sleep(SECONDS_BETWEEN_TRIES)

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:  # noqa: ANN401
        """Once more on another connection, which the pool waits for: else the end of a job would be lost."""
        try:
            await super().execute_query_async(query, **arguments)
        except ConnectorException as problem:
            if not isinstance(problem.__cause__, psycopg.OperationalError):
                raise
            await super().execute_query_async(query, **arguments)


class Command(BaseCommand):
    help = "Does the jobs in the queue, and the timetable's, until it is stopped."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        with app.replace_connector(Connector(kwargs=connector_params())) as worker_app:
            asyncio.run(work_until_told(worker_app))


async def work_until_told(worker_app: App) -> None:
    """Work until SIGTERM or SIGINT; after a database that was away for long, as a new worker."""
    work = asyncio.ensure_future(work_again_and_again(worker_app))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    with suppress(asyncio.CancelledError):
        await work


async def work_again_and_again(worker_app: App) -> None:
    while True:
        try:
            async with worker_app.open_async():
                # Two at a time, so that a long training keeps neither the drift monitor nor a replay waiting.
                await worker_app.run_worker_async(
                    concurrency=2,
                    shutdown_graceful_timeout=SECONDS_TO_STOP,
                    install_signal_handlers=False,
                )
        except (ConnectorException, psycopg.OperationalError) as problem:
            logger.warning("The worker begins anew, since the database was away: %s", problem)
            await worker_app.close_async()
        await asyncio.sleep(SECONDS_BETWEEN_TRIES)
