"""Who asks: the page, which proves itself, a machine with a key, or anybody."""

import re
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest

from predictions.api.errors import ApiError
from predictions.api.rate import is_page
from predictions.models import ApiKey
from predictions.models.api_key import hash_of

# A revoked key is good for so long in a process that has just seen it.
SECONDS_KNOWN = 5.0
MOST_KNOWN = 1000
BEARER = re.compile("bearer +", re.IGNORECASE)

_known: dict[str, tuple[float, ApiKey]] = {}
_lock = threading.Lock()


def needs(scope: str) -> Callable[[HttpRequest], object]:
    """For ninja: lets in whoever may do this. A key that is sent has to be good, wanted or not."""

    def check(request: HttpRequest) -> object:
        if "HTTP_AUTHORIZATION" in request.META:
            return check_key(request, scope)
        if settings.API_KEYS_REQUIRED and not is_page(request):
            raise ApiError(401, "no_key", "Send a key: Authorization: Bearer …")
        return True

    return check


def check_key(request: HttpRequest, scope: str) -> ApiKey:
    """The key of a request. Raises ApiError unless it has the scope."""
    key = find(BEARER.sub("", request.headers.get("Authorization", ""), count=1).strip())
    if key is None:
        raise ApiError(401, "bad_key", "There is no such key, or it was revoked.")
    if scope not in key.scopes:
        raise ApiError(403, "not_in_scope", f"The key may not {ApiKey.Scope(scope).label}.")
    key.note_use()
    return key


def find(token: str) -> ApiKey | None:
    now, name = time.monotonic(), hash_of(token)
    at, key = _known.get(name, (float("-inf"), None))
    if key and now - at < SECONDS_KNOWN:
        return key
    key = ApiKey.objects.of(token)
    with _lock:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        if key:
            _known[name] = now, key
        else:
            _known.pop(name, None)
    return key
