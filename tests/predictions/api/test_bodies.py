"""The ways in which a drawing comes to POST /api/predict: one answer from each, and too much is refused."""

import base64
import io
import json
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from classifier.image_file import decode
from predictions.api import bodies, rate
from predictions.models import ModelVersion, Prediction
from tests.conftest import ONE, ZERO, png

FILE = base64.b64decode(png(ONE))
BLANK = base64.b64decode(png([]))
VISITOR, DRAWING = uuid.UUID(int=1), uuid.UUID(int=2)
FIELDS = {"visitor": str(VISITOR), "drawing": str(DRAWING), "source": "upload"}

Send = Callable[..., Any]


def as_json(client: Client, image: bytes, **fields: Any) -> Any:
    body = {"image": base64.b64encode(image).decode(), **fields}
    return client.post("/api/predict", body, content_type="application/json")


def as_json_in_lines(client: Client, image: bytes, **fields: Any) -> Any:
    body = {"image": base64.encodebytes(image).decode(), **fields}
    return client.post("/api/predict", body, content_type="application/json; charset=utf-8")


def as_form(client: Client, image: bytes, **fields: Any) -> Any:
    if "strokes" in fields:
        fields["strokes"] = json.dumps(fields["strokes"])
    return client.post("/api/predict", {"image": SimpleUploadedFile("photo.jpg", image), **fields})


def as_text_in_a_form(client: Client, image: bytes, **fields: Any) -> Any:
    if "strokes" in fields:
        fields["strokes"] = json.dumps(fields["strokes"])
    return client.post("/api/predict", {"image": base64.b64encode(image).decode(), **fields})


def as_body(client: Client, image: bytes, **fields: Any) -> Any:
    if "strokes" in fields:
        fields["strokes"] = json.dumps(fields["strokes"])
    extra: dict[str, Any] = {"CONTENT_TYPE": "image/jpeg"}  # of an empty body as well
    if "visitor" in fields:
        extra["HTTP_X_VISITOR"] = fields.pop("visitor")
    return client.generic("POST", "/api/predict", image, query_params=fields, **extra)


WAYS = [as_json, as_json_in_lines, as_form, as_text_in_a_form, as_body]
each_way = pytest.mark.parametrize("send", WAYS)


def padded(size: int, picture: bytes = FILE) -> bytes:
    """A picture's file of so many bytes; what follows the picture is not read."""
    return picture + np.random.default_rng(0).bytes(size - len(picture))


def answer(response: Any) -> dict[str, Any]:
    """All that does not differ from one request to the next."""
    return {key: value for key, value in response.json().items() if key not in ("id", "created_at")}


@each_way
def test_each_way_gives_one_answer_and_one_row(send: Send, client: Client, version: ModelVersion) -> None:
    plain, response = as_json(client, FILE), send(client, FILE, **FIELDS)
    assert response.status_code == 201
    assert answer(response) == answer(plain) | {"drawing": str(DRAWING)}
    row = Prediction.objects.get(pk=response.json()["id"])
    assert (row.digit, row.visitor, row.drawing, row.source) == (1, VISITOR, DRAWING, "upload")
    first = Prediction.objects.get(pk=plain.json()["id"])
    assert (row.image, row.input, row.strokes) == (first.image, first.input, None)


@each_way
def test_each_way_may_be_retried_by_id(send: Send, client: Client, version: ModelVersion) -> None:
    key = str(uuid.uuid4())
    first, again = (send(client, FILE, id=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert str(Prediction.objects.get().pk) == key


@each_way
def test_strokes_beside_the_picture_are_read(send: Send, client: Client, version: ModelVersion) -> None:
    assert send(client, FILE, strokes=ZERO).json()["digit"] == 0
    row = Prediction.objects.get()
    assert row.strokes == ZERO
    assert row.image


def test_form_may_have_strokes_alone_and_files_that_nobody_asked_for(
    client: Client, version: ModelVersion
) -> None:
    other = SimpleUploadedFile("other.png", b"no picture")
    assert client.post("/api/predict", {"strokes": json.dumps(ZERO), "other": other}).json()["digit"] == 0
    form = {"image": SimpleUploadedFile("1.png", FILE), "other": other}
    assert client.post("/api/predict", form).json()["digit"] == 1


def test_neither_name_nor_content_type_says_what_a_picture_is(client: Client, version: ModelVersion) -> None:
    photo = SimpleUploadedFile("letter.pdf", FILE, content_type="application/pdf")
    assert client.post("/api/predict", {"image": photo}).json()["digit"] == 1
    assert client.post("/api/predict", FILE, content_type="image/x-nonsense").json()["digit"] == 1


@each_way
@pytest.mark.parametrize(
    ("image", "fields", "status", "code"),
    [
        (BLANK, {}, 422, "blank_drawing"),
        (b"", {}, 400, "not_an_image"),
        (b"hello", {}, 400, "not_an_image"),
        (FILE[:60], {}, 400, "not_an_image"),
        (b"hello", {"strokes": ONE}, 400, "not_an_image"),
        (FILE, {"id": "7"}, 400, "invalid_request"),
        (FILE, {"source": "moon"}, 400, "invalid_request"),
        (FILE, {"strokes": []}, 400, "invalid_request"),
        (FILE, {"strokes": [[["a", 1]]]}, 400, "invalid_request"),
    ],
)
def test_each_way_has_the_same_errors(
    send: Send,
    client: Client,
    version: ModelVersion,
    image: bytes,
    fields: dict[str, Any],
    status: int,
    code: str,
) -> None:
    response, plain = send(client, image, **fields), as_json(client, image, **fields)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.json() == plain.json()
    assert not Prediction.objects.exists()


@pytest.mark.parametrize("strokes", ["[[[1, 2", "x", "[" * 100_000])
def test_strokes_of_a_form_must_be_json(client: Client, version: ModelVersion, strokes: str) -> None:
    response = client.post("/api/predict", {"strokes": strokes})
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "strokes: is not JSON"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/pdf", "image"]
)
def test_other_content_types_are_told_which_there_are(
    client: Client, version: ModelVersion, kind: str
) -> None:
    response = client.post("/api/predict", FILE, content_type=kind)
    assert (response.status_code, response.json()["error"]["code"]) == (415, "unsupported_media_type")
    assert "multipart/form-data" in response.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/api/predict", f"/api/predictions/{VISITOR}/feedback"])
def test_compressed_bodies_are_refused(client: Client, version: ModelVersion, path: str) -> None:
    headers = {"Content-Encoding": "gzip"}
    response = client.post(path, {"label": 1}, content_type="application/json", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (415, "unsupported_encoding")
    assert as_body(client, FILE).status_code == 201
    same = client.post(
        "/api/predict", FILE, content_type="image/png", headers={"Content-Encoding": "identity"}
    )
    assert same.status_code == 201


def test_json_may_come_without_a_content_type(client: Client, version: ModelVersion) -> None:
    response = client.generic("POST", "/api/predict", json.dumps({"strokes": ONE}), content_type="")
    assert response.status_code == 201


@pytest.mark.parametrize("send", [as_json, as_json_in_lines, as_form, as_body])
def test_file_may_have_fifteen_megabytes(send: Send, client: Client, version: ModelVersion) -> None:
    assert send(client, padded(15_000_000, BLANK)).status_code == 422
    response = send(client, padded(15_000_001, BLANK))
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
    assert "15 MB" in response.json()["error"]["message"]


def test_largest_picture_in_json_however_it_is_written(client: Client, version: ModelVersion) -> None:
    """A JPEG whose every slash is escaped, as PHP does, even the first; other fields on both sides."""
    photo = io.BytesIO()
    Image.open(io.BytesIO(FILE)).save(photo, "JPEG")
    image = padded(bodies.MAX_PICTURE, photo.getvalue())
    text = base64.encodebytes(image).replace(b"/", b"\\/").replace(b"\n", b"\\r\\n")
    strokes = [[[0.12345, index] for index in range(1_900)]]
    body = b'{"strokes": %s, "image" : "%s", "source": "upload"}' % (json.dumps(strokes).encode(), text)
    assert bodies.SMALL < len(body) <= bodies.MAX_JSON
    response = client.post("/api/predict", body, content_type="application/json")
    assert response.status_code == 201
    row = Prediction.objects.get()
    assert (row.strokes, row.source) == (strokes, "upload")
    assert np.array_equal(decode(bytes(row.image or b"")), decode(photo.getvalue()))


LARGE = b"A" * bodies.SMALL


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"image": "%s"}' % LARGE, 400, "not_an_image"),
        (b'{"image": "%s!"}' % LARGE, 400, "invalid_request"),
        (b'{"image": "%s\xff"}' % LARGE, 400, "not_json"),
        (b'{"image": "%s"' % LARGE, 400, "not_json"),
        (b'{"image": "%s}' % LARGE, 413, "too_large"),
        (b'["%s"]' % LARGE, 400, "invalid_request"),
        (b'{"drawing": {"image": "%s"}}' % LARGE, 400, "invalid_request"),
        (b'{"x": "%s", "image": "(cut out)"}' % LARGE, 400, "not_an_image"),
        (b'{"strokes": [%s[[0, 0]]]}' % (b"[[0, 0]]," * 120_000), 413, "too_large"),
        (b'{"x": "%s", "image": "%s"}' % (LARGE, LARGE), 413, "too_large"),
        (b'{"x": "' + b'\\"' * bodies.SMALL + b'"}', 413, "too_large"),
        (b'"",' * bodies.SMALL, 413, "too_large"),
        (b" " * (bodies.MAX_JSON + 1), 413, "too_large"),
    ],
)
def test_large_json_that_is_no_picture_is_refused(
    client: Client, version: ModelVersion, body: bytes, status: int, code: str
) -> None:
    response = client.post("/api/predict", body, content_type="application/json")
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_text_of_a_form_is_small(client: Client, version: ModelVersion) -> None:
    response = client.post("/api/predict", {"image": "A" * 1_000_001})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
    assert "as a file" in response.json()["error"]["message"]


FORM = encode_multipart(BOUNDARY, {"image": SimpleUploadedFile("1.png", FILE), **FIELDS})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    cut=st.slices(len(FORM)),
    place=st.integers(0, len(FORM)),
    inserted=st.one_of(st.binary(max_size=9), st.sampled_from([BOUNDARY.encode(), b"\r\n--", b"\r\n\r\n"])),
    kind=st.sampled_from([MULTIPART_CONTENT, "multipart/form-data", "multipart/form-data; boundary=é"]),
)
@example(cut=slice(0, 0), place=0, inserted=b"", kind=MULTIPART_CONTENT)
def test_broken_form_is_the_senders_fault(
    client: Client, version: ModelVersion, cut: slice, place: int, inserted: bytes, kind: str
) -> None:
    body = bytearray(FORM)
    body[place:place] = inserted
    del body[cut]
    rate.work.accounts.clear()  # more work than a person causes
    response = client.generic("POST", "/api/predict", bytes(body), content_type=kind)
    assert response.status_code in (201, 400, 413, 422)


@pytest.fixture
def one_place(monkeypatch: pytest.MonkeyPatch) -> threading.BoundedSemaphore:
    """For large pictures, and nobody waits for it."""
    monkeypatch.setattr(bodies.Place, "free", threading.BoundedSemaphore(1))
    monkeypatch.setattr(bodies, "SECONDS_TO_WAIT", 0)
    return bodies.Place.free


def enlarged() -> bytes:
    """A digit, costly to decode."""
    file = io.BytesIO()
    Image.open(io.BytesIO(FILE)).convert("L").resize((2100, 2100)).save(file, "PNG")
    return file.getvalue()


def costly() -> bytes:
    """A small file of a large blank picture."""
    file = io.BytesIO()
    Image.new("L", (2000, 1900)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("image", [padded(1_000_001), costly()], ids=["large", "costly"])
@pytest.mark.parametrize("send", [as_json, as_form, as_body])
def test_too_many_large_pictures_wait_and_small_ones_never(
    send: Send, image: bytes, client: Client, version: ModelVersion, one_place: threading.BoundedSemaphore
) -> None:
    with one_place:
        response = send(client, image)
        assert (response.status_code, response.json()["error"]["code"]) == (503, "busy")
        assert int(response["Retry-After"]) >= 1
        assert send(client, FILE).status_code == 201
    with bodies.TURN:  # a small drawing is being read
        assert send(client, image).status_code in (201, 422)


def test_large_pictures_are_read_one_at_a_time_and_drawings_do_not_wait_for_them(
    client: Client, version: ModelVersion
) -> None:
    bodies.LARGE_TURN.acquire()  # a large picture is being read
    assert as_body(client, FILE).status_code == 201
    threading.Timer(0.2, bodies.LARGE_TURN.release).start()
    assert as_body(client, enlarged()).status_code == 201
    drawing, picture = Prediction.objects.order_by("created_at").values_list("latency_ms", flat=True)
    assert drawing < 100 < picture


def test_costly_picture_in_a_small_request_waits_for_no_place(
    client: Client, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies.Place, "free", threading.BoundedSemaphore(1))
    with bodies.Place.free:
        started = time.monotonic()
        assert as_body(client, costly()).status_code == 503
        assert time.monotonic() - started < bodies.SECONDS_TO_WAIT


@pytest.mark.parametrize(
    "image",
    [costly(), padded(1_000_001), b"x" * 1_000_001, padded(15_000_001), FILE[:-10]],
    ids=["costly", "large", "no picture", "too large", "small"],
)
def test_place_is_given_back_whatever_comes_of_the_picture(
    image: bytes, client: Client, version: ModelVersion, one_place: threading.BoundedSemaphore
) -> None:
    statuses = {as_body(client, image).status_code for _ in range(3)}
    assert len(statuses) == 1
    assert 503 not in statuses
    assert one_place.acquire(blocking=False)
    one_place.release()
    assert not bodies.TURN.locked() and not bodies.LARGE_TURN.locked()


def test_body_that_breaks_off_is_told_so(client: Client, version: ModelVersion) -> None:
    for kind, body in (("image/png", FILE), (MULTIPART_CONTENT, FORM)):
        payload = io.BytesIO(body[:-10])  # unlike the client's own, it may end early
        extra: dict[str, Any] = {"CONTENT_LENGTH": len(body), "wsgi.input": payload}
        response = client.generic("POST", "/api/predict", body, content_type=kind, **extra)
        assert (response.status_code, response.json()["error"]["code"]) == (408, "incomplete")


def test_description_has_each_way(client: Client) -> None:
    call = client.get("/api/openapi.json").json()["paths"]["/api/predict"]["post"]
    content = call["requestBody"]["content"]
    assert content.keys() == {"application/json", "multipart/form-data", "image/*"}
    picture = content["application/json"]["schema"]["properties"]["image"]["anyOf"][0]
    assert picture == {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/*"}
    assert {each["name"] for each in call["parameters"]} == {
        "strokes",
        "id",
        "drawing",
        "X-Visitor",
        "source",
    }
    assert '"binary"' not in json.dumps(call)


@pytest.mark.parametrize("name", ["strokes", "image", "data URL"])
def test_examples_of_the_description_work(client: Client, version: ModelVersion, name: str) -> None:
    call = client.get("/api/openapi.json").json()["paths"]["/api/predict"]["post"]
    body = call["requestBody"]["content"]["application/json"]["examples"][name]["value"]
    assert client.post("/api/predict", body, content_type="application/json").json()["digit"] == 1
