"""Django's handler, and what it leaves to servers about a request's body: chunks, refusals, slow senders."""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, cast
from wsgiref.types import InputStream, StartResponse, WSGIEnvironment

from django.core.handlers.wsgi import LimitedStream, WSGIHandler, WSGIRequest
from django.http.response import HttpResponseBase

from mnistsite import settings

SECONDS_FOR_A_BODY = 30  # as the proxy gives it
MOST_TO_DISCARD = 50_000_000  # bytes; the proxy refuses larger bodies
PIECE = 1_000_000  # bytes read at a time


class ChunkedStream(LimitedStream):
    """A body in chunks, to the end that gunicorn sees; one that it can't parse has broken off."""

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            return super().read(size)
        except Exception as problem:
            raise OSError(str(problem)) from problem


class Request(WSGIRequest):
    """Django takes a body without a declared length for an empty one."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        super().__init__(environ)
        if is_chunked(environ):
            self._stream = cast(BinaryIO, ChunkedStream(environ["wsgi.input"], sys.maxsize))


class Handler(WSGIHandler):
    request_class = Request

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> HttpResponseBase:
        """The answer is sent when all of the body has been read: many clients send it all before they look,
        and would find the connection closed."""
        length = sys.maxsize if is_chunked(environ) else int(environ.get("CONTENT_LENGTH") or 0)
        if not length:
            return super().__call__(environ, start_response)
        is_received_here = length > settings.WATCHED or "HTTP_EXPECT" in environ
        with cut_off_late(environ.get("gunicorn.socket") if is_received_here else None):
            response = super().__call__(environ, start_response)
            discard(environ["wsgi.input"])
            return response


def is_chunked(environ: WSGIEnvironment) -> bool:
    return "HTTP_TRANSFER_ENCODING" in environ


@contextmanager
def cut_off_late(connection: socket.socket | None) -> Iterator[None]:
    """Receive nothing after SECONDS_FOR_A_BODY, since a slow sender holds a thread and a place for a large
    picture. (A timeout of the socket would begin anew with every byte.)"""
    if connection is None:
        yield
        return
    timer = threading.Timer(SECONDS_FOR_A_BODY, stop_receiving, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def stop_receiving(connection: socket.socket) -> None:
    with suppress(OSError):  # the client has closed it
        connection.shutdown(socket.SHUT_RD)


def discard(body: InputStream) -> None:
    """Read what is left of the body, up to MOST_TO_DISCARD."""
    left = MOST_TO_DISCARD
    with suppress(Exception):  # gunicorn closes a connection whose body it could not parse
        while left > 0 and (piece := body.read(PIECE)):
            left -= len(piece)
