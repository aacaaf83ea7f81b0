"""manage.py serve: the whole product, really started and really stopped."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests
from django.conf import settings

from tests.conftest import ONE


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Product:
    """The launcher on a var/ and ports of its own, with what it has printed."""

    def __init__(self, var: Path, **environment: str) -> None:
        self.var, self.web, self.ui = var, free_port(), free_port()
        ours = {"VAR_DIR": str(var), "WEB_PORT": str(self.web), "UI_PORT": str(self.ui), "WEB_WORKERS": "1"}
        inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=settings.BASE_DIR,
            env=inherited | ours | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.printed = ""

    def wait_until_ready(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.printed += line
            if "Ctrl-C" in line:
                return
        raise AssertionError(self.printed)

    def family(self) -> list[psutil.Process]:
        """Every process of this product: children, and the database, which is nobody's child."""
        everyone = psutil.process_iter(["cmdline"])
        database = [
            process for process in everyone if str(self.var) in " ".join(process.info["cmdline"] or [])
        ]
        return psutil.Process(self.process.pid).children(recursive=True) + database

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.printed += self.process.communicate(timeout=60)[0]
        return self.process.returncode


def still_running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """A zombie has ended; its parent, where that is a container's first process, just never asks."""
    alive = [process for process in processes if process.is_running()]
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


Serve = Callable[..., Product]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start products on one folder, with a space in its path; stop what a failed test leaves running."""
    folder = tmp_path / "with a space"
    folder.mkdir()
    products: list[Product] = []

    def start(**environment: str) -> Product:
        products.append(Product(folder, **environment))
        return products[-1]

    yield start
    for product in products:
        if product.process.poll() is None:
            product.stop(signal.SIGTERM)


def test_serves_stops_leaves_nothing_running_and_keeps_the_data(serve: Serve) -> None:
    product = serve()
    product.wait_until_ready()
    url = f"http://127.0.0.1:{product.web}/api/predict"
    assert requests.post(url, json={"strokes": ONE}, timeout=10).status_code == 201
    assert requests.get(f"http://127.0.0.1:{product.ui}/_stcore/health", timeout=10).text == "ok"
    family = product.family()
    assert len(family) >= 4
    assert product.stop(signal.SIGINT) == 0
    assert not still_running(family)

    again = serve()
    again.wait_until_ready()
    stats = requests.get(f"http://127.0.0.1:{again.web}/api/stats", timeout=10).json()
    family = again.family()
    assert again.stop(signal.SIGTERM) == 0
    assert stats["everyone"]["predictions"] == 1
    assert not still_running(family)
    assert "Password" in product.printed
    assert "Password" not in again.printed


@pytest.mark.parametrize("name", ["WEB_PORT", "UI_PORT"])
def test_taken_port_is_one_line(serve: Serve, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = str(taken.getsockname()[1])
        product = serve(**{name: number})
        output = product.process.communicate(timeout=60)[0]
    assert product.process.returncode == 1
    assert output.strip() == f"CommandError: Port {number} is taken; choose another with {name}."
