"""gunicorn's worker with threads, whose accepting thread waits for clients and answers /livez by itself.

A thread gets a request when all of it has come. So idle connections, half-sent and slow requests hold none.
Only a body that is too large to be kept is received in a thread, and half of the threads never do that.
"""

import re
import socket
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from selectors import EVENT_READ
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from mnistsite.handler import SECONDS_FOR_A_BODY, WATCHED

SECONDS_FOR_A_HEAD = 10  # as the proxy gives it
MOST_OF_A_HEAD = 32_768  # bytes; as the proxy takes
MOST_WAITING = 400  # connections whose request is not whole; one more, and the oldest is closed
PIECE = 65_536  # bytes received at a time
END_OF_HEAD = b"\r\n\r\n"
ASKS_WHETHER_ALIVE = b"GET /livez "
# Bodies whose length is not known or beyond measure, and senders that wait for a word before they send one.
UNKNOWN = re.compile(
    rb"\r\n(?:transfer-encoding[ \t]*:|expect[ \t]*:|content-length[ \t]*:[ \t]*\d{13})", re.IGNORECASE
)
LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:[ \t]*(\d{1,12})[ \t]*\r\n", re.IGNORECASE)


def answer(status: str, body: str, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *headers, "Connection: close", "", body]).encode()


def refusal(status: str, code: str, message: str, *headers: str) -> bytes:
    return answer(status, f'{{"error": {{"code": "{code}", "message": "{message}"}}}}', *headers)


ALIVE = answer("200 OK", '{"status": "alive"}')
LATE = refusal("408 Request Timeout", "incomplete", "The request broke off, or took too long.")
LONG_HEAD = refusal("431 Request Header Fields Too Large", "refused", "The headers are too long.")
BUSY = refusal(
    "503 Service Unavailable", "busy", "Too much is being received; please try again.", "Retry-After: 2"
)


class Connection(TConn):
    """A connection, and what has been received of its next request."""

    closers = ThreadPoolExecutor(8, thread_name_prefix="closer")
    received = b""
    length: int | None = None  # of head and body; None until the head is whole
    deadline = 0.0
    is_large = False

    def begin_request(self) -> None:
        """What came behind the last request, on a connection that is kept, belongs to this one."""
        self.received = self.parser.unreader.take_buffered() if self.parser else b""
        self.length, self.is_large = None, False
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
        self.is_large = body > WATCHED or UNKNOWN.search(head) is not None
        self.deadline += SECONDS_FOR_A_BODY - SECONDS_FOR_A_HEAD

    def close(self, graceful: bool = False) -> None:
        """A client that keeps a closed connection open is waited for by threads of their own."""
        if graceful:
            self.closers.submit(util.close_graceful, self.sock)
        else:
            super().close()

    def refuse(self, said: bytes) -> None:
        with suppress(OSError):
            self.sock.send(said)
        self.close(graceful=True)


class Worker(ThreadWorker):
    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.waiting: dict[Connection, None] = {}  # for the rest of their request; the oldest first
        self.large: deque[Connection] = deque()  # for a thread that may receive it
        self.large_in_threads = 0
        self.looked_at = 0.0

    def is_parent_alive(self) -> bool:
        """gunicorn's own orphans keep the port, on which they accept nobody, while their clients stay,
        up to `graceful_timeout`. These give it back at once, and end as if they had been told to."""
        if super().is_parent_alive():
            return True
        self.alive = False
        self.set_accept_enabled(False)
        return False

    def set_accept_enabled(self, enabled: bool) -> None:
        """gunicorn keeps the port until its clients have gone: the system takes more of them meanwhile,
        whom nobody answers. A refused request is one that the proxy may send to another server."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                self.give_back(listener)

    def give_back(self, listener: socket.socket) -> None:
        """After those who have reached it already."""
        with suppress(OSError):  # nobody is left, or it is closed
            while True:
                self.accept_one(listener)
        listener.close()

    def accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError, ConnectionAbortedError):
            self.accept_one(listener)

    def accept_one(self, listener: socket.socket) -> None:
        sock, address = listener.accept()
        self.nr_conns += 1
        if len(self.waiting) >= MOST_WAITING:
            self.give_up(next(iter(self.waiting)), LATE)
        self.enqueue_req(Connection(self.cfg, sock, address, listener.getsockname()))

    def enqueue_req(self, conn: Connection) -> None:
        """gunicorn calls this for a connection on which the next request begins."""
        conn.begin_request()
        conn.sock.setblocking(False)
        self.receive(conn)

    def receive(self, conn: Connection) -> None:
        has_ended = False
        try:
            piece = conn.sock.recv(PIECE)
            conn.received += piece
            has_ended = not piece
        except BlockingIOError:
            pass
        except OSError:
            has_ended = True
        if conn.received.startswith(ASKS_WHETHER_ALIVE):
            self.give_up(conn, ALIVE)
        elif has_ended and not conn.received:
            self.give_up(conn)
        elif has_ended or conn.is_whole():
            self.stop_waiting(conn)
            self.hand_over(conn)
        elif conn.length is None and len(conn.received) > MOST_OF_A_HEAD:
            self.give_up(conn, LONG_HEAD)
        elif conn not in self.waiting:
            self.waiting[conn] = None
            self.poller.register(conn.sock, EVENT_READ, lambda _: self.receive(conn))

    def stop_waiting(self, conn: Connection) -> None:
        if conn in self.waiting:
            del self.waiting[conn]
            self.poller.unregister(conn.sock)

    def give_up(self, conn: Connection, said: bytes = b"") -> None:
        self.stop_waiting(conn)
        self.nr_conns -= 1
        if conn.received:
            conn.refuse(said)
        else:
            conn.close()

    def hand_over(self, conn: Connection) -> None:
        """To a thread, or to those that wait for one."""
        if conn.is_large and not self.may_take_large():
            self.large.append(conn)
            return
        self.large_in_threads += conn.is_large
        super().enqueue_req(conn)

    def may_take_large(self) -> bool:
        """Whether fewer than half of the threads receive a large request."""
        return bool(self.large_in_threads < self.cfg.threads // 2)

    def handle(self, conn: Connection) -> Any:  # noqa: ANN401
        """In the thread: gunicorn goes on from what has been received."""
        conn.data_ready = True
        conn.sock.setblocking(True)
        conn.init()
        conn.parser.unreader.unread(conn.received)
        conn.received = b""
        return super().handle(conn)

    def finish_request(self, conn: Connection, done: "Future[Any]") -> None:
        self.large_in_threads -= conn.is_large
        super().finish_request(conn, done)
        if self.large and self.may_take_large():
            self.hand_over(self.large.popleft())

    def murder_pending(self) -> None:
        """gunicorn calls this after every event; a look once a second is enough."""
        now = time.monotonic()
        if now - self.looked_at < 1:
            return
        self.looked_at = now
        for conn in list(self.waiting):
            has_begun = conn.received or conn.deadline > now + SECONDS_FOR_A_HEAD - STOP_KEEPALIVE_LINGER
            if conn.deadline < now or not (self.alive or has_begun):
                self.give_up(conn, LATE)
        while self.large and self.large[0].deadline < now:
            self.nr_conns -= 1
            self.large.popleft().refuse(BUSY)
