"""The database is frozen, locked or gone under a real gunicorn: 503 at once, and /livez goes on."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import psutil
import psycopg
import pytest
import requests

from tests.conftest import ONE
from tests.product import Product


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product(tmp_path_factory.mktemp("product")) as product:
        yield product


def server(product: Product) -> list[psutil.Process]:
    postmaster = product.postmaster()
    return [postmaster, *postmaster.children()]


@contextmanager
def frozen(product: Product) -> Iterator[None]:
    processes = server(product)
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def ask(product: Product, path: str) -> requests.Response:
    url = f"http://127.0.0.1:{product.web}{path}"
    return (
        requests.post(url, json={"strokes": ONE}, timeout=30)
        if "predict" in path
        else requests.get(url, timeout=30)
    )


def ask_all(product: Product, paths: list[str]) -> list[requests.Response]:
    """At once, from more clients than the server has threads."""
    with ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(lambda path: ask(product, path), paths))


def wait_until_answered(product: Product) -> None:
    for _ in range(60):
        if ask(product, "/api/predict").status_code == 201:
            return
        time.sleep(0.5)
    raise AssertionError(product.printed)


FROM_THE_DATABASE = ["/api/predict"] * 8 + ["/readyz", "/metrics"]
EVERYWHERE = [*FROM_THE_DATABASE, "/api/model"]  # which goes on for a moment with what is known
SECONDS_WITH_WHAT_IS_KNOWN = 2.0


def test_frozen_database_is_503_everywhere_and_does_not_take_liveness_away(product: Product) -> None:
    wait_until_answered(product)
    with frozen(product):
        with ThreadPoolExecutor(len(EVERYWHERE)) as pool:
            answers = [pool.submit(ask, product, path) for path in FROM_THE_DATABASE]
            alive = [ask(product, "/livez").status_code for _ in range(20)]
            refused = [answer.result() for answer in answers]
        refused += ask_all(product, FROM_THE_DATABASE)
        time.sleep(SECONDS_WITH_WHAT_IS_KNOWN)
        refused.append(ask(product, "/api/model"))
    assert alive == [200] * 20
    assert {(answer.status_code, answer.headers.get("Retry-After")) for answer in refused} == {(503, "2")}
    assert max(answer.elapsed.total_seconds() for answer in refused) < 2  # a slow statement may take three


def test_outage_is_told_when_it_begins_and_when_it_ends_and_not_at_each_request(product: Product) -> None:
    wait_until_answered(product)
    before = len(product.printed)
    with frozen(product):
        ask_all(product, EVERYWHERE)
        ask_all(product, EVERYWHERE)
    wait_until_answered(product)
    told = product.printed[before:]
    assert told.count("The database is away: It is silent.") == 1
    assert told.count("The database is there again, after ") == 1
    assert "Service Unavailable" not in told and told.count("Not answered") == 0


def test_locked_table_is_503_and_the_other_pages_go_on(product: Product) -> None:
    wait_until_answered(product)
    with psycopg.connect(product.database_url()) as connection:
        connection.execute("LOCK predictions_prediction IN ACCESS EXCLUSIVE MODE")
        answers = ask_all(product, ["/api/predict"] * 6)
        assert {(answer.status_code, answer.headers["Retry-After"]) for answer in answers} == {(503, "2")}
        assert ask(product, "/livez").status_code == 200
    wait_until_answered(product)


def test_connections_that_were_ended_are_replaced(product: Product) -> None:
    for process in server(product)[1:]:
        if "idle" in " ".join(process.cmdline()):
            process.terminate()
    wait_until_answered(product)


def test_idle_connections_hold_no_thread(product: Product) -> None:
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(socket.create_connection(("127.0.0.1", product.web)))
        wait_until_answered(product)
