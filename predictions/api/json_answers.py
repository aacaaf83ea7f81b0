"""The API's answers as JSON."""

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from ninja.renderers import BaseRenderer

TYPE = "application/json; charset=utf-8"


class Renderer(BaseRenderer):
    """By orjson, which knows the types that rows have, and takes a fifth of the time."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:  # noqa: ANN401
        return write(data)


def write(data: Any) -> bytes:  # noqa: ANN401
    return orjson.dumps(data, option=orjson.OPT_UTC_Z)


def answer(status: int, data: dict[str, Any]) -> HttpResponse:
    """What is not held against its schema on its way: for the answer that everybody waits for."""
    return HttpResponse(write(data), status=status, content_type=TYPE)
