"""What guards the way in: wrong guesses lock account and address for a while; passwords are checked one at
a time, by what the processors have left."""

import fcntl
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.exceptions import BadRequest, ValidationError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.shortcuts import render
from django.urls import reverse
from unfold.forms import AuthenticationForm

from predictions.api.rate import household

LOCK = settings.VAR_DIR  # a folder that all web processes of this machine share


# As `nice` counts: a third of another's share of a processor. With less, a login beside a training would take
# half a minute.
NICE = 5

_here = threading.Lock()


def lower_priority() -> None:
    """Of this thread alone, which only Linux can."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


class QuietHasher(PBKDF2PasswordHasher):
    """Django's own, in a thread that leaves the processors to whoever else has something to do."""

    thread = ThreadPoolExecutor(1, initializer=lower_priority)

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        return self.thread.submit(super().encode, password, salt, iterations).result()


class BusyError(Exception):
    """Somebody else's password is being checked at this moment."""


class OneAtATime:
    """Lets one sign in at a time. The server brings logins here in turn (mnistsite/gthread.py); who comes
    otherwise is refused before anything else of the request is looked at."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST" or request.path != reverse(settings.LOGIN_URL):
            return self.get_response(request)
        try:
            request.body  # noqa: B018  (who sends slowly must not keep others from signing in)
        except UnreadablePostError as problem:
            raise BadRequest("The body broke off.") from problem
        with only_one():
            return self.get_response(request)


@contextmanager
def only_one() -> Iterator[None]:
    """A password costs a third of a second of a processor to check, so a flood of them gets one processor.

    Waits for other processes, but not for another thread of this one, which would have two held. The lock
    ends with the process that holds it, however that ends. Raises BusyError.
    """
    if not _here.acquire(blocking=False):
        raise BusyError("Others are signing in at this moment.")
    try:
        LOCK.mkdir(parents=True, exist_ok=True)
        folder = os.open(LOCK, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)
    finally:
        _here.release()


def address(request: HttpRequest) -> str | None:
    """The visitor's, as the proxies in front tell it; of IPv6, the network of one household."""
    told = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")[-settings.NINJA_NUM_PROXIES :]
    believed = told[:1] if settings.NINJA_NUM_PROXIES else []
    for text in (*believed, request.META.get("REMOTE_ADDR", "")):
        with suppress(ValueError):
            return household(text.strip())
    return None


class LockedForm(AuthenticationForm):
    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = False  # nothing but the lock is wrong: a code came without them

    def clean(self) -> dict[str, Any]:
        minutes = settings.AXES_COOLOFF_TIME // timedelta(minutes=1)
        raise ValidationError(
            "Too many wrong passwords or codes. This account, or the address that you come from, is locked "
            f"for {minutes} minutes; until then none is checked. Then try again."
        )


def show_locked(request: HttpRequest, response: Any = None, credentials: Any = None) -> HttpResponse:  # noqa: ANN401
    """The login page, which says so; django-axes asks for it."""
    context = admin.site.each_context(request) | {
        "title": "Log in",
        "form": LockedForm(request, request.POST),
        "app_path": f"{reverse(settings.LOGIN_URL)}?{request.GET.urlencode()}",
    }
    answer = render(request, "admin/login.html", context, status=429)
    answer["Retry-After"] = str(int(settings.AXES_COOLOFF_TIME.total_seconds()))
    return answer
