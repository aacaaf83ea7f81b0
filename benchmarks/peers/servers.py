"""All servers at once, each with a database of its own in one cluster, and what their processes cost."""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from benchmarks.peers.row import TABLE
from mnistsite import embedded_postgres, settings
from tests.product import REPOSITORY, free_port

OURS = "ours"
GUNICORN = "gunicorn --workers 2 --bind 127.0.0.1:{port}"
# What follows `python -m`. Two processes each, as the product has.
PEERS = {
    "FastAPI": "uvicorn --workers 2 --no-access-log --port {port} benchmarks.peers.fastapi_app:app",
    "LitServe": "benchmarks.peers.litserve_app",
    "BentoML": "bentoml serve --host 127.0.0.1 --port {port} benchmarks.peers.bentoml_app:Digits",
    "Flask": f"{GUNICORN} benchmarks.peers.flask_app:app",
    "Django": f"{GUNICORN} --threads 4 benchmarks.peers.django_app:application",
    "Granian": "granian --interface wsgi --workers 2 --blocking-threads 4 --port {port} "
    "benchmarks.peers.django_app:application",
}
PEERS_PYTHON = REPOSITORY / ".venv-bench/bin/python"


def with_our_pipeline(peer: str) -> str:
    return f"{peer} + ours"


def own_folder() -> Path:
    """On the disk of var/, since the database writes there; gone when this process has ended."""
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=settings.VAR_DIR))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class Cluster:
    """The product's own PostgreSQL, with a database for each server; what is answered is on the disk."""

    def __init__(self, folder: Path) -> None:
        self.url = embedded_postgres.database_url(folder / "postgres")
        self.process = int((folder / "postgres/postmaster.pid").read_text().split()[0])
        for setting in ("fsync", "synchronous_commit"):
            assert self.ask(self.url, f"show {setting}") == "on"

    def create(self, name: str) -> str:
        """A new database's address."""
        self.execute(self.url, f'create database "{name}"')
        return make_conninfo(self.url, dbname=name)

    def execute(self, address: str, statement: str) -> None:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement.encode())

    def ask(self, address: str, question: str) -> object:
        with psycopg.connect(address) as connection:
            row = connection.execute(question.encode()).fetchone()
        assert row
        return row[0]


class Server:
    """A server's processes, its database and its address."""

    path, table = "/predict", "reading"
    process: subprocess.Popen[bytes]

    def __init__(self, name: str, cluster: Cluster, folder: Path) -> None:
        self.name, self.port = name, free_port()
        self.url = f"http://127.0.0.1:{self.port}{self.path}"
        self.cluster, self.database = cluster, cluster.create(name)
        self.log = folder / f"{name}.log"

    def start(self, command: list[str], folder: Path, **environment: str) -> None:
        environment = os.environ | {"DATABASE_URL": self.database} | environment
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def check_alive(self) -> None:
        if self.process.poll() is not None:
            sys.exit(f"{self.name} ended by itself:\n{self.log.read_text()[-2000:]}")

    def rows(self) -> int:
        return int(str(self.cluster.ask(self.database, f"select count(*) from {self.table}")))  # noqa: S608

    def cost(self) -> tuple[float, float]:
        """Seconds of CPU that this server's processes have taken, and the database's."""
        return processor_seconds(self.process.pid), processor_seconds(self.cluster.process)

    def rest(self) -> None:
        """LitServe looks for work a thousand times a second, which would take a good part of a core from the
        others' turns."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.name.startswith("LitServe"):
            os.killpg(self.process.pid, number)


class Ours(Server):
    """What `manage.py serve` starts to answer requests; one client may send as many as it likes."""

    path, table = "/api/predict", "predictions_prediction"

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        super().__init__(OURS, cluster, folder)
        own = {"VAR_DIR": str(folder), "SECRET_KEY": "of a benchmark", "WEB_PORT": str(self.port)}
        self.start([sys.executable, "manage.py", "setup"], REPOSITORY, **own)
        if self.process.wait():
            sys.exit(self.log.read_text())
        gunicorn = [sys.executable, "-m", "gunicorn", "--log-level", "warning"]
        self.start(gunicorn, REPOSITORY, **own, API_WORK="1000000", API_MB_A_DAY="1000000")


class Peer(Server):
    def __init__(self, peer: str, pipeline: str, cluster: Cluster, folder: Path, weights: Path) -> None:
        super().__init__(peer if pipeline == "plain" else with_our_pipeline(peer), cluster, folder)
        cluster.execute(self.database, TABLE)
        # Elsewhere than the product, whose settings of gunicorn lie in its folder.
        self.start(
            [str(PEERS_PYTHON), "-m", *PEERS[peer].format(port=self.port).split()],
            folder,
            PYTHONPATH=str(REPOSITORY),
            PORT=str(self.port),
            PIPELINE=pipeline,
            PLAIN_WEIGHTS=str(weights),
            BENTOML_DO_NOT_TRACK="true",
        )


def stop(servers: list[Server]) -> None:
    """All in good order, and after ten seconds whatever is left of them and of their children."""
    for server in servers:
        server.go_on()
        server.process.terminate()
    deadline = time.monotonic() + 10
    for server in servers:
        with suppress(subprocess.TimeoutExpired):
            server.process.wait(max(0, deadline - time.monotonic()))
        with suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()


def processor_seconds(root: int) -> float:
    """Of a process and its descendants, the ended ones too."""
    total = 0.0
    for process in [psutil.Process(root), *psutil.Process(root).children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


@contextmanager
def all_servers(cluster: Cluster, folder: Path, weights: Path) -> Iterator[list[Server]]:
    """Started, not yet ready."""
    servers: list[Server] = []
    try:
        for peer in PEERS:
            servers.append(Peer(peer, "plain", cluster, folder, weights))
            servers.append(Peer(peer, "ours", cluster, folder, weights))
        servers.append(Ours(cluster, folder))
        yield servers
    finally:
        stop(servers)
