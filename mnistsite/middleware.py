"""Middleware that Django does not have."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, UnreadablePostError

from mnistsite.logs import request_id

NUL = "\0"
SOUND_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


class RequestId:
    """The proxy's id of the request, or one of our own, is in every line that is logged meanwhile, in the
    answer, and where views find it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        name = given if SOUND_ID.fullmatch(given) else uuid4().hex
        request.META["HTTP_X_REQUEST_ID"] = name
        token = request_id.set(name)
        try:
            response = self.get_response(request)
        finally:
            request_id.reset(token)
        response.headers["X-Request-Id"] = name
        return response


class RefuseNul:
    """PostgreSQL's text knows no NUL; a filter, a form's field or a session's key would hand it on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "%00" in request.META["QUERY_STRING"] or any(NUL in value for value in request.COOKIES.values()):
            raise BadRequest("A NUL character in the address or a cookie.")
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., Any], *_: object) -> None:
        """The API reads its bodies itself."""
        if getattr(view, "csrf_exempt", False):
            return
        try:
            fields = request.POST.lists()
        except UnreadablePostError as problem:
            raise BadRequest("The body broke off.") from problem
        if any(NUL in text for name, values in fields for text in (name, *values)):
            raise BadRequest("A NUL character in a field.")
