"""A web process waits for a statement that is slow, and for nobody who is not there."""

import socket
import time
from collections.abc import Iterator

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


def test_outage_ends_when_the_look_out_finds_the_server(outage: Outage) -> None:
    there = outage.parameters
    outage.parameters = there | {"port": "1"}
    outage.begin("for the test")
    time.sleep(0.5)
    assert outage.is_known
    outage.parameters = there
    wait_for_end(outage)


def wait_for_end(outage: Outage) -> None:
    deadline = time.monotonic() + 30
    while outage.is_known:
        assert time.monotonic() < deadline
        time.sleep(0.05)
