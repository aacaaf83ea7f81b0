"""Bodies on a real gunicorn: in chunks, refused while they are still being sent, broken, or slow."""

import base64
import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from mnistsite import handler
from tests.conftest import ONE, png
from tests.product import Product

PICTURE = base64.b64decode(png(ONE))
TOO_LARGE = bytes(16_000_000)
FORM = "multipart/form-data; boundary=x"
FORM_HEAD = b'--x\r\nContent-Disposition: form-data; name="image"; filename="1.png"\r\n\r\n'


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product(tmp_path_factory.mktemp("product"), API_WORK="1000000") as product:
        yield product


def in_chunks(body: bytes, size: int) -> Iterator[bytes]:
    yield from (body[start : start + size] for start in range(0, len(body), size))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", json.dumps({"image": png(ONE)}).encode()),
        ("image/png", PICTURE),
        ("image/png", PICTURE + bytes(14_000_000)),
        (FORM, FORM_HEAD + PICTURE + b"\r\n--x--\r\n"),
    ],
    ids=["JSON", "file", "large file", "form"],
)
def test_body_in_chunks_is_read_as_any_other(product: Product, kind: str, body: bytes) -> None:
    url, headers = f"http://127.0.0.1:{product.web}/api/predict", {"Content-Type": kind}
    with requests.Session() as session:  # on one connection, which a body that was not read would spoil
        whole = session.post(url, data=body, headers=headers, timeout=30)
        chunked = session.post(url, data=in_chunks(body, 30_000), headers=headers, timeout=30)
        assert (whole.status_code, chunked.status_code) == (201, 201)
        differing = {"id": "", "created_at": ""}
        assert chunked.json() | differing == whole.json() | differing
        feedback = f"{url}ions/{chunked.json()['id']}/feedback"
        said = session.post(feedback, data=in_chunks(b'{"label": 1}', 3), timeout=30)
        assert said.json()["user_label"] == 1


def post(product: Product, kind: str, body: Any) -> tuple[int, str]:
    """By Python's own client, which sends all before it reads."""
    connection = http.client.HTTPConnection("127.0.0.1", product.web, timeout=30)
    connection.request("POST", "/api/predict", body, {"Content-Type": kind})
    response = connection.getresponse()
    answer = response.status, json.loads(response.read())["error"]["code"]
    connection.close()
    return answer


def test_refusal_of_a_large_body_can_be_read_every_time(product: Product) -> None:
    answers = [post(product, "image/png", TOO_LARGE) for _ in range(200)]
    assert answers == [(413, "too_large")] * 200


@pytest.mark.parametrize("kind", ["image/png", "application/json", FORM, "text/plain"])
def test_refusal_can_be_read_whatever_was_sent(product: Product, kind: str) -> None:
    body = FORM_HEAD + bytes(30_000_000)
    whole = post(product, kind, body)
    assert whole[0] in (413, 415)
    assert post(product, kind, in_chunks(body, 60_000)) == whole


def test_connection_is_good_for_more_after_a_refusal(product: Product) -> None:
    url, kind = f"http://127.0.0.1:{product.web}/api/predict", {"Content-Type": "image/png"}
    with requests.Session() as session:
        assert session.post(url, data=TOO_LARGE, headers=kind, timeout=30).status_code == 413
        assert session.post(url, data=PICTURE, headers=kind, timeout=30).status_code == 201


def send(product: Product, sent: bytes) -> bytes:
    """The answer to raw bytes, after which the client says no more."""
    with socket.create_connection(("127.0.0.1", product.web), timeout=30) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read()


HEAD = b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"Content-Length: 100\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0\r\nHost: elsewhere\r\n\r\n",
    ],
    ids=["short", "no last chunk", "no length", "wrong length", "wrong trailer"],
)
def test_body_that_breaks_off_is_answered(product: Product, sent: bytes) -> None:
    answer = send(product, HEAD + sent)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "incomplete"


def test_slow_body_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "SECONDS_FOR_A_BODY", 0.01)
    ours, theirs = socket.socketpair()
    with ours, theirs, handler.cut_off_late(ours):
        assert ours.recv(1) == b""
        ours.sendall(b"an answer")
        assert theirs.recv(9) == b"an answer"


def test_client_that_waits_to_be_asked_for_a_small_body_and_sends_none_is_cut_off(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "SECONDS_FOR_A_BODY", 0.05)
    statuses: list[str] = []
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as body:
        environment = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/api/predict",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "CONTENT_LENGTH": "5",
            "HTTP_EXPECT": "100-continue",
            "wsgi.input": body,
            "wsgi.url_scheme": "http",
            "gunicorn.socket": ours,
        }
        handler.Handler()(environment, lambda status, headers: statuses.append(status))  # type: ignore[arg-type]
    assert statuses == ["408 Request Timeout"]


def test_body_in_time_leaves_the_connection_open() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with handler.cut_off_late(ours):
            theirs.sendall(b"a body")
            assert ours.recv(6) == b"a body"
        theirs.sendall(b"another")
        assert ours.recv(7) == b"another"
