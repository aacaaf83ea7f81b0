"""gunicorn's worker with threads, whose accepting thread never waits and answers /livez by itself."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ

from gunicorn import util
from gunicorn.workers.gthread import TConn, ThreadWorker

ASKS_WHETHER_ALIVE = b"GET /livez "
ALIVE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 19\r\nConnection: close\r\n\r\n"
    b'{"status": "alive"}'
)


class Connection(TConn):
    closers = ThreadPoolExecutor(8, thread_name_prefix="closer")

    def close(self, graceful: bool = False) -> None:
        """A client that keeps a closed connection open is waited for by threads of their own."""
        if graceful:
            self.closers.submit(util.close_graceful, self.sock)
        else:
            super().close()


class Worker(ThreadWorker):
    def accept(self, listener: socket.socket) -> None:
        """A new connection has a thread when it has sent something; gunicorn would wait for that in one."""
        with suppress(BlockingIOError, ConnectionAbortedError):
            sock, address = listener.accept()
            self.nr_conns += 1
            conn = Connection(self.cfg, sock, address, listener.getsockname())
            conn.set_timeout()
            self.pending_conns.append(conn)
            self.poller.register(sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def enqueue_req(self, conn: TConn) -> None:
        """Every thread may be waiting for a database or a client, so liveness must not wait for a thread."""
        if is_asked_whether_alive(conn.sock):
            self.nr_conns -= 1
            answer_alive(conn)
        else:
            super().enqueue_req(conn)


def is_asked_whether_alive(sock: socket.socket) -> bool:
    with suppress(OSError):
        begun = sock.recv(len(ASKS_WHETHER_ALIVE), socket.MSG_PEEK | socket.MSG_DONTWAIT)
        return begun == ASKS_WHETHER_ALIVE
    return False


def answer_alive(conn: TConn) -> None:
    with suppress(OSError):
        conn.sock.setblocking(False)
        conn.sock.recv(1 << 16)
        conn.sock.send(ALIVE)
    conn.close(graceful=True)
