"""Webhooks: other programs are told what happens here, if WEBHOOK_URLS names any."""

import json
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

QUEUE = "webhooks"


def announce(event: str, **facts: Any) -> None:  # noqa: ANN401
    """Queue a message to each address; it is sent when the transaction is committed."""
    if not settings.WEBHOOK_URLS:
        return
    from procrastinate.contrib.django import app

    message = {"id": str(uuid4()), "event": event, "at": timezone.now().isoformat(), **facts}
    task = app.configure_task("predictions.tasks.send_webhook", queue=QUEUE)
    for url in settings.WEBHOOK_URLS:
        task.defer(url=url, body=json.dumps(message))
