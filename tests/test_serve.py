"""manage.py serve: the whole product, really started and really stopped."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
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
    """The launcher on a var/ and ports of its own, with the lines that it has printed."""

    def __init__(self, var: Path, **environment: str) -> None:
        self.web, self.ui = free_port(), free_port()
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
        self.printed: list[str] = []

    def wait_until_ready(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.printed.append(line)
            if "Ctrl-C" in line:
                return
        raise AssertionError("".join(self.printed))

    def family(self) -> list[psutil.Process]:
        """Every process of this product: children, and the database, which is nobody's child."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        var = [p for p in psutil.process_iter(["cmdline"]) if self.is_database(p)]
        return children + var

    def is_database(self, process: psutil.Process) -> bool:
        command = process.info["cmdline"] or []
        return "-D" in command and any(str(self.web) in part or "serve-var" in part for part in command)

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.printed.append(self.process.communicate(timeout=60)[0])
        return self.process.returncode


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    """A folder with a space in its path."""
    folder = tmp_path / "serve-var with space"
    folder.mkdir()
    yield folder
    tmp_path.chmod(0o700)


def test_serves_stops_leaves_nothing_running_and_keeps_the_data(var: Path) -> None:
    product = Product(var)
    product.wait_until_ready()
    api = f"http://127.0.0.1:{product.web}/api"
    answer = requests.post(f"{api}/predict", json={"strokes": ONE}, timeout=10)
    assert answer.status_code == 201
    assert requests.get(f"http://127.0.0.1:{product.ui}/_stcore/health", timeout=10).text == "ok"
    family = product.family()
    assert len(family) >= 4
    assert product.stop(signal.SIGINT) == 0
    assert not [process for process in family if process.is_running()]

    again = Product(var)
    again.wait_until_ready()
    stats = requests.get(f"http://127.0.0.1:{again.web}/api/stats", timeout=10).json()
    family = again.family()
    assert again.stop(signal.SIGTERM) == 0
    assert stats["everyone"]["predictions"] == 1
    assert not [process for process in family if process.is_running()]
    assert "password" in "".join(product.printed)
    assert "password" not in "".join(again.printed)


@pytest.mark.parametrize("name", ["WEB_PORT", "UI_PORT"])
def test_taken_port_is_one_line(var: Path, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = str(taken.getsockname()[1])
        product = Product(var, **{name: number})
        output = product.process.communicate(timeout=60)[0]
    assert product.process.returncode == 1
    assert output.strip() == f"CommandError: Port {number} is taken; choose another with {name}."
