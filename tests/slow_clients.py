"""Clients that say nothing, or say it slowly."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

PREDICT = b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SLOW = {
    "nothing": (b"", b""),
    "half a request line": (b"POST /api/pre", b""),
    "half a head, a byte at a time": (PREDICT, b"X"),
    "half a body": (PREDICT + b"Content-Length: 5000\r\n\r\n{", b""),
    "half a body, a byte at a time": (PREDICT + b"Content-Length: 5000\r\n\r\n{", b" "),
    "half of a large body": (PREDICT + b"Content-Length: 5000000\r\n\r\n{", b" "),
    "half of a body that would be larger than any": (
        PREDICT + b"Content-Length: 9999999999999\r\n\r\n{",
        b" ",
    ),
    "half of a body in chunks": (PREDICT + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b""),
    "no body, since it waits to be asked for one": (
        PREDICT + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        b"",
    ),
}


@contextmanager
def slow_clients(port: int, number: int, first: bytes, then: bytes) -> Iterator[list[socket.socket]]:
    """So many that have sent `first`, and go on with `then` ten times a second."""
    stopped = threading.Event()
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(number)]

        def send_on() -> None:
            while then and not stopped.wait(0.1):
                for client in clients:
                    with suppress(OSError):
                        client.send(then)

        for client in clients:
            client.sendall(first)
        sender = threading.Thread(target=send_on)
        sender.start()
        try:
            yield clients
        finally:
            stopped.set()
            sender.join()
