"""Processes that end by themselves are started again; a killed launcher's are ended by the next."""

import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from django.core.management.base import CommandError

from mnistsite import supervision
from mnistsite.management.commands import serve
from tests.product import Product, still_running
from tests.waiting import wait_until


def says(product: Product, text: str) -> bool:
    return text in product.printed


def is_ready(product: Product) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{product.web}/readyz", timeout=5).ok
    except requests.RequestException:
        return False


def test_what_is_killed_comes_back_and_a_killed_launcher_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    """The worker, the page, the web server, the database; then the launcher."""
    first = Product(tmp_path)
    first.wait_until_ready()
    for name, program in (("worker", "worker"), ("drawing page", "streamlit"), ("web server", "gunicorn")):
        killed = first.running(program)[0]
        killed.kill()
        wait_until(partial(says, first, f"The {name} ended by itself with code -9"))
        wait_until(partial(first.running, program))
    first.postmaster().kill()
    wait_until(partial(says, first, "The database ended by itself"))
    wait_until(partial(is_ready, first))
    orphans = first.children()
    first.process.kill()
    first.process.wait()
    assert is_ready(first)

    with Product(tmp_path) as second:
        assert "3 processes of a run that was killed were still there" in second.printed
        assert is_ready(second)
        assert not still_running(orphans)
    first._reader.join()
    first.process.stdout.close()  # type: ignore[union-attr]


def test_what_ends_again_and_again_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "PAUSES", (0, 0, 0))
    monkeypatch.setattr(supervision, "SECONDS_BETWEEN_LOOKS", 0.0)
    said: list[str] = []
    part = supervision.Part("The worker", lambda: None, lambda: "ended by itself with code 3")
    with pytest.raises(CommandError, match="The worker ended by itself with code 3, for the 4th time"):
        supervision.keep_running([part], threading.Event(), said.append)
    assert said == ["The worker ended by itself with code 3. It is started again."] * 3


def test_one_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "SECONDS_BETWEEN_LOOKS", 0.0)
    monkeypatch.setattr(supervision, "PAUSES", (0, 0, 0))
    stopped, tries, said = threading.Event(), [], list[str]()

    def start() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no room")
        stopped.set()

    part = supervision.Part("The page", start, lambda: "ended")
    supervision.keep_running([part], stopped, said.append)
    assert said[1] == "The page could not be started: no room. It is started again."


def test_child_that_cannot_be_noted_is_kept(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The folder for the note can't be made, as on a full disk."""
    (tmp_path / "var").touch()
    settings.VAR_DIR = tmp_path / "var"
    monkeypatch.setattr(serve, "commands", lambda _: {"The worker": ["sleep", "600"]})
    children: serve.Children = {}
    serve.parts(children, 1, 2)[-1].start()
    os.kill(children["The worker"].pid, signal.SIGTERM)
    assert children["The worker"].wait() == -signal.SIGTERM
    assert "could not be noted" in capfd.readouterr().err


@pytest.mark.parametrize("left", [None, "", "[[1", "{}", "[[12, 1.5]]"])
def test_file_of_processes_that_says_nothing_ends_nobody(tmp_path: Path, left: str | None) -> None:
    file = tmp_path / "processes.json"
    if left is not None:
        file.write_text(left)
    assert supervision.end_orphans(file) == 0


def test_children_of_a_launcher_that_lives_are_left_alone(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    supervision.note_processes(tmp_path / "processes.json", [child.pid])
    assert supervision.end_orphans(tmp_path / "processes.json") == 0
    assert psutil.Process(child.pid).is_running()
    child.communicate(b"\n")
