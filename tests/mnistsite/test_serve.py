"""manage.py serve: the whole product, really started and really stopped."""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests

from tests.conftest import ONE
from tests.product import Product, free_port, still_running

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

    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup around the tests is not meant for these
    yield start
    signal.signal(signal.SIGHUP, before)
    for product in products:
        if product.process.poll() is None:
            product.stop(signal.SIGTERM)


def test_interrupted_first_start_leaves_nothing_then_it_serves_stops_and_keeps_the_data(serve: Serve) -> None:
    """Interrupted while initdb works, which is when there is half a database."""
    product = serve()
    while not (product.var / "postgres" / "PG_VERSION").exists():
        assert product.process.poll() is None
        time.sleep(0.01)
    family = product.family()
    assert product.stop(signal.SIGTERM) == 128 + signal.SIGTERM
    psutil.wait_procs(family, timeout=10)
    assert not still_running(family + product.database_processes())

    first = serve()
    first.wait_until_ready()
    url = f"http://127.0.0.1:{first.web}/api/predict"
    assert requests.post(url, json={"strokes": ONE}, timeout=10).status_code == 201
    assert requests.get(f"http://127.0.0.1:{first.ui}/_stcore/health", timeout=10).text == "ok"
    family = first.family()
    assert len(family) >= 4
    assert first.stop(signal.SIGINT) == 0
    assert not still_running(family)

    again = serve()
    again.wait_until_ready()
    stats = requests.get(f"http://127.0.0.1:{again.web}/api/stats", timeout=10).json()
    family = again.family()
    assert again.stop(signal.SIGHUP) == 0  # its terminal is closed
    assert stats["everyone"]["predictions"] == 1
    assert not still_running(family)
    assert "Password" in first.printed
    assert "Password" not in again.printed


def test_only_web_processes_hold_torch_where_nothing_is_trained(serve: Serve) -> None:
    product = serve()
    product.wait_until_ready()
    launcher, worker = psutil.Process(product.process.pid), *product.worker_processes()
    assert [loads_torch(process) for process in (launcher, worker)] == [False, False]
    assert all(loads_torch(process) for process in product.web_processes())
    product.stop()


def test_each_child_knows_only_what_it_needs(serve: Serve) -> None:
    product = serve(DJANGO_SUPERUSER_PASSWORD="a-password-of-its-own", SOME_TOKEN="of somebody's shell")
    product.wait_until_ready()
    (page,) = (process.environ() for process in product.page_processes())
    others = [process.environ() for process in product.web_processes() + product.worker_processes()]
    assert page["API_URL"] == f"http://127.0.0.1:{product.web}"
    assert not {"DATABASE_URL", "SECRET_KEY", "DJANGO_SUPERUSER_PASSWORD", "SOME_TOKEN"} & page.keys()
    assert len(others) >= 2
    for environment in others:
        assert "DATABASE_URL" in environment and "DJANGO_SUPERUSER_PASSWORD" not in environment
    product.stop()


def loads_torch(process: psutil.Process) -> bool:
    return any("libtorch" in part.path for part in process.memory_maps())


def test_one_port_for_two_is_one_line(serve: Serve) -> None:
    number = str(free_port())
    product = serve(WEB_PORT=number, UI_PORT=number)
    output = product.process.communicate(timeout=60)[0]
    assert output.strip() == f"CommandError: WEB_PORT and UI_PORT are both {number}; choose two ports."


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
