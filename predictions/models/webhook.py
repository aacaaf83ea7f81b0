"""Webhooks: other programs are told what happens here, if WEBHOOK_URLS names any."""

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection
from django.utils import timezone

QUEUE = "webhooks"
NAMING = """
    SELECT id, args->>'body' FROM procrastinate_jobs
    WHERE queue_name = %s AND (args->>'body')::jsonb->'predictions' ?| %s ORDER BY id FOR UPDATE
"""
REWRITE = "UPDATE procrastinate_jobs SET args = jsonb_set(args, '{body}', %s::jsonb) WHERE id = %s"


def announce(event: str, **facts: Any) -> None:  # noqa: ANN401
    """Queue a message to each address; it is sent when the transaction is committed."""
    if not settings.WEBHOOK_URLS:
        return
    from procrastinate.contrib.django import app

    message = {"id": str(uuid4()), "event": event, "at": timezone.now().isoformat(), **facts}
    task = app.configure_task("predictions.tasks.send_webhook", queue=QUEUE)
    for url in settings.WEBHOOK_URLS:
        task.defer(url=url, body=json.dumps(message))


def forget(drawings: Iterable[UUID]) -> None:
    """Take deleted drawings out of messages, those that wait and those that are kept for a while."""
    gone = {str(key) for key in drawings}
    with connection.cursor() as cursor:
        cursor.execute(NAMING, [QUEUE, list(gone)])
        for job, body in cursor.fetchall():
            message = json.loads(body)
            left = [key for key in message["predictions"] if key not in gone]
            cursor.execute(REWRITE, [json.dumps(json.dumps(message | {"predictions": left})), job])
