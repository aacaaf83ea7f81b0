"""The API as the page calls it: one function an endpoint, JSON in and out.

Every call may be repeated without harm: a prediction carries its id, the rest is idempotent.
"""

import os
from pathlib import Path
from typing import Any, TypedDict, cast

import requests
from requests.adapters import HTTPAdapter

API_URL = os.environ.get("API_URL", "http://localhost:8000").rstrip("/")
# By which the API knows that it may believe the page about a visitor's address.
PAGE_SECRET = os.environ.get("PAGE_SECRET", "")
if file := os.environ.get("PAGE_SECRET_FILE"):
    PAGE_SECRET = Path(file).read_text().strip()
# How long deleted drawings stay in weights and in backups, as the operator has set it.
FORGET_DAYS = int(os.environ.get("FORGET_DAYS") or 7)
KEEP_DAYS = int(os.environ.get("KEEP_DAYS") or 0)  # without any there are no backups of ours
NOT_A_DIGIT = 10
# For the connection and for sending a body; for the answer after that.
SECONDS = (2, 5)
SECONDS_FOR_A_PICTURE = (10, 15)  # it may have 15 MB, and may have to wait for its turn
SECONDS_TO_RETRY = 3

# What passes by itself, by the API's error codes.
LATER = {
    "too_many_requests": "That was more than the recogniser takes at a time.",
    "no_room": "The recogniser has no room for more drawings just now.",
    "busy": "The recogniser is busy with other large pictures.",
    "incomplete": "The picture took too long on its way.",
}

# The API's words for programs, said to visitors.
SAID = {"unknown_prediction": "That drawing has been deleted."}

# One for all visitors: it keeps connections open and is given no cookies.
_http = requests.Session()
_http.mount("http", HTTPAdapter(pool_maxsize=64))


class Answer(TypedDict):
    """A prediction; `input` is a 28×28 PNG in base64, labels are 0 to 9 or NOT_A_DIGIT."""

    id: str
    digit: int
    confidence: float
    probabilities: list[float]
    uncertain: bool
    reason: str | None
    model_version: str
    input: str
    created_at: str
    drawing: str | None
    user_label: int | None
    true_label: int | None


class History(TypedDict):
    predictions: list[Answer]
    next: str | None


class RefusedError(Exception):
    """The API will not do this, now or later; the text says why."""


class TryLaterError(Exception):
    """Not now: the API is away, slow or has had too many requests. The text says so to the visitor."""

    def __init__(self, message: str, seconds: int, code: str = "") -> None:
        super().__init__(message)
        self.seconds, self.code = seconds, code


def call(method: str, path: str, address: str | None, visitor: str | None = None, **options: Any) -> Any:  # noqa: ANN401
    """The API's answer. Raises RefusedError or TryLaterError.

    `address` is the visitor's, so that a limit on work is a limit for each visitor.
    """
    headers = {"X-Forwarded-For": address, "X-Visitor": visitor, "X-Page-Secret": PAGE_SECRET or None}
    try:
        response = _http.request(method, API_URL + path, headers=headers, **({"timeout": SECONDS} | options))
    except requests.RequestException as problem:
        raise TryLaterError("The recogniser cannot be reached just now.", SECONDS_TO_RETRY) from problem
    if response.ok:
        return response.json()
    raise _problem(response)


def _problem(response: requests.Response) -> Exception:
    after = response.headers.get("Retry-After", "")
    seconds = int(after) if after.isdecimal() else SECONDS_TO_RETRY
    code, message = _error(response)
    if code in LATER:
        return TryLaterError(LATER[code], seconds, code)
    if response.status_code >= 500:
        return TryLaterError("The recogniser is away just now.", seconds)
    return RefusedError(SAID.get(code, message))


def _error(response: requests.Response) -> tuple[str, str]:
    """Code and message."""
    try:
        error = response.json()["error"]
        return error["code"], error["message"]
    except (ValueError, KeyError, TypeError):
        return "", "The recogniser did not accept that."


def predict(drawing: dict[str, Any], visitor: str, address: str | None = None) -> Answer:
    """Read what is drawn on the page: `id`, `strokes` and `image`, and `drawing` where it has more states."""
    body = {**drawing, "source": "page"}
    return cast("Answer", call("POST", "/api/predict", address, visitor, json=body))


def predict_file(file: bytes, prediction: str, visitor: str, address: str | None = None) -> Answer:
    """Read any file that may be a picture, sent as it is; `prediction` is the id that the answer gets."""
    fields = {"id": prediction, "source": "upload"}
    picture = {"image": ("picture", file)}
    timeout = SECONDS_FOR_A_PICTURE
    return cast(
        "Answer", call("POST", "/api/predict", address, visitor, data=fields, files=picture, timeout=timeout)
    )


def label(prediction: str, digit: int, address: str | None = None) -> None:
    """Say which digit it was, or NOT_A_DIGIT."""
    body = {"not_a_digit": True} if digit == NOT_A_DIGIT else {"label": digit}
    call("POST", f"/api/predictions/{prediction}/feedback", address, json=body)


def unlabel(prediction: str, address: str | None = None) -> None:
    """Take back what `label` said."""
    call("DELETE", f"/api/predictions/{prediction}/feedback", address)


def history(visitor: str, before: str | None = None, address: str | None = None, limit: int = 10) -> History:
    """The visitor's drawings, newest first, older than `before` where it is given."""
    parameters = {"before": before, "limit": str(limit)}
    return cast("History", call("GET", "/api/predictions", address, visitor, params=parameters))


def delete(visitor: str, address: str | None = None) -> int:
    """Delete all of the visitor's drawings; how many there were."""
    return int(call("DELETE", "/api/predictions", address, visitor)["deleted"])


def stats(visitor: str, address: str | None = None) -> dict[str, Any]:
    """`everyone` and `visitor`: predictions, labelled, correct, accuracy (None before any label)."""
    return cast("dict[str, Any]", call("GET", "/api/stats", address, visitor))


def model(address: str | None = None) -> dict[str, Any]:
    """The version that answers now: name, created_at, metrics."""
    return cast("dict[str, Any]", call("GET", "/api/model", address))


def explanation(prediction: str, address: str | None = None) -> dict[str, Any]:
    """How that drawing was read, as pictures (see predictions/api/explanation.py)."""
    return cast("dict[str, Any]", call("GET", f"/api/predictions/{prediction}/explanation", address))
