"""A web server that is told to stop answers whoever has reached it, and is out of reach for all others."""

import http.client
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import requests

from tests.product import Product


def ask(port: int) -> str:
    """The status, or what went wrong, of a request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/api/model")
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as problem:
        return type(problem).__name__
    finally:
        connection.close()


def test_no_request_is_dropped_while_the_server_stops(tmp_path: Path) -> None:
    """The proxy sends a request on to another server where it was refused, and only there. Between
    the last process's last look and the closing of its port the system may take one more, whom it resets."""
    seen: Counter[str] = Counter()
    with Product(tmp_path, WEB_WORKERS="2", API_WORK="1000000") as product, requests.Session() as visitor:
        kept_open = visitor.get(f"http://127.0.0.1:{product.web}/api/model", timeout=60)
        asking = [threading.Thread(target=ask_until_restarted, args=(product.web, seen)) for _ in range(4)]
        for thread in asking:
            thread.start()
        time.sleep(1)
        product.web_processes()[0].terminate()
        for thread in asking:
            thread.join()
    assert kept_open.status_code == 200
    assert seen.pop("ConnectionResetError", 0) <= 1
    assert set(seen) == {"200", "ConnectionRefusedError"}


def ask_until_restarted(port: int, seen: Counter[str]) -> None:
    """It was away, and answers again."""
    end = time.monotonic() + 60
    answer = ""
    while time.monotonic() < end and not (answer == "200" and seen["ConnectionRefusedError"]):
        answer = ask(port)
        seen[answer] += 1
        time.sleep(0.02)


def test_web_process_whose_parent_was_killed_answers_whoever_has_reached_it(tmp_path: Path) -> None:
    with (
        Product(tmp_path, WEB_WORKERS="1") as product,
        socket.create_connection(("127.0.0.1", product.web), timeout=60) as visitor,
    ):
        visitor.sendall(b"GET /api/model HTTP/1.1\r\nHost: localhost\r\n")
        time.sleep(1)
        product.web_processes()[0].kill()
        time.sleep(3)  # it looks every second whether its parent lives
        visitor.sendall(b"\r\n")
        assert visitor.recv(12) == b"HTTP/1.1 200"
