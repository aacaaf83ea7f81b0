"""The application for gunicorn. It refuses to start when a system check finds an error."""

import os
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, cast
from wsgiref.types import InputStream, StartResponse, WSGIEnvironment

import django
from django.core.handlers.wsgi import LimitedStream, WSGIHandler, WSGIRequest
from django.core.management import call_command

SECONDS_FOR_A_BODY = 30  # as the proxy gives it
WATCHED = 100_000  # bytes of a body for which these seconds are counted; the proxy has all of a smaller one
MOST_TO_DISCARD = 50_000_000  # bytes; the proxy refuses larger bodies
PIECE = 1_000_000


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


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Django's answer; it is sent when the body has been read, since many clients send all of it before they
    look, and find the connection closed."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if not length and not is_chunked(environ):
        return handler(environ, start_response)
    with cut_off_late(environ.get("gunicorn.socket") if length > WATCHED or is_chunked(environ) else None):
        response = handler(environ, start_response)
        discard(environ["wsgi.input"])
        return response


def is_chunked(environ: WSGIEnvironment) -> bool:
    return "HTTP_TRANSFER_ENCODING" in environ


@contextmanager
def cut_off_late(connection: socket.socket | None) -> Iterator[None]:
    """End what comes on the connection after SECONDS_FOR_A_BODY: a slow sender holds a thread, and its place
    for a large picture. (A timeout of the socket would begin anew with every byte.)"""
    if connection is None:
        yield
        return
    timer = threading.Timer(SECONDS_FOR_A_BODY, stop_reading, [connection])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def stop_reading(connection: socket.socket) -> None:
    with suppress(OSError):  # it is closed
        connection.shutdown(socket.SHUT_RD)


def discard(body: InputStream) -> None:
    """Read what is left of the body, up to MOST_TO_DISCARD."""
    left = MOST_TO_DISCARD
    with suppress(Exception):  # gunicorn closes a connection whose body it could not parse
        while left > 0 and (piece := body.read(PIECE)):
            left -= len(piece)


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mnistsite.settings")
django.setup(set_prefix=False)
handler = Handler()
call_command("check")
