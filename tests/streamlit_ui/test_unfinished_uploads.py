"""Files and messages that visitors begin to send to the real page, and do not finish."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import pytest
import requests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from streamlit_ui import kept_uploads
from tests.product import REPOSITORY, free_port
from tests.waiting import wait_until

SIZE = 14_000_000
ROOM = kept_uploads.MOST_BYTES_UNDER_WAY // SIZE
FILE = b'--X\r\nContent-Disposition: form-data; name="f"; filename="1.png"\r\n\r\n'
BEGUN = {
    "multipart/form-data; boundary=X": FILE,
    "application/x-www-form-urlencoded": b"&".join([b"field=" + bytes(999_900)] * 14),
}


@dataclass
class Visit:
    port: int
    token: str
    session: str

    def begin_upload(self, kind: str) -> socket.socket:
        """All of a file but its last byte, or as much of it as is taken."""
        client = socket.create_connection(("localhost", self.port), timeout=30)
        head = (
            f"PUT /_stcore/upload_file/{self.session}/1 HTTP/1.1\r\nHost: localhost\r\n"
            f"Cookie: _streamlit_xsrf={self.token}\r\nX-Xsrftoken: {self.token}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {SIZE + 1}\r\n\r\n"
        )
        with suppress(OSError):
            client.sendall(head.encode() + BEGUN[kind].ljust(SIZE, b"\0"))
        return client

    def upload(self) -> int:
        return requests.put(
            f"http://localhost:{self.port}/_stcore/upload_file/{self.session}/2",
            files={"file": bytes(SIZE)},
            cookies={"_streamlit_xsrf": self.token},
            headers={"X-Xsrftoken": self.token},
            timeout=30,
        ).status_code


@pytest.fixture(scope="module")
def visit() -> Iterator[Visit]:
    """The page without an API, and a visitor whose script has run."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_ui/app.py", f"--server.port={port}"]
    page = subprocess.Popen(command, cwd=REPOSITORY)
    try:
        wait_until(lambda: is_there(port), 60)
        address, protocols = f"ws://localhost:{port}/_stcore/stream", [Subprotocol("streamlit")]
        with connect(address, subprotocols=protocols) as websocket:
            begin = BackMsg()
            begin.rerun_script.query_string = ""
            websocket.send(begin.SerializeToString())
            yield Visit(port, fetch(port).cookies["_streamlit_xsrf"], session_when_run(websocket))
    finally:
        page.terminate()
        page.wait()


def session_when_run(websocket: ClientConnection) -> str:
    """The session's name, when its script has run."""
    session = ""
    while True:
        message = ForwardMsg.FromString(bytes(websocket.recv(timeout=30, decode=False)))
        session = session or message.new_session.initialize.session_id
        if message.HasField("script_finished"):
            return session


def fetch(port: int) -> requests.Response:
    return requests.get(f"http://localhost:{port}/_stcore/health", timeout=30)


def is_there(port: int) -> bool:
    with suppress(requests.ConnectionError):
        return fetch(port).ok
    return False


def is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        client.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


@pytest.mark.parametrize("kind", BEGUN)
def test_unfinished_uploads_are_refused_when_they_are_too_many(visit: Visit, kind: str) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(visit.begin_upload(kind)) for _ in range(ROOM + 5)]
        wait_until(lambda: sum(map(is_open, clients)) == ROOM, 30)
        assert is_there(visit.port)
    wait_until(lambda: visit.upload() == 204, 30)


def test_message_that_would_be_long_is_not_received(visit: Visit) -> None:
    head = (
        b"GET /_stcore/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.create_connection(("localhost", visit.port), timeout=30) as client:
        client.sendall(head)
        assert client.recv(10_000).startswith(b"HTTP/1.1 101 ")
        client.sendall(b"\x82\xff" + (3_000_000).to_bytes(8, "big") + bytes(4) + bytes(1000))
        assert client.recv(4)[2:] == (1009).to_bytes(2, "big")
