"""gunicorn's worker with threads, whose accepting thread waits for clients and answers /livez by itself.

A thread gets a request when all of it has come. So idle connections, half-sent and slow requests hold none.
Only a body that is too large to be kept is received in a thread, and half of the threads never do that.
Logins, which cost a processor a third of a second each, wait for each other and get one thread.
"""

import errno
import math
import socket
import time
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from selectors import EVENT_READ
from typing import Any

from gunicorn.sock import BaseSocket
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from mnistsite.connection import (
    ALIVE,
    ASKS_WHETHER_ALIVE,
    BUSY,
    LATE,
    LONG_HEAD,
    MOST_OF_A_HEAD,
    SECONDS_FOR_A_HEAD,
    Connection,
)

# At 1,000 connections gunicorn accepts nobody, not even who asks for /livez. So each kind has a bound, and
# together they are fewer.
MOST_WAITING = 300  # connections whose request is not whole; one more, and the oldest is closed
MOST_SMALL = 200  # requests that a thread has or will have at once; one more is refused
MOST_LARGE = 50  # that wait for their turn; one more is refused. Fifty pictures take up to twenty seconds.
MOST_LOGINS = 100  # that wait for their turn; one more is refused
MOST_KEPT = 200  # connections between two requests; the next answer closes its connection
MOST_CLOSING = 100  # connections that wait for their client to close too; one more, and the oldest is cut
SECONDS_TO_CLOSE = 2
MOST_FREED = 20  # connections that wait are closed at a time where no descriptor is left; the oldest first
SECONDS_TO_BREATHE = 0.01
SECONDS_BETWEEN_WARNINGS = 10.0
PIECE = 65_536  # bytes received at a time
# The worker that has fewer connections shall take the next one. All are woken for it, and the quickest would
# take fifteen of sixteen that come together, on which it then works alone.
SECONDS_TO_HESITATE = 0.0002  # for each time that its connections have doubled


@dataclass
class Lane:
    """Requests of a kind: so many are handed to threads, and so many wait, in the order they came."""

    most_taken: int
    most_waiting: int = 0
    taken: int = 0
    waiting: deque[Connection] = field(default_factory=deque)


class Worker(ThreadWorker):
    slot = 0  # its number among those that live; see gunicorn.conf.py

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.waiting: dict[Connection, None] = {}  # for the rest of their request; the oldest first
        self.closing: dict[Connection, float] = {}  # until then, for their client; the oldest first
        self.max_keepalived = MOST_KEPT
        self.small = Lane(MOST_SMALL)
        self.large = Lane(self.cfg.threads // 2, MOST_LARGE)
        self.logins = Lane(1, MOST_LOGINS)
        self.looked_at = 0.0
        self.lacks_descriptors = False
        self.warned_at = -SECONDS_BETWEEN_WARNINGS

    def is_parent_alive(self) -> bool:
        """gunicorn's own orphans keep the port, on which they accept nobody, while their clients stay,
        up to `graceful_timeout`. These give it back at once, and end as if they had been told to."""
        if super().is_parent_alive():
            return True
        self.alive = False  # so gunicorn's loop ends, and its next step closes the port
        return False

    def set_accept_enabled(self, enabled: bool) -> None:
        """gunicorn keeps the port until its clients have gone: the system takes more of them meanwhile,
        whom nobody answers. A refused request is one that the proxy may send to another server."""
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                self.give_back(listener)

    def give_back(self, listener: BaseSocket) -> None:
        """After those who have reached it already."""
        if listener.sock is None:  # it has been given back
            return
        with suppress(OSError):  # nobody is left
            while True:
                self.accept_one(listener)
        listener.close()

    def accept(self, listener: socket.socket) -> None:
        if self.cfg.workers > 1:
            time.sleep(SECONDS_TO_HESITATE * math.log2(1 + self.nr_conns))
        try:
            self.accept_one(listener)
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as problem:
            if problem.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self.lacks_descriptors = True

    def accept_one(self, listener: socket.socket) -> None:
        sock, address = listener.accept()
        self.nr_conns += 1
        conn = Connection(self.cfg, sock, address, listener.getsockname())
        conn.see_off = self.see_off
        self.enqueue_req(conn)

    def free_descriptors(self) -> None:
        """Of whoever is not being answered. gunicorn's own worker would end."""
        self.lacks_descriptors = False
        if time.monotonic() - self.warned_at > SECONDS_BETWEEN_WARNINGS:
            self.warned_at = time.monotonic()
            self.log.warning("No file descriptor is left: connections that wait are closed.")
        self.murder_keepalived(force=True)
        for conn in list(self.closing):
            self.cut(conn)
        for conn in list(islice(self.waiting, MOST_FREED)):
            self.stop_waiting(conn)
            self.nr_conns -= 1
            conn.close()
        time.sleep(SECONDS_TO_BREATHE)  # where nothing was to be had, the next try comes at once

    def see_off(self, conn: Connection) -> None:
        """Close our side, and the rest when the client has closed too, or does not for long. What a client
        still sends to a closed connection would take the answer from it. Until then it counts as open."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
        except OSError:
            conn.close()
            return
        if len(self.closing) >= MOST_CLOSING:
            self.cut(next(iter(self.closing)))
        self.nr_conns += 1
        self.closing[conn] = time.monotonic() + SECONDS_TO_CLOSE
        self.poller.register(conn.sock, EVENT_READ, lambda _: self.discard(conn))

    def discard(self, conn: Connection) -> None:
        if conn not in self.closing:  # it was cut since the poller has seen it
            return
        try:
            has_ended = not conn.sock.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            has_ended = True
        if has_ended:
            self.cut(conn)

    def cut(self, conn: Connection) -> None:
        del self.closing[conn]
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

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
            self.wait_for_more(conn)

    def wait_for_more(self, conn: Connection) -> None:
        if len(self.waiting) >= MOST_WAITING:
            self.give_up(next(iter(self.waiting)), LATE)
        self.waiting[conn] = None
        self.poller.register(conn.sock, EVENT_READ, lambda _: self.receive_more(conn))

    def receive_more(self, conn: Connection) -> None:
        if conn in self.waiting:  # and was not given up since the poller has seen it
            self.receive(conn)

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

    def lane(self, conn: Connection) -> Lane:
        return self.large if conn.is_large else self.logins if conn.is_login else self.small

    def hand_over(self, conn: Connection) -> None:
        """To a thread, or to those that wait for one."""
        lane = self.lane(conn)
        if lane.taken < lane.most_taken:
            lane.taken += 1
            super().enqueue_req(conn)
        elif len(lane.waiting) < lane.most_waiting:
            lane.waiting.append(conn)
        else:
            self.give_up(conn, BUSY)

    def handle(self, conn: Connection) -> Any:  # noqa: ANN401
        """In the thread: gunicorn goes on from what has been received."""
        conn.data_ready = True
        conn.sock.setblocking(True)
        conn.init()
        conn.parser.unreader.unread(conn.received)
        conn.received = b""
        return super().handle(conn)

    def finish_request(self, conn: Connection, done: "Future[Any]") -> None:
        lane = self.lane(conn)  # before the next request on the same connection
        lane.taken -= 1
        super().finish_request(conn, done)  # which may hand the next request over
        if lane.waiting and lane.taken < lane.most_taken:
            self.hand_over(lane.waiting.popleft())

    def murder_pending(self) -> None:
        """gunicorn calls this after every event; a look once a second is enough."""
        if self.lacks_descriptors:
            self.free_descriptors()
        now = time.monotonic()
        if now - self.looked_at < 1:
            return
        self.looked_at = now
        for conn in list(self.waiting):
            has_begun = conn.received or conn.deadline > now + SECONDS_FOR_A_HEAD - STOP_KEEPALIVE_LINGER
            if conn.deadline < now or not (self.alive or has_begun):
                self.give_up(conn, LATE)
        for conn in [conn for conn, deadline in self.closing.items() if deadline < now]:
            self.cut(conn)
        for lane in (self.large, self.logins):
            while lane.waiting and lane.waiting[0].deadline < now:
                self.give_up(lane.waiting.popleft(), BUSY)
