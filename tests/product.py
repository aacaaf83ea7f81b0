"""The whole product, started as `make run` starts it, on a var/ and ports of its own."""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

REPOSITORY = Path(__file__).resolve().parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def still_running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """A zombie has ended; its parent, where that is a container's first process, just never asks."""
    alive = [process for process in processes if process.is_running()]
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def command(process: psutil.Process) -> str:
    """Nothing of one that has ended by now."""
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


class Product:
    """The launcher, with what it has printed."""

    def __init__(self, var: Path, **environment: str) -> None:
        self.var, self.web, self.ui = var, free_port(), free_port()
        ours = {"VAR_DIR": str(var), "WEB_PORT": str(self.web), "UI_PORT": str(self.ui), "WEB_WORKERS": "1"}
        inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=REPOSITORY,
            env=inherited | ours | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.printed = ""
        # Or else it would stop at the first line that no longer fits into the pipe.
        self._reader = threading.Thread(target=self._read_on, daemon=True)

    def wait_until_ready(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.printed += line
            if "Ctrl-C" in line:
                self._reader.start()
                return
        raise AssertionError(self.printed)

    def _read_on(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.printed += line

    def __enter__(self) -> Self:
        self.wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        family = self.family()
        assert self.stop() == 0
        assert not still_running(family)

    @property
    def page(self) -> str:
        return f"http://localhost:{self.ui}"

    def database_url(self) -> str:
        return self.children()[0].environ()["DATABASE_URL"]

    def web_processes(self) -> list[psutil.Process]:
        return self.running("gunicorn")

    def worker_processes(self) -> list[psutil.Process]:
        return self.running("manage.py worker")

    def page_processes(self) -> list[psutil.Process]:
        return self.running("streamlit")

    def running(self, program: str) -> list[psutil.Process]:
        return [child for child in self.children() if program in command(child)]

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def family(self) -> list[psutil.Process]:
        """Every process of this product: children, and the database, which is nobody's child."""
        return self.children() + self.database_processes()

    def postmaster(self) -> psutil.Process:
        return psutil.Process(int((self.var / "postgres" / "postmaster.pid").read_text().split()[0]))

    def database_processes(self) -> list[psutil.Process]:
        everyone = list(psutil.process_iter(["cmdline", "ppid"]))
        servers = {one.pid for one in everyone if str(self.var) in " ".join(one.info["cmdline"] or [])}
        return [one for one in everyone if servers & {one.pid, one.info["ppid"]}]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """For its end, when all that it printed has been read; the exit code."""
        assert self.process.stdout
        if self._reader.ident is None:  # it never was ready
            self._reader.start()
        self._reader.join(timeout=60)
        self.process.stdout.close()
        return self.process.wait(timeout=60)
