"""What `manage.py serve` does when one of its processes ends by itself, or when it was itself killed."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from django.core.management.base import CommandError

from mnistsite.files import write_whole

SECONDS_BETWEEN_LOOKS = 0.2
# Seconds before each new start of a process that ends again and again; after the last, all is stopped.
PAUSES = (0, 1, 2, 4, 8, 16)
# One that has run for so long has not ended again, but anew.
STEADY = 60
SECONDS_TO_STOP = 25


@dataclass
class Part:
    """A process of the product: how it is started (raises OSError), and how it ended ("" while it runs)."""

    name: str
    start: Callable[[], None]
    ended: Callable[[], str]
    deaths: int = 0
    started_at: float = 0.0
    start_at: float | None = None


def keep_running(parts: Iterable[Part], stopped: threading.Event, say: Callable[[str], object]) -> None:
    """Start again whatever ends, until told to stop. Raises CommandError where one ends again and again."""
    parts = list(parts)
    for part in parts:
        part.started_at = time.monotonic()
    while not stopped.wait(SECONDS_BETWEEN_LOOKS):
        for part in parts:
            if part.start_at is not None:
                start_when_due(part, say)
            elif how := part.ended():
                note_death(part, how, say)


def start_when_due(part: Part, say: Callable[[str], object]) -> None:
    if part.start_at is None or time.monotonic() < part.start_at:
        return
    part.start_at, part.started_at = None, time.monotonic()
    try:
        part.start()
    except OSError as problem:
        note_death(part, f"could not be started: {problem}", say)


def note_death(part: Part, how: str, say: Callable[[str], object]) -> None:
    now = time.monotonic()
    part.deaths = 1 if now - part.started_at > STEADY else part.deaths + 1
    if part.deaths > len(PAUSES):
        raise CommandError(f"{part.name} {how}, for the {part.deaths}th time. Everything is stopped.")
    pause = PAUSES[part.deaths - 1]
    part.start_at = now + pause
    say(f"{part.name} {how}. It is started again{f' in {pause} s' if pause else ''}.")


def note_processes(file: Path, pids: Iterable[int]) -> None:
    """Write this process and its children down for the next run, with the time of birth: numbers recur."""
    known = []
    for pid in (os.getpid(), *pids):
        with suppress(psutil.NoSuchProcess):
            known.append((pid, psutil.Process(pid).create_time()))
    write_whole(file, json.dumps(known))


def end_orphans(file: Path) -> int:
    """End what a launcher that was killed has left; how many processes that were."""
    found = [process for pid, born in read_processes(file) if (process := same_process(pid, born))]
    if not found or is_launcher(file, found[0]):
        return 0
    for process in found:
        process.terminate()
    _, alive = psutil.wait_procs(found, SECONDS_TO_STOP)
    for process in alive:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return len(found)


def read_processes(file: Path) -> list[tuple[int, float]]:
    """None where there is no file, or nothing of ours in it."""
    try:
        return [(int(pid), float(born)) for pid, born in json.loads(file.read_text())]
    except (OSError, ValueError, TypeError):
        return []


def same_process(pid: int, born: float) -> psutil.Process | None:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if process.create_time() == born and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def is_launcher(file: Path, process: psutil.Process) -> bool:
    """It is the first in the file, and lives: its children are no orphans."""
    return read_processes(file)[0][0] == process.pid
