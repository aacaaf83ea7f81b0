"""How a drawing comes to the API: as JSON, as a form, or as the picture's file itself; and how much may come.

A large body is in memory twice at the most, and only a few are at a time.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from typing import Any, Self, cast

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, QueryDict, UnreadablePostError
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from ninja.errors import ValidationError
from pydantic import ValidationError as NotValid

from classifier.image_file import MOST_BYTES, is_costly
from predictions.api.errors import ApiError
from predictions.api.schemas import PredictIn

SMALL = settings.DATA_UPLOAD_MAX_MEMORY_SIZE  # bytes of a request, or of all in it but the picture
MAX_PICTURE = MOST_BYTES  # of its file
MAX_FORM = MAX_PICTURE + SMALL
MAX_JSON = 22_000_000  # such a picture in base64, its lines broken as JSON writes it, and all else
PIECE = 1_000_000  # bytes read at a time
LONG = 100_000  # characters of a string in JSON that can only be a picture
SECONDS_TO_WAIT = 2
# Small drawings are read one at a time: threads that compute at once hand Python's lock to each other a
# hundred times in a request, which takes a sixth of its time. Large pictures have a turn of their own: two at
# once would leave less of the processors to visitors who draw.
TURN, LARGE_TURN = threading.Lock(), threading.Lock()

TOO_LARGE = "A picture's file may have 15 MB, and all that comes with it 1 MB."
TOO_LARGE_TEXT = "The form's texts have more than 1 MB; send the picture as a file: curl -F image=@photo.jpg"
VISITOR_IN_ADDRESS = "visitor: send it in the header X-Visitor, since addresses are logged"
UNSUPPORTED = "Send a picture's file as image/… or in multipart/form-data, or send application/json."


class Place:
    """One of the few places for pictures that are large or costly to decode, from when it is taken to the
    end of the block."""

    free = threading.BoundedSemaphore(settings.LARGE_AT_ONCE)

    def __init__(self) -> None:
        self.taken = False

    def take(self, seconds: float) -> None:
        """Wait so long for a place, unless it has been taken. Raises ApiError."""
        self.taken = self.taken or self.free.acquire(timeout=seconds)
        if not self.taken:
            raise ApiError(503, "busy", "Too many large pictures are being read; please try again.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.taken:
            self.free.release()


class Body:
    """A request's body, which is read no further than `limit`; before it is large, it takes its place."""

    def __init__(self, request: HttpRequest, limit: int, place: Place) -> None:
        self.request, self.limit, self.place = request, limit, place
        self.declared, self.received = int(request.META.get("CONTENT_LENGTH") or 0), 0
        self._allow(self.declared)

    def _allow(self, length: int) -> None:
        check_size(length, self.limit)
        if length > SMALL:
            self.place.take(SECONDS_TO_WAIT)

    def read(self, size: int, /) -> bytes:
        piece = self.request.read(size)
        self.received += len(piece)
        self._allow(self.received)
        if not piece and self.received < self.declared:
            raise UnreadablePostError
        return piece

    def read_all(self) -> bytes:
        whole = BytesIO()
        while piece := self.read(PIECE):
            whole.write(piece)
        return whole.getvalue()


@contextmanager
def receive(request: HttpRequest) -> Iterator[tuple[PredictIn, AbstractContextManager[object]]]:
    """The drawing of a request, to be decoded and read within the block, and what to hold meanwhile. Raises
    ApiError or OSError."""
    with Place() as place:
        drawing = validate(named(request, read(request, place)))
        if drawing.image is not None:
            check_size(len(drawing.image), MAX_PICTURE)
            if is_costly(drawing.image):
                # Where the request was small, all that waits in its thread could be visitors who draw.
                place.take(SECONDS_TO_WAIT if len(drawing.image) > settings.WATCHED else 0)
        yield drawing, LARGE_TURN if place.taken else TURN


def named(request: HttpRequest, data: Any) -> Any:  # noqa: ANN401
    """With the visitor whom the header names, unless the body does: a null there names nobody."""
    visitor = request.META.get("HTTP_X_VISITOR")
    if not visitor or not isinstance(data, dict) or data.get("visitor") is not None:
        return data
    return data | {"visitor": visitor}


def check_size(length: int, limit: int) -> None:
    if length > limit:
        raise ApiError(413, "too_large", TOO_LARGE)


def validate(data: Any) -> PredictIn:  # noqa: ANN401
    try:
        return PredictIn.model_validate(data)
    except NotValid as problem:
        fault = problem.errors(include_input=False)[0]
        raise ValidationError([{**fault, "loc": ("body", "body", *fault["loc"])}]) from None


def read(request: HttpRequest, place: Place) -> Any:  # noqa: ANN401
    """The fields of PredictIn, as whichever content type brings them; the picture as a file or in base64."""
    kind = request.content_type
    if kind in ("application/json", ""):
        return read_json(Body(request, MAX_JSON, place))
    if kind == "multipart/form-data":
        return read_form(Body(request, MAX_FORM, place))
    if kind and kind.startswith("image/"):
        if "visitor" in request.GET:
            raise ApiError(400, "invalid_request", VISITOR_IN_ADDRESS)
        return parse_texts(request.GET) | {"image": Body(request, MAX_PICTURE, place).read_all()}
    raise ApiError(415, "unsupported_media_type", UNSUPPORTED)


def read_json(body: Body) -> Any:  # noqa: ANN401
    try:
        return parse_json(body.read_all())
    except (ValueError, RecursionError):
        raise ApiError(400, "not_json", "The body is not JSON.") from None


# Between two quotes, and not between two strings, where a colon, a comma or a bracket would come first.
LONG_STRING = re.compile(rb'"(?=\s*[\w+/\\-])[^"]{%d}' % LONG)
CUT = "(cut out)"


def parse_json(text: bytes) -> Any:  # noqa: ANN401
    """As json.loads, which copies a text twice: so the picture in a large one is parsed by itself."""
    if len(text) <= SMALL:
        return parse_small_json(text) if text else {}
    rest, picture = cut_picture(text)
    del text
    data = json.loads(rest)
    if isinstance(data, dict) and data.get("image") == CUT:
        data["image"] = json.loads(picture)
    return data


def parse_small_json(text: bytes) -> Any:  # noqa: ANN401
    """Quickly; what orjson refuses may still be JSON as the standard library reads it."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)


def cut_picture(text: bytes) -> tuple[bytes, str]:
    """JSON without its first long string, and that string. Raises ApiError where all else is not small."""
    begun = LONG_STRING.search(text, 0, SMALL + LONG)
    start, end = (begun.start(), text.find(b'"', begun.end()) + 1) if begun else (0, 0)
    check_size(len(text) - (end - start), SMALL)
    rest = text[:start] + json.dumps(CUT).encode() + text[end:]
    return rest, str(memoryview(text)[start:end], "utf-8")


def read_form(body: Body) -> dict[str, Any]:
    picture = PictureHandler()
    meta = {"CONTENT_TYPE": body.request.META["CONTENT_TYPE"], "CONTENT_LENGTH": body.limit}
    try:
        texts, _ = MultiPartParser(meta, cast(BytesIO, body), [picture], body.request.encoding).parse()
    except RequestDataTooBig:
        raise ApiError(413, "too_large", TOO_LARGE_TEXT) from None
    except (MultiPartParserError, SuspiciousOperation):
        raise ApiError(400, "not_a_form", "The body is not multipart/form-data.") from None
    file = {} if picture.file is None else {"image": picture.file.getvalue()}
    return parse_texts(texts) | file


class PictureHandler(FileUploadHandler):
    """Keeps the form's file `image`, in memory."""

    file: BytesIO | None = None

    def new_file(self, field_name: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().new_file(field_name, *args, **kwargs)
        if field_name == "image":
            self.file = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self.file is not None and self.field_name == "image":
            self.file.write(raw_data)

    def file_complete(self, file_size: int) -> None:
        """It stays here, and not among the form's files."""


def parse_texts(texts: QueryDict) -> dict[str, Any]:
    """A form's fields, or an address's: texts, of which `strokes` are JSON."""
    fields: dict[str, Any] = texts.dict()
    if "strokes" in fields:
        try:
            fields["strokes"] = json.loads(fields["strokes"])
        except (ValueError, RecursionError):
            raise ApiError(400, "invalid_request", "strokes: is not JSON") from None
    return fields
