"""How gunicorn's web processes share their clients."""

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.product import free_port
from tests.slow_clients import slow_clients
from tests.waiting import wait_until

TOGETHER = 16  # clients


@pytest.fixture
def server() -> Iterator[tuple[psutil.Process, int]]:
    """Two web processes, and their port."""
    port = free_port()
    options = f"-c /dev/null -k mnistsite.gthread.Worker -w 2 --keep-alive 75 -b 127.0.0.1:{port}".split()
    command = [sys.executable, "-m", "gunicorn", *options, "wsgiref.simple_server:demo_app"]
    with subprocess.Popen(command) as process:
        gunicorn = psutil.Process(process.pid)
        try:
            wait_until(lambda: len(gunicorn.children()) == 2)
            yield gunicorn, port
        finally:
            process.terminate()


def count_clients(gunicorn: psutil.Process, port: int) -> list[int]:
    """Of each web process."""
    return [
        sum(it.status == "ESTABLISHED" and it.laddr.port == port for it in worker.net_connections())
        for worker in gunicorn.children()
    ]


def test_clients_that_come_together_are_shared(server: tuple[psutil.Process, int]) -> None:
    """Of five rounds one may go wrong on a busy machine, where a process may wake late. One before them does
    not count: the second process may still be starting."""
    gunicorn, port = server
    uneven = []
    for _ in range(6):
        with slow_clients(port, TOGETHER, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"") as clients:
            assert {client.recv(12) for client in clients} == {b"HTTP/1.1 200"}
            shares = count_clients(gunicorn, port)
            assert sum(shares) == TOGETHER
            uneven.append(max(shares) > 0.7 * TOGETHER)
        wait_until(lambda: sum(count_clients(gunicorn, port)) == 0)
    assert sum(uneven[1:]) <= 1
