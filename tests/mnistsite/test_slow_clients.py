"""Clients that say nothing, or say it slowly, take no thread of a real gunicorn away from the others."""

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import psutil
import psycopg
import pytest
import requests
from gunicorn.config import Config, WorkerConnections

from mnistsite import connection, gthread
from tests.conftest import ONE
from tests.product import Product
from tests.slow_clients import PREDICT, SLOW, slow_clients


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One web process, with four threads."""
    with Product(tmp_path_factory.mktemp("product"), API_WORK="1000000") as product:
        yield product


def seconds(ask: Callable[[], requests.Response], status: int) -> float:
    started = time.monotonic()
    assert ask().status_code == status
    return time.monotonic() - started


@pytest.mark.parametrize("kind", SLOW)
@pytest.mark.parametrize("number", [8, 200])
def test_slow_clients_take_nothing_away(product: Product, kind: str, number: int) -> None:
    site, body = f"http://127.0.0.1:{product.web}", {"strokes": ONE}
    with slow_clients(product.web, number, *SLOW[kind]):
        for _ in range(3):
            assert seconds(lambda: requests.get(f"{site}/livez", timeout=30), 200) < 1
            assert seconds(lambda: requests.get(f"{site}/readyz", timeout=30), 200) < 2
            assert seconds(lambda: requests.post(f"{site}/api/predict", json=body, timeout=30), 201) < 2


def test_slow_login_keeps_nobody_from_signing_in(product: Product) -> None:
    first, then = SLOW["half of a body in chunks"]
    first = first.replace(b"api/predict", b"admin/login/").replace(b"json", b"x-www-form-urlencoded")
    session, login = requests.Session(), f"http://127.0.0.1:{product.web}/admin/login/"
    session.get(login, timeout=30)
    form = {"username": "nobody", "password": "wrong", "csrfmiddlewaretoken": session.cookies["csrftoken"]}
    with slow_clients(product.web, 1, first, then):
        time.sleep(1)  # by then a thread receives it
        assert session.post(login, form, timeout=30).status_code == 200


def test_flood_of_logins_is_answered_in_turn_and_takes_one_thread(product: Product) -> None:
    """Three write the address otherwise, and have sent no form."""
    site, body = f"http://127.0.0.1:{product.web}", {"strokes": ONE}
    session = requests.Session()
    session.get(f"{site}/admin/login/", timeout=30)
    token = session.cookies["csrftoken"]

    def guess(name: str) -> int:
        form = {"username": name, "password": "wrong", "csrfmiddlewaretoken": token}
        cookie = {"csrftoken": token}
        return requests.post(f"{site}/admin/login/", form, cookies=cookie, timeout=60).status_code

    other = PREDICT.replace(b"/api/predict", b"/%61dmin/lo%67in/") + b"Connection: close\r\n\r\n"
    with ThreadPoolExecutor(6) as pool, slow_clients(product.web, 3, other, b"") as others:
        guesses = [pool.submit(guess, f"nobody {number}") for number in range(6)]
        for _ in range(10):
            assert seconds(lambda: requests.post(f"{site}/api/predict", json=body, timeout=30), 201) < 2
        assert [it.result() for it in guesses] == [200] * 6
        assert [read_all(client)[:13] for client in others] == [b"HTTP/1.1 403 "] * 3


def read_all(client: socket.socket) -> bytes:
    client.settimeout(120)  # on a busy machine many have to be answered
    return client.makefile("rb").read()


def test_half_a_head_is_given_up_in_time(product: Product) -> None:
    started = time.monotonic()
    with slow_clients(product.web, 1, *SLOW["half a head, a byte at a time"]) as (client,):
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "incomplete"
    assert time.monotonic() - started < connection.SECONDS_FOR_A_HEAD + 5


def test_head_without_an_end_is_refused(product: Product) -> None:
    with slow_clients(product.web, 1, PREDICT + b"X: " + bytes(100_000), b"") as (client,):
        assert read_all(client).startswith(b"HTTP/1.1 431 ")


def test_more_idle_clients_than_are_kept_cost_the_oldest_their_connection(product: Product) -> None:
    with slow_clients(product.web, gthread.MOST_WAITING + 10, b"", b"") as clients:
        assert requests.get(f"http://127.0.0.1:{product.web}/readyz", timeout=30).status_code == 200
        assert read_all(clients[0]) == b""


def test_flood_of_stalled_large_bodies_is_refused_and_keeps_nobody_waiting(product: Product) -> None:
    site, body = f"http://127.0.0.1:{product.web}", {"strokes": ONE}
    with slow_clients(product.web, gthread.MOST_LARGE + 110, *SLOW["half of a large body"]) as clients:
        for _ in range(3):
            assert seconds(lambda: requests.get(f"{site}/livez", timeout=30), 200) < 1
            assert seconds(lambda: requests.get(f"{site}/readyz", timeout=30), 200) < 2
            assert seconds(lambda: requests.post(f"{site}/api/predict", json=body, timeout=30), 201) < 2
        answers = [answer_so_far(client) for client in clients]
    refused = [answer for answer in answers if answer]
    assert 50 <= len(refused) <= len(clients) - gthread.MOST_LARGE
    assert {answer[:13] for answer in refused} == {b"HTTP/1.1 503 "}
    assert b"\r\nRetry-After: 2\r\n" in refused[0] and b'"busy"' in refused[0]


def answer_so_far(client: socket.socket) -> bytes:
    """Which of the clients are kept waiting goes by when each was accepted, not by when it has sent."""
    client.setblocking(False)
    with suppress(OSError):
        return client.recv(10_000)
    return b""


def test_small_requests_that_cannot_be_answered_for_now_are_so_many(product: Product) -> None:
    """The table that they write to is locked."""
    body = json.dumps({"strokes": ONE}).encode()
    request = PREDICT + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    livez = f"http://127.0.0.1:{product.web}/livez"
    with psycopg.connect(product.database_url()) as database:
        database.execute("LOCK TABLE predictions_prediction")
        with slow_clients(product.web, gthread.MOST_SMALL + 60, request, b"") as clients:
            assert seconds(lambda: requests.get(livez, timeout=30), 200) < 1
            database.rollback()
            answers = [read_all(client) for client in clients]
    assert sum(b'"busy"' in answer for answer in answers) >= 40
    assert sum(answer.startswith(b"HTTP/1.1 201 ") for answer in answers) >= gthread.MOST_SMALL - 20


def test_kept_connections_and_those_whose_next_request_is_not_whole_are_so_many(product: Product) -> None:
    request = b"GET /admin/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with slow_clients(product.web, gthread.MOST_KEPT + 10, b"", b"") as clients:
        kept = [ask_for_one(client, request) for client in clients].count(b"keep-alive")
        assert gthread.MOST_KEPT - 4 <= kept <= gthread.MOST_KEPT + 4  # as many threads may find room at once
        with slow_clients(product.web, gthread.MOST_WAITING - kept + 10, b"", b"") as others:
            requests.get(f"http://127.0.0.1:{product.web}/readyz", timeout=30)
            for client in clients[:kept]:
                client.sendall(b"G")
            assert [read_all(other) for other in others[:10]] == [b""] * 10


def ask_for_one(client: socket.socket, request: bytes) -> bytes:
    """What its answer says about the connection."""
    client.sendall(request)
    answer = client.recv(100_000)
    return answer.partition(b"\r\nConnection: ")[2].partition(b"\r\n")[0]


@pytest.mark.parametrize("zeros", [0, 12, 40])
def test_length_with_zeros_before_it_is_what_it_says(zeros: int) -> None:
    """A thread that got it without its body would wait for ever: the handler takes it for small."""
    head = PREDICT + b"Content-Length: " + zeros * b"0"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client = connection.Connection(Config(), ours, "", "")
        client.begin_request()
        client.received = head + b"5\r\n\r\n{"
        assert not client.is_whole()
        client.received += b"    "
        assert client.is_whole() and not client.is_large
        client.begin_request()
        client.received = head + b"9999999999999\r\n\r\n"
        assert client.is_whole() and client.is_large


def test_all_bounds_together_are_less_than_where_gunicorn_stops_to_accept() -> None:
    bounds = ("WAITING", "SMALL", "LARGE", "LOGINS", "KEPT", "CLOSING")
    under_way = 10  # large bodies and logins that a thread has, and what is counted twice for a moment
    assert sum(getattr(gthread, f"MOST_{kind}") for kind in bounds) + under_way < WorkerConnections.default


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the descriptors of another process")
@pytest.mark.parametrize("first", [b"", b"GET / HTTP", PREDICT + b"X: " + bytes(40_000)])
def test_more_connections_than_descriptors_end_no_web_process(product: Product, first: bytes) -> None:
    """Connections that say nothing, or half of a head, or stay open when they have been refused."""
    site, body = f"http://127.0.0.1:{product.web}", {"strokes": ONE}
    (worker,) = product.web_processes()[1:]
    limits = worker.rlimit(psutil.RLIMIT_NOFILE)
    requests.post(f"{site}/api/predict", json=body, timeout=30)
    worker.rlimit(psutil.RLIMIT_NOFILE, (worker.num_fds() + 20, limits[1]))
    try:
        with slow_clients(product.web, 100, first, b""):
            for _ in range(3):
                assert requests.post(f"{site}/api/predict", json=body, timeout=30).status_code == 201
    finally:
        worker.rlimit(psutil.RLIMIT_NOFILE, limits)
    assert worker in product.web_processes()
    assert "No file descriptor is left" in product.printed


def test_connections_that_are_being_closed_are_counted_and_few(product: Product) -> None:
    (worker,) = product.web_processes()[1:]
    before = worker.num_fds()
    with slow_clients(product.web, 300, PREDICT + b"X: " + bytes(40_000), b"") as clients:
        assert [client.recv(13) for client in clients][-100:] == [b"HTTP/1.1 431 "] * 100
        assert worker.num_fds() < before + gthread.MOST_CLOSING + 20


def test_two_requests_sent_at_once_are_answered_in_turn(product: Product) -> None:
    body = json.dumps({"strokes": ONE}).encode()
    request = PREDICT + b"Content-Length: %d\r\n\r\n" % len(body) + body
    last = request.replace(b"Host", b"Connection: close\r\nHost")
    with slow_clients(product.web, 1, request + request + last, b"") as (client,):
        assert read_all(client).count(b"HTTP/1.1 201 ") == 3


def test_large_bodies_are_received_in_the_order_in_which_they_came(product: Product) -> None:
    site, large = f"http://127.0.0.1:{product.web}", PREDICT + b"Content-Length: 200000\r\n\r\n{"
    with ExitStack() as stack:
        stack.enter_context(slow_clients(product.web, 1, large, b""))
        (second,) = stack.enter_context(slow_clients(product.web, 1, large, b""))
        requests.get(f"{site}/livez", timeout=30)
        (whole,) = stack.enter_context(slow_clients(product.web, 1, large + bytes(199_999), b""))
        requests.get(f"{site}/livez", timeout=30)
        stack.enter_context(slow_clients(product.web, 1, large, b""))
        assert requests.get(f"{site}/readyz", timeout=30).status_code == 200
        second.close()
        whole.settimeout(5)
        assert whole.recv(100).startswith(b"HTTP/1.1 400 ")
