"""Middleware that Django does not have."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, UnreadablePostError

NUL = "\0"


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
