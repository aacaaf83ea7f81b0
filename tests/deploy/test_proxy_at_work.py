"""The real Caddy with deploy/proxy/Caddyfile, in front of servers that die or wait."""

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import pytest
import requests

from tests.deploy.test_proxy import CADDYFILE
from tests.product import free_port

CADDY = Path(sys.executable).with_name("caddy")
PREDICT = b"POST /api/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each connection by `answer`, and keeps what it has received."""

    def __init__(self, answer: bytes = b"") -> None:
        self.listener, self.answer = socket.create_server(("127.0.0.1", 0)), answer
        self.port: int = self.listener.getsockname()[1]
        self.received: list[bytes] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection:
                    self.received.append(read_request(connection))
                    connection.sendall(self.answer)


def read_request(connection: socket.socket) -> bytes:
    """Head and body, in as many pieces as they come."""
    received = connection.recv(200_000)
    stated = re.search(rb"Content-Length: (\d+)", received)
    while stated and len(received.partition(b"\r\n\r\n")[2]) < int(stated[1]):
        if not (piece := connection.recv(200_000)):
            break
        received += piece
    return received


Proxied = Callable[..., str]


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Proxied]:
    """Start Caddy before servers on these ports of 127.0.0.1; its address."""
    with ExitStack() as stack:

        def start(*ports: int) -> str:
            port, health = free_port(), free_port()
            servers = "to " + " ".join(f"127.0.0.1:{port}" for port in ports)
            text = re.sub(r"dynamic a .*?\n\t\}", servers, CADDYFILE, flags=re.DOTALL)
            text = text.replace("127.0.0.1:2020", f"127.0.0.1:{health}")
            file = tmp_path / "Caddyfile"
            file.write_text(text)
            environment = {"SITE": f"http://127.0.0.1:{port}", "HOME": str(tmp_path)}
            command = [str(CADDY), "run", "--config", str(file), "--adapter", "caddyfile"]
            log = stack.enter_context((tmp_path / "log").open("w"))
            caddy = subprocess.Popen(command, env=environment, stderr=log)
            stack.callback(caddy.wait)
            stack.callback(caddy.kill)
            wait_for(port)
            return f"http://127.0.0.1:{port}"

        yield start


def wait_for(port: int) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise AssertionError("Caddy does not answer.")


@pytest.mark.parametrize("method", ["POST", "DELETE", "GET"])
@pytest.mark.parametrize("path", ["/api/predict", "/admin/login/"])
def test_request_that_kills_a_server_reaches_no_other(proxied: Proxied, method: str, path: str) -> None:
    with Server() as one, Server() as other:
        site = proxied(one.port, other.port)
        answer = requests.request(method, site + path, data=b"{}", timeout=40)
    assert len(one.received + other.received) == 1
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    if path.startswith("/api"):
        assert answer.json()["error"]["code"] == "unavailable"


def test_request_that_reached_nobody_is_sent_to_the_next_server(proxied: Proxied) -> None:
    with Server(OK) as server:
        site = proxied(free_port(), server.port)
        answers = [requests.post(f"{site}/api/predict", data=b"{}", timeout=40).text for _ in range(6)]
    assert answers == ["ok"] * 6


def test_server_hears_of_a_drawing_when_all_of_it_has_come(proxied: Proxied) -> None:
    body = json.dumps({"strokes": [[[1, 2]] * 3000]}).encode()
    with Server(OK) as server:
        port = int(proxied(server.port).rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(PREDICT + b"Content-Length: %d\r\n\r\n" % len(body) + body[:-1])
            time.sleep(1)
            assert not server.received
            client.sendall(body[-1:])
            assert client.recv(15) == b"HTTP/1.1 200 OK"
    assert server.received[0].endswith(body)


def test_half_sent_head_is_given_up(proxied: Proxied) -> None:
    with Server(OK) as server:
        port = int(proxied(server.port).rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(PREDICT)
            client.makefile("rb").read()
    assert not server.received


def test_log_has_the_requests_id_and_not_the_visitors(proxied: Proxied, tmp_path: Path) -> None:
    visitor, headers = "6f1c6f0e-1111-4222-8333-444455556666", {"X-Request-Id": "forged"}
    with Server(OK) as server:
        site = proxied(server.port)
        answer = requests.get(f"{site}/api/stats?visitor={visitor}", headers=headers, timeout=10)
        requests.get(f"{site}/api/predictions", headers={"X-Visitor": visitor}, timeout=10)
        cookie, referer = {"visitor": visitor}, {"Referer": f"{site}/?q={visitor}"}
        requests.get(f"{site}/admin/", cookies=cookie, headers=referer, timeout=10)
    sent = [re.search(rb"X-Request-Id: (\S+)", received) for received in server.received]
    ids = [found[1].decode() for found in sent if found]
    assert len(set(ids)) == 3 and "forged" not in ids
    assert answer.headers["X-Request-Id"] == ids[0]
    log, deadline = tmp_path / "log", time.monotonic() + 5
    while not all(name in log.read_text() for name in ids):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert visitor not in log.read_text()
