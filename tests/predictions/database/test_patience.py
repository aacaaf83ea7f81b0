"""A web process waits for a statement that is slow, and for nobody who is not there."""

import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection

from predictions.database import base
from predictions.database.base import Connection
from predictions.database.outage import Outage


@pytest.fixture
def outage(db: None, monkeypatch: pytest.MonkeyPatch) -> Outage:
    """This process's own, which knows of none yet, nor has heard of the server."""
    fresh = Outage()
    fresh.parameters = connection.get_connection_params()
    monkeypatch.setattr(base, "outage", fresh)
    monkeypatch.setattr(Connection, "heard_at", float("-inf"))
    return fresh


@pytest.fixture
def held(outage: Outage) -> Iterator[Connection]:
    with Connection.connect(**outage.parameters) as connection:
        yield connection


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Where whoever connects hears nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(autouse=True)
def no_look_out_is_left(outage: Outage) -> Iterator[None]:
    there = outage.parameters
    yield
    outage.parameters = there
    wait_for_end(outage)


def test_slow_statement_is_waited_for_while_the_server_takes_others(held: Connection, outage: Outage) -> None:
    assert held.execute("SELECT 1 FROM pg_sleep(1.5)").fetchone() == (1,)
    assert not outage.is_known


def test_slow_statement_is_given_up_when_nobody_answers(
    held: Connection, outage: Outage, silent_port: int
) -> None:
    outage.parameters = {"host": "127.0.0.1", "port": silent_port, "connect_timeout": 2}
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError, match="It is silent"):
        held.execute("SELECT 1 FROM pg_sleep(3)")
    assert time.monotonic() - began < 2
    assert held.closed and outage.is_known
    with pytest.raises(psycopg.OperationalError, match="away a moment ago"):
        base.DatabaseWrapper(connection.settings_dict).get_new_connection({})


def test_statement_goes_on_while_the_server_refuses_others(held: Connection, outage: Outage) -> None:
    elsewhere = outage.parameters | {"dbname": "nowhere"}
    with pytest.raises(psycopg.OperationalError, match="nowhere"):
        base.DatabaseWrapper(connection.settings_dict).get_new_connection(elsewhere)
    assert outage.is_known
    assert held.execute("SELECT 1 FROM pg_sleep(1.5)").fetchone() == (1,)
    assert not outage.is_silent


def test_statement_is_given_up_when_the_server_that_refused_others_falls_silent(
    held: Connection, outage: Outage, silent_port: int
) -> None:
    outage.parameters = outage.parameters | {"dbname": "nowhere"}
    outage.begin("for the test", is_silent=False)
    outage.parameters = {"host": "127.0.0.1", "port": silent_port, "connect_timeout": 2}
    with pytest.raises(psycopg.OperationalError, match="It is silent"):
        held.execute("SELECT 1 FROM pg_sleep(3)")
    assert outage.is_silent


@contextmanager
def one_more_file() -> Iterator[None]:
    """For the connection's socket, and none for whatever waits for it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = [os.open(os.devnull, os.O_RDONLY) for _ in range(2)]
    for file in free:
        os.close(file)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_outage_without_files_ends_when_there_are_some(outage: Outage) -> None:
    with one_more_file():
        with pytest.raises(psycopg.OperationalError, match="Too many open files"):
            base.DatabaseWrapper(connection.settings_dict).get_new_connection(outage.parameters)
        time.sleep(0.5)
        assert outage.is_known
    wait_for_end(outage)


def test_server_is_not_silent_because_this_process_has_no_files(outage: Outage) -> None:
    with one_more_file():
        assert outage.hears_from_server(1)


@pytest.fixture
def no_thread_starts() -> Iterator[None]:
    """Each wants more memory than there is."""
    before = threading.stack_size(1 << 46)
    yield
    threading.stack_size(before)


def test_outage_is_not_for_ever_where_no_thread_can_look_for_its_end(
    outage: Outage, no_thread_starts: None
) -> None:
    outage.begin("for the test", is_silent=True)
    assert not outage.is_known and not outage.is_silent
    base.DatabaseWrapper(connection.settings_dict).get_new_connection(outage.parameters).close()


def test_outage_ends_when_the_look_out_finds_the_server(outage: Outage) -> None:
    there = outage.parameters
    outage.parameters = there | {"port": "1"}
    outage.begin("for the test", is_silent=False)
    time.sleep(0.5)
    assert outage.is_known
    outage.parameters = there
    wait_for_end(outage)


def wait_for_end(outage: Outage) -> None:
    deadline = time.monotonic() + 30
    while outage.is_known:
        assert time.monotonic() < deadline
        time.sleep(0.05)
