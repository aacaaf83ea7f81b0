"""Middleware that Django does not have."""

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse


def refuse_nul(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """PostgreSQL's text knows no NUL, which the admin's filters would hand on to it."""

    def refuse(request: HttpRequest) -> HttpResponse:
        if "%00" in request.META["QUERY_STRING"]:
            raise BadRequest("A NUL character in the address.")
        return get_response(request)

    return refuse
