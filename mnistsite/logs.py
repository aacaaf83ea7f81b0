"""Lines of the log: JSON in containers, text elsewhere; with the id of the request that they belong to, and
nothing that a visitor has drawn or is known by, nor a webhook's address."""

import json
import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime

request_id: ContextVar[str] = ContextVar("request_id", default="")

UUID = r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}"
# PostgreSQL's details of an error hold the whole row, its drawing included.
PRIVATE = [
    (re.compile(r"^(DETAIL|CONTEXT):.*", re.MULTILINE), r"\1: (left out)"),
    # The queue names all that a failed job was called with.
    (re.compile(r"(send_webhook\[\d+\])\(.*\)(?= ended with status)", re.DOTALL), r"\1"),
    (re.compile(rf"(visitor\W{{1,6}}(?:UUID\W{{1,2}})?){UUID}", re.IGNORECASE), r"\1…"),
]


def redact(text: str) -> str:
    for pattern, instead in PRIVATE:
        text = pattern.sub(instead, text)
    return text


class Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        name = request_id.get()
        return redact(super().format(record)) + (f" [{name}]" if name else "")


class Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if name := request_id.get():
            line["request"] = name
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)
