"""The whole product in one process tree: what `make run` starts."""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import pluralize

from mnistsite import settings as given
from mnistsite import supervision

PROCESSES = "processes.json"  # below VAR_DIR
SECONDS_TO_START = 120
SECONDS_TO_STOP = 25

PAGE = "The drawing page"
WEB = "The web server"
PAGE_NEEDS = re.compile(
    r"PATH|HOME|TZ|TMPDIR|LANG|LC_\w+|VIRTUAL_ENV|LD_LIBRARY_PATH|PYTHON\w+|COVERAGE\w*|STREAMLIT_\w+"
    r"|FORWARDED_ALLOW_IPS|PAGE_SECRET|FORGET_DAYS|KEEP_DAYS|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|\w+_PROXY",
    re.IGNORECASE,
)

Children = dict[str, subprocess.Popen[bytes]]


class Command(BaseCommand):
    help = "Runs the web server and the drawing page until it is stopped. Ports: WEB_PORT and UI_PORT."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        if ended := supervision.end_orphans(settings.VAR_DIR / PROCESSES):
            processes, were = f"process{pluralize(ended, 'es')}", pluralize(ended, "was,were")
            self.stdout.write(
                f"{ended} {processes} of a run that was killed {were} still there, and {were} ended."
            )
        web_port, ui_port = check_port("WEB_PORT"), check_port("UI_PORT")
        if web_port == ui_port:
            raise CommandError(f"WEB_PORT and UI_PORT are both {web_port}; choose two ports.")
        web, ui = f"http://localhost:{web_port}", f"http://localhost:{ui_port}"
        stopped = when_told_to_stop()
        set_up()
        children = {name: start(name, web_port, ui_port) for name in commands(ui_port)}
        try:
            note(children)
            wait_until_healthy(children, [f"{web}/readyz", f"{ui}/_stcore/health"], stopped)
            self.stdout.write(
                f"\n  Draw a digit   {ui}\n  Admin          {web}/admin/\n  API            {web}/api/docs\n"
            )
            self.stdout.write("Ctrl-C stops everything.")
            supervision.keep_running(parts(children, web_port, ui_port), stopped, self.stdout.write)
        finally:
            stop(children)
        self.stdout.write("Stopped.")


def when_told_to_stop() -> threading.Event:
    """Set by Ctrl-C, by SIGTERM and, unless nohup says otherwise, by the terminal that is closed."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: stopped.set())
    return stopped


def set_up() -> None:
    """In processes of their own, which give back what they need: the shipped model, for one, needs torch."""
    commands: dict[str, list[str]] = {"setup": [], "collectstatic": ["--no-input", "--verbosity", "0"]}
    environment = {"setup": dict(os.environ), "collectstatic": without_the_admins_password()}
    running = {
        name: subprocess.Popen(
            [sys.executable, "manage.py", name, *options],
            cwd=settings.BASE_DIR,
            env=environment[name],
            start_new_session=True,
        )
        for name, options in commands.items()
    }
    for name, process in running.items():
        if process.wait():
            raise CommandError(f"manage.py {name} ended with code {process.returncode}.")


def check_port(name: str) -> int:
    """The port of that setting; CommandError when it is no port or is taken."""
    value = getattr(settings, name)
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise CommandError(f"{name} must be a port number, not {value!r}.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(value)))
        except OSError as problem:
            raise CommandError(f"Port {value} is taken; choose another with {name}.") from problem
    return int(value)


def commands(ui_port: int) -> dict[str, list[str]]:
    address = ["--server.address", "127.0.0.1", "--server.port", str(ui_port), "--server.headless", "true"]
    return {
        WEB: [sys.executable, "-m", "gunicorn", "--log-level", "warning"],
        "The worker": [sys.executable, "manage.py", "worker"],
        PAGE: [sys.executable, "-m", "streamlit", "run", "streamlit_ui/app.py", *address],
    }


def start(name: str, web_port: int, ui_port: int) -> subprocess.Popen[bytes]:
    """Start a child that Ctrl-C does not reach: this process stops it in good order."""
    ports = {
        "WEB_PORT": str(web_port),
        "API_URL": f"http://127.0.0.1:{web_port}",
        "UI_URL": f"http://localhost:{ui_port}",
    }
    os.environ.setdefault("PAGE_SECRET", secrets.token_urlsafe(32))  # another one at each start
    given = pages_environment() if name == PAGE else without_the_admins_password()
    command, folder = commands(ui_port)[name], settings.BASE_DIR
    return subprocess.Popen(command, cwd=folder, env=given | ports, start_new_session=True)


def without_the_admins_password() -> dict[str, str]:
    """Only `setup` makes the account."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_SUPERUSER_")}


def pages_environment() -> dict[str, str]:
    """The page faces visitors and needs the API alone: no database, no key."""
    return {name: value for name, value in os.environ.items() if PAGE_NEEDS.fullmatch(name)}


def wait_until_healthy(children: Children, urls: list[str], stopped: threading.Event) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while urls and not stopped.wait(0.1):
        check_alive(children)
        urls = [url for url in urls if not is_healthy(url)]
        if urls and time.monotonic() > deadline:
            raise CommandError(f"{urls[0]} is not healthy after {SECONDS_TO_START} seconds.")


def is_healthy(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def parts(children: Children, web_port: int, ui_port: int) -> list[supervision.Part]:
    """What is started again when it ends: the server of the database first, then each child in its place."""

    def part(name: str) -> supervision.Part:
        def start_again() -> None:
            children[name] = start(name, web_port, ui_port)
            note(children)

        def ended() -> str:
            code = children[name].poll()
            return "" if code is None else f"ended by itself with code {code}"

        return supervision.Part(name, start_again, ended)

    database = []
    if not given.DATABASE_URL:  # it is our own
        from mnistsite import embedded_postgres

        database = [supervision.Part("The database", embedded_postgres.start_again, embedded_postgres.ended)]
    return database + [part(name) for name in commands(ui_port)]


def note(children: Children) -> None:
    """On a full disk a run goes on without; only the next one can't end what this one leaves when killed."""
    try:
        supervision.note_processes(settings.VAR_DIR / PROCESSES, [child.pid for child in children.values()])
    except OSError as problem:
        sys.stderr.write(f"The processes could not be noted: {problem}\n")


def check_alive(children: Children) -> None:
    for name, child in children.items():
        if child.poll() is not None:
            raise CommandError(f"{name} ended by itself with code {child.returncode}.")


def stop(children: Children) -> None:
    """Let requests in flight finish; then take whatever is left of each child's family."""
    for child in children.values():
        child.terminate()
    for child in children.values():
        try:
            child.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
