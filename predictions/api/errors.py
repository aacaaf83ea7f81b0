"""Every error of the API in one shape: {"error": {"code", "message"}}."""

import logging
import time
from collections.abc import Callable
from typing import cast

from django.core.exceptions import RequestDataTooBig
from django.core.handlers.exception import convert_exception_to_response
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.urls import resolve
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from classifier.image_file import DrawingError
from predictions.api import rate
from predictions.api.metrics import ERRORS
from predictions.database.outage import outage
from predictions.models import Prediction, UnreadableWeightsError
from predictions.room import NoRoomError
from predictions.serving import NoActiveVersionError

logger = logging.getLogger(__name__)
SECONDS_TO_RETRY = 2
SECONDS_UNTIL_ROOM = 60
TOO_MUCH_WORK = "Your address has used up its share of this server; please try again a little later."
# The HTTP status of each DrawingError, by its code.
DRAWING_STATUS = {
    "blank_drawing": 422,
    "not_an_image": 400,
    "image_too_large": 413,
    "unsupported_format": 415,
}


class ApiError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def error(status: int, code: str, message: str) -> JsonResponse:
    ERRORS.labels(code).inc()
    response = JsonResponse({"error": {"code": code, "message": message}}, status=status)
    if status == 503:
        response["Retry-After"] = str(SECONDS_TO_RETRY)
        setattr(response, "_has_been_logged", True)  # noqa: B010  (or Django would say so at each request)
    if status == 401:  # HTTP wants it
        response["WWW-Authenticate"] = "Bearer"
    return response


def answer_errors(api: NinjaAPI) -> None:
    """Tell `api` how to answer whatever its views raise."""

    @api.exception_handler(ApiError)
    def known(request: HttpRequest, problem: ApiError) -> HttpResponse:
        return error(problem.status, problem.code, str(problem))

    @api.exception_handler(NoRoomError)
    def full(request: HttpRequest, problem: NoRoomError) -> HttpResponse:
        response = error(503, "no_room", str(problem))
        response["Retry-After"] = str(SECONDS_UNTIL_ROOM)
        return response

    @api.exception_handler(DrawingError)
    def drawing(request: HttpRequest, problem: DrawingError) -> HttpResponse:
        return error(DRAWING_STATUS[problem.code], problem.code, str(problem))

    @api.exception_handler(Prediction.DoesNotExist)
    def unknown(request: HttpRequest, problem: Prediction.DoesNotExist) -> HttpResponse:
        return error(404, "unknown_prediction", "There is no prediction of that id.")

    @api.exception_handler(ValidationError)
    def invalid(request: HttpRequest, problem: ValidationError) -> HttpResponse:
        first = problem.errors[0]
        where = first["loc"][2:] or first["loc"][1:]  # "query", name or "body", "body", and the way in it
        message = first["msg"].removeprefix("Value error, ")
        return error(400, "invalid_request", f"{'.'.join(map(str, where))}: {message}")

    @api.exception_handler(RequestDataTooBig)
    def too_large(request: HttpRequest, problem: RequestDataTooBig) -> HttpResponse:
        return error(413, "too_large", "The request is larger than 1 MB.")

    @api.exception_handler(UnreadablePostError)
    def incomplete(request: HttpRequest, problem: UnreadablePostError) -> HttpResponse:
        return error(408, "incomplete", "The request's body broke off, or took too long.")

    @api.exception_handler(HttpError)
    def other(request: HttpRequest, problem: HttpError) -> HttpResponse:
        code = "not_json" if problem.status_code == 400 else "refused"
        return error(problem.status_code, code, str(problem))

    @api.exception_handler(OperationalError)
    @api.exception_handler(InterfaceError)
    @api.exception_handler(NoActiveVersionError)
    @api.exception_handler(UnreadableWeightsError)
    def unavailable(request: HttpRequest, problem: Exception) -> HttpResponse:
        if not outage.has_been_told():
            logger.warning("Not answered: %s", problem)
        return error(503, "unavailable", "The service is not ready; please try again.")

    @api.exception_handler(Exception)
    def unexpected(request: HttpRequest, problem: Exception) -> HttpResponse:
        logger.exception("Unexpected error at %s", request.path)
        return error(500, "internal", "Something went wrong on our side.")


class ApiMiddleware:
    """Answers the API's requests at once: sessions, messages and forms, which the rest of the middleware is
    for, are not the API's. Errors that Django answers itself, such as 404 and 405, get the API's shape.

    Compressed bodies are refused here, since nobody would read them; HEAD becomes GET, which ninja knows.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.answer = convert_exception_to_response(answer_directly)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/api/"):
            return self.get_response(request)
        if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
            return error(415, "unsupported_encoding", "Send the body as it is, without a Content-Encoding.")
        if request.path.startswith("/api/docs"):  # a page
            return self.get_response(request)
        if request.method == "HEAD":
            request.method = "GET"  # the server, which has not forgotten, sends the headers only
        return in_the_apis_shape(self.answer_within_limits(request))

    def answer_within_limits(self, request: HttpRequest) -> HttpResponse:
        """What counts is the processor's time: one picture may take a hundred times that of another."""
        sender, started = rate.sender(request), time.thread_time()
        seconds = rate.work.seconds_to_wait(sender)
        response = refuse_for(seconds, TOO_MUCH_WORK) if seconds else cast(HttpResponse, self.answer(request))
        rate.work.spend(sender, 1000 * (time.thread_time() - started))
        return response


def refuse_for(seconds: int, why: str) -> HttpResponse:
    response = error(429, "too_many_requests", why)
    response["Retry-After"] = str(seconds)
    return response


def answer_directly(request: HttpRequest) -> HttpResponse:
    request.get_host()  # raises DisallowedHost
    request.resolver_match = match = resolve(request.path_info)
    response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    response.headers["Content-Length"] = str(len(response.content))
    return response


def in_the_apis_shape(response: HttpResponse) -> HttpResponse:
    is_json = response.headers.get("Content-Type", "").startswith("application/json")
    if response.status_code < 400 or is_json:
        return response
    code = {404: "not_found", 405: "method_not_allowed"}.get(response.status_code, "refused")
    answer = error(response.status_code, code, response.reason_phrase)
    if "Allow" in response:  # HTTP wants it with 405
        answer["Allow"] = response["Allow"].replace("GET", "GET, HEAD")
    return answer
