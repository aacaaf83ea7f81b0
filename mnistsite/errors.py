"""What Django answers when a view, or the way to it, fails for a reason that will pass: 503, not 500."""

import errno
import logging
import sys
from collections.abc import Iterator

import psycopg
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import defaults

from mnistsite.login import BusyError
from predictions.api.errors import SECONDS_TO_RETRY
from predictions.database.outage import outage
from predictions.serving import NoActiveVersionError

logger = logging.getLogger(__name__)
PASSING = (OperationalError, InterfaceError, psycopg.OperationalError, NoActiveVersionError, BusyError)
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


def server_error(request: HttpRequest) -> HttpResponse:
    """Django calls this while it handles the exception, in the middleware too."""
    passing = next((problem for problem in causes(sys.exc_info()[1]) if will_pass(problem)), None)
    if passing is None:
        return defaults.server_error(request)
    if not outage.has_been_told():
        logger.warning("Not answered: %s", passing)
    response = render(None, "503.html", {"is_busy": isinstance(passing, BusyError)}, status=503)
    response["Retry-After"] = str(SECONDS_TO_RETRY)
    setattr(response, "_has_been_logged", True)  # noqa: B010  (else Django would log its traceback)
    return response


def causes(problem: BaseException | None) -> Iterator[BaseException]:
    """The exception, and those that led to it."""
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__


def will_pass(problem: BaseException) -> bool:
    return isinstance(problem, PASSING) or (isinstance(problem, OSError) and problem.errno in DISK_FULL)
