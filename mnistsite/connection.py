"""A connection to gunicorn's worker: what has come of its next request, and answers that need no thread."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import unquote_to_bytes

from gunicorn.workers.gthread import TConn

from mnistsite import settings
from mnistsite.handler import SECONDS_FOR_A_BODY

SECONDS_FOR_A_HEAD = 10  # as the proxy gives it
MOST_OF_A_HEAD = 32_768  # bytes; as the proxy takes
END_OF_HEAD = b"\r\n\r\n"
ASKS_WHETHER_ALIVE = b"GET /livez "
LOGIN = b"/admin/login"
# Bodies whose length is not known or beyond measure, and senders that wait for a word before they send one.
# The handler has to measure the same: a thread that gets a body to receive gets a time for it, by its length.
UNKNOWN = re.compile(
    rb"\r\n(?:transfer-encoding[ \t]*:|expect[ \t]*:|content-length[ \t]*:[ \t]*0*[1-9]\d{12})", re.IGNORECASE
)
LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:[ \t]*0*(\d{1,12})[ \t]*\r\n", re.IGNORECASE)


def answer(status: str, body: str, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *headers, "Connection: close", "", body]).encode()


def refusal(status: str, code: str, message: str, *headers: str) -> bytes:
    return answer(status, f'{{"error": {{"code": "{code}", "message": "{message}"}}}}', *headers)


ALIVE = answer("200 OK", '{"status": "alive"}')
LATE = refusal("408 Request Timeout", "incomplete", "The request broke off, or took too long.")
LONG_HEAD = refusal("431 Request Header Fields Too Large", "refused", "The headers are too long.")
BUSY = refusal(
    "503 Service Unavailable",
    "busy",
    "There are too many requests at the moment; please try again.",
    "Retry-After: 2",
)


class Connection(TConn):
    """A connection, and what has been received of its next request."""

    see_off: Callable[["Connection"], None]  # closes it when its client has heard the answer
    received = b""
    length: int | None = None  # of head and body; None until the head is whole
    deadline = 0.0
    is_large = is_login = False

    def begin_request(self) -> None:
        """What came behind the last request, on a connection that is kept, belongs to this one."""
        self.received = self.parser.unreader.take_buffered() if self.parser else b""
        self.length, self.is_large, self.is_login = None, False, False
        self.deadline = time.monotonic() + SECONDS_FOR_A_HEAD

    def is_whole(self) -> bool:
        """Whether a thread need not wait for more; a large request is as whole as it becomes here."""
        if self.length is None and END_OF_HEAD in self.received:
            self._measure()
        return self.is_large or (self.length is not None and len(self.received) >= self.length)

    def _measure(self) -> None:
        head = self.received[: self.received.index(END_OF_HEAD) + 2]
        stated = LENGTH.search(head)
        body = int(stated[1]) if stated else 0
        self.length = len(head) + 2 + body
        self.is_large = body > settings.WATCHED or UNKNOWN.search(head) is not None
        # However it is written; who has it elsewhere in a request waits as well.
        self.is_login = head.startswith(b"POST ") and LOGIN in unquote_to_bytes(head.partition(b"\r\n")[0])
        self.deadline += SECONDS_FOR_A_BODY - SECONDS_FOR_A_HEAD

    def close(self, graceful: bool = False) -> None:
        if graceful:
            self.see_off(self)
        else:
            super().close()

    def refuse(self, said: bytes) -> None:
        with suppress(OSError):
            self.sock.send(said)
        self.close(graceful=True)
