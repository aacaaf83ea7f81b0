"""`make drills`: breaks what `make run` starts in every way, one after the other, under a steady load.

    python -m benchmarks.drills [NAME ...] [--seconds 20]

On a database and ports of its own, on this machine alone; for root on small disks in memory, which two drills
fill. --seconds is how long a fault lasts that does not pass by itself; the load goes on for a quarter of that
before it and after it. Fails where an answer was lost, doubled or wrong, where an error was no 503 with
Retry-After, and where what a drill looks for itself is not as it must be.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import psycopg
import requests

from benchmarks import memory, site
from benchmarks.drill_load import HEAD, SECONDS_BETWEEN, Stage
from benchmarks.floods import guess_passwords, send_costly_files, send_photographs
from benchmarks.promotion_load import promote_the_other
from tests.product import still_running
from tests.slow_clients import PREDICT, SLOW, slow_clients

DISKS = {"VAR_DIR": "2g", "TMPDIR": "16m"}
SLOW_CLIENTS = 200  # connections
A_SECOND = 500  # requests, of --seconds, in the drill of memory
CLIENTS = "FROM pg_stat_activity WHERE backend_type = 'client backend'"
MORE_MEMORY = 40  # MB, which no web process may take
TRAINING = {"steps": 60, "batch": 32, "made_up": 20}


def wait_until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 300
    while not holds():
        assert time.monotonic() < deadline, f"**never {what}**"
        time.sleep(0.1)


def kill(stage: Stage, program: str) -> str:
    """The child of `make run`, and see it started again when all of its own children have ended."""
    started, former = time.monotonic(), stage.product.running(program)
    next(process for process in former if process.ppid() == stage.product.process.pid).kill()
    psutil.wait_procs(former, timeout=30)
    wait_until(lambda: stage.product.running(program), "started again")
    return f"started again after {time.monotonic() - started:.1f} s"


def kill_backend(stage: Stage) -> None:
    query = f"SELECT pid {CLIENTS} AND pid <> pg_backend_pid()"
    os.kill(stage.execute(query)[0][0], signal.SIGKILL)


def kill_database(stage: Stage) -> None:
    """Its children still answer for a moment, which is not to count as the first good answer after."""
    postmaster = stage.product.postmaster()
    children = postmaster.children()
    postmaster.kill()
    wait_until(lambda: not still_running(children), "without children")


def kill_launcher(stage: Stage) -> str:
    stage.product.process.kill()
    stage.product.process.wait()
    stage.restart()
    return stage.product.printed.strip().partition("\n")[0]


def signal_database(stage: Stage, number: signal.Signals) -> None:
    """SIGINT and SIGQUIT are what pg_ctl sends; make run starts it again."""
    stage.product.postmaster().send_signal(number)


def freeze_database(stage: Stage) -> None:
    processes = stage.product.database_processes()
    for process in processes:
        process.suspend()
    try:
        stage.wait()
    finally:
        for process in processes:
            process.resume()


def stop_database(stage: Stage) -> None:
    stage.product.process.send_signal(signal.SIGSTOP)  # or it would start PostgreSQL again
    stage.product.postmaster().send_signal(signal.SIGINT)
    stage.wait(1 / 2)
    stage.product.process.send_signal(signal.SIGCONT)


def lock_table(stage: Stage) -> None:
    with psycopg.connect(stage.database) as connection:
        connection.execute("LOCK predictions_prediction IN ACCESS EXCLUSIVE MODE")
        stage.wait()


def take_connections(stage: Stage) -> str:
    """Also those that the product has: it finds them ended, and no place for new ones."""
    until, held = time.monotonic() + stage.seconds, list[psycopg.Connection[Any]]()
    end = f"SELECT pg_terminate_backend(pid) {CLIENTS} AND pid <> ALL(%s)"
    with ExitStack() as stack:
        while time.monotonic() < until:
            with suppress(psycopg.OperationalError):
                while True:
                    held.append(stack.enter_context(psycopg.connect(stage.database, autocommit=True)))
            held[0].execute(end, [[connection.info.backend_pid for connection in held]])
    return f"{len(held)} taken"


def be_slow(stage: Stage, kind: str) -> None:
    with slow_clients(stage.product.web, SLOW_CLIENTS, *SLOW[kind]):
        stage.wait()


def hang_up(stage: Stage) -> str:
    body, number = json.dumps(stage.load.bodies[0][1]).encode(), 0
    until = time.monotonic() + stage.seconds
    while time.monotonic() < until:
        number += 1
        with socket.create_connection(("127.0.0.1", stage.product.web)) as client:
            client.sendall(PREDICT + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        time.sleep(0.02)
    return f"{number} of them"


def flood(stage: Stage, send: Callable[[int, float], Counter[int]]) -> str:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        answers = pool.apply(send, [stage.product.web, stage.seconds])
    before = stage.load.percentile(0.95, 0, stage.began)
    meanwhile = stage.load.percentile(0.95, stage.began, time.monotonic())
    seen = ", ".join(f"{count} answered {status}" for status, count in sorted(answers.items()))
    assert answers.keys() <= {200, 201, 429, 503}, f"**{seen}**"
    return f"95th percentile {1000 * before:.0f} ms before, {1000 * meanwhile:.0f} ms meanwhile; {seen}"


def models() -> Any:  # noqa: ANN401
    """The product's, on a new connection: the last may have been broken."""
    from django.db import connection

    from predictions import models

    connection.close()
    return models


def spoil_weights(stage: Stage, change: Callable[[bytes], bytes]) -> str:
    """Of the active version, in its table, and have every web process load them."""
    versions = models().ModelVersion.objects
    name, url = promote_the_other(), f"http://127.0.0.1:{stage.product.web}/readyz"
    stored = versions.get(active=True).weights
    sound = bytes(stored.checkpoint), stored.sha256, stored.pk
    store = "UPDATE predictions_weights SET checkpoint = %s, sha256 = %s WHERE version_id = %s"
    data, ready = change(sound[0]), dict[str, str]()
    stage.execute(
        store, data, hashlib.sha256(data).hexdigest() if change is make_nan else sound[1], stored.pk
    )
    load_anew(stage)

    def stands_in() -> bool:
        with suppress(requests.RequestException):
            ready.update(requests.get(url, timeout=10).json())
        return ready.get("unreadable") == name

    wait_until(stands_in, f"{name} called unreadable")
    stage.wait(1 / 4)
    stage.execute(store, *sound)
    load_anew(stage)
    return f"{ready['model_version']} answered for {name}"


def load_anew(stage: Stage) -> None:
    for process in stage.gunicorn()[1:]:
        process.kill()


def flip_bits(data: bytes) -> bytes:
    return data[:-4000] + bytes(byte ^ 0x40 for byte in data[-4000:])


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def make_nan(data: bytes) -> bytes:
    """All that comes behind the head."""
    begin = 8 + int.from_bytes(data[:8], "little")
    return data[:begin] + b"\0\0\xc0\x7f" * ((len(data) - begin) // 4)


def outcomes(*steps: Callable[[], object]) -> list[str]:
    """Of steps at the same moment: "done", which come first, or why not."""
    from tests.meanwhile import at_once

    found: list[str] = []

    def note(step: Callable[[], object]) -> None:
        try:
            step()
            found.append("done")
        except ValueError as problem:
            found.append(str(problem))

    at_once(*(partial(note, step) for step in steps))
    return sorted(found, key=lambda word: word != "done")


def only_one(*steps: Callable[[], object]) -> str:
    found = outcomes(*steps)
    assert [word == "done" for word in found] == [True, False], f"**{'; '.join(found)}**"
    return f"one was done, the other told: {found[1]}"


def copy_of_active() -> Any:  # noqa: ANN401
    versions = models().ModelVersion.objects
    return versions.register(bytes(versions.get(active=True).weights.checkpoint))


def promote_unreadable(stage: Stage) -> str:
    candidate = copy_of_active()
    half = "UPDATE predictions_weights SET checkpoint = substr(checkpoint, 1, 99999) WHERE version_id = %s"
    stage.execute(half, candidate.pk)
    (said,) = outcomes(lambda: candidate.promote(reason="a drill", override=True))
    candidate.refresh_from_db()
    assert said != "done" and not candidate.active, f"**{said}**"
    candidate.delete()
    return said


def promote_twice(stage: Stage) -> str:
    first, second = copy_of_active(), copy_of_active()
    how = {"reason": "a drill", "override": True, "expected_state": first.state()}
    return only_one(lambda: first.promote(**how), lambda: second.promote(**how))


def roll_back_twice(stage: Stage) -> str:
    promotions = models().Promotion.objects.all()
    copy_of_active().promote(reason="a drill", override=True)
    roll_back = partial(promotions.roll_back, reason="a drill", expected_state=promotions.state())
    return only_one(roll_back, roll_back)


def train_twice(stage: Stage) -> str:
    from tests import drawings

    if not (Path(stage.environment["MNIST_DIR"]) / "MNIST").exists():
        return "skipped: there is no MNIST in MNIST_DIR"
    versions, jobs, gone = models().ModelVersion.objects, models().Job.objects, uuid4()
    for number in range(40):
        visitor = gone if number % 2 else None
        drawings.accepted(versions.active(), drawings.unique(number), number % 10, visitor=visitor)
    stage.load.pause = 1.0  # the training needs the processors
    start = partial(jobs.start_as_seen, jobs.state("train", **TRAINING), "train", None, **TRAINING)
    seen = only_one(start, start)

    def job() -> Any:  # noqa: ANN401
        return jobs.with_state().first()

    wait_until(lambda: "step" in job().message or job().state == "failed", "trained")
    url = f"http://127.0.0.1:{stage.product.web}/api/predictions"
    deleted = requests.delete(url, headers={"X-Visitor": str(gone)}, timeout=30).json()["deleted"]
    wait_until(lambda: job().state not in ("todo", "doing"), "ended")
    assert job().state == "succeeded" and deleted == 20, f"**{deleted} deleted, {job().message}**"
    return f"{seen} {deleted} drawings deleted meanwhile; {job().result['version']} was made"


def fill(stage: Stage, name: str) -> str | None:
    """The disk of that name, to the last byte, and whatever becomes free as well."""
    folder = Path(stage.environment[name])
    if not folder.is_mount():
        return "skipped: only root makes disks in memory"
    if name == "TMPDIR":  # a new process finds no room for its files
        threading.Timer(1, stage.gunicorn()[1].kill).start()
    until, filler = time.monotonic() + stage.seconds, folder / "filler"
    with filler.open("wb", buffering=0) as file:
        while time.monotonic() < until:
            with suppress(OSError):
                while True:
                    file.write(bytes(4096))
            time.sleep(0.1)
    filler.unlink()
    return None


def answer_many(stage: Stage) -> str:
    def resident() -> list[float]:
        return [memory.resident(process.pid) for process in stage.gunicorn()[1:]]

    before, wanted = resident(), len(stage.load.sent) + round(A_SECOND * stage.seconds)
    stage.load.pause = 0
    wait_until(lambda: len(stage.load.sent) >= wanted, f"{wanted} requests")
    stage.load.pause = SECONDS_BETWEEN
    pairs = list(zip(before, resident(), strict=True))
    seen = ", ".join(f"{first:.0f} to {then:.0f} MB" for first, then in pairs)
    assert all(then < first + MORE_MEMORY for first, then in pairs), f"**{seen}**"
    return f"web processes from {seen}"


# What dies again within a minute is started again after a growing pause: so deaths of one kind lie apart.
DRILLS: dict[str, tuple[str, Callable[[Stage], str | None]]] = {
    "kill-web-process": ("kill -9 of a web process", lambda stage: stage.gunicorn()[1].kill()),
    "kill-web-server": ("kill -9 of gunicorn's own process", partial(kill, program="gunicorn")),
    "kill-worker": ("kill -9 of the worker", partial(kill, program="manage.py worker")),
    "kill-page": ("kill -9 of the page", partial(kill, program="streamlit")),
    "kill-backend": ("kill -9 of a backend of PostgreSQL", kill_backend),
    "kill-database": ("kill -9 of PostgreSQL's own process", kill_database),
    "freeze-database": ("PostgreSQL frozen", freeze_database),
    "lock": ("the log's table locked", lock_table),
    "restart-fast": ("PostgreSQL restarted, fast", partial(signal_database, number=signal.SIGINT)),
    "connections": ("all of PostgreSQL's connections taken", take_connections),
    "slow-bodies": ("200 bodies, a byte at a time", partial(be_slow, kind="half a body, a byte at a time")),
    "restart-at-once": ("PostgreSQL restarted, immediate", partial(signal_database, number=signal.SIGQUIT)),
    "half-heads": ("200 heads, a byte at a time", partial(be_slow, kind="half a head, a byte at a time")),
    "idle": ("200 connections that say nothing", partial(be_slow, kind="nothing")),
    "hang-up": ("clients that hang up before the answer", hang_up),
    "stop-database": ("PostgreSQL stopped for half of the time", stop_database),
    "login": ("64 connections that guess passwords", partial(flood, send=guess_passwords)),
    "photographs": ("16 connections that send photographs of 1 MB", partial(flood, send=send_photographs)),
    "costly-files": ("16 that send small files of 12 megapixels", partial(flood, send=send_costly_files)),
    "damaged-weights": ("bits flipped in the active weights", partial(spoil_weights, change=flip_bits)),
    "cut-weights": ("half of the active weights", partial(spoil_weights, change=cut)),
    "nan-weights": (
        "NaN for the active weights, its SHA-256 as well",
        partial(spoil_weights, change=make_nan),
    ),
    "unreadable-candidate": ("a candidate promoted that can't be read", promote_unreadable),
    "two-promotions": ("two promotions at once", promote_twice),
    "two-rollbacks": ("two rollbacks at once", roll_back_twice),
    "two-trainings": ("two trainings at once, a deletion meanwhile", train_twice),
    "full-disk": ("the database's disk full", partial(fill, name="VAR_DIR")),
    "full-tmp": ("the disk of /tmp full, a web process killed", partial(fill, name="TMPDIR")),
    "kill-launcher": ("kill -9 of make run, then make run", kill_launcher),
    "memory": ("as many requests as are answered", answer_many),
}


@contextmanager
def places() -> Iterator[dict[str, str]]:
    """A folder for each of DISKS; root has small disks mounted there."""
    with tempfile.TemporaryDirectory(prefix="drills-") as parent, ExitStack() as stack:
        Path(parent).chmod(0o755)  # PostgreSQL runs as somebody else
        folders = {name: f"{parent}/{name}" for name in DISKS}
        for name, folder in folders.items():
            Path(folder).mkdir()
            Path(folder).chmod(0o1777)
            mount = ["mount", "-t", "tmpfs", "-o", f"size={DISKS[name]}", "drill", folder]
            if os.geteuid() == 0 and not subprocess.run(mount, capture_output=True).returncode:
                stack.callback(subprocess.run, ["umount", "--lazy", folder], check=True)
        yield folders


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *DRILLS], help=", ".join(DRILLS))
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    failed = False
    with places() as folders, Stage(options.seconds, **folders) as stage:
        os.environ |= {"VAR_DIR": folders["VAR_DIR"], "DATABASE_URL": stage.database}
        site.set_up()
        print(HEAD, flush=True)
        for name in options.names or DRILLS:
            row = stage.run(*DRILLS[name])
            print(row, flush=True)
            if not row.is_good():
                failed = True
                print(stage.product.printed[-3000:], file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
