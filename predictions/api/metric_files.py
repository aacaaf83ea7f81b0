"""The files in which prometheus_client shares the web processes' figures, made safe for a full disk.

They are mapped into memory, where a page that the disk has no room for ends the process (SIGBUS). So room is
taken by writing before anything is mapped. Where there is none, a process keeps its figures to itself.

The library names a process's files by its number, and keeps them when it ends, since counters must not go
backwards. Here web processes have slots, and go on with the files of one that has ended.
"""

import logging
import mmap
import os
from pathlib import Path

from prometheus_client import mmap_dict, values

logger = logging.getLogger(__name__)
_slot: int | None = None
ROOM = 1 << 18  # bytes: about a thousand figures
BESIDE_THE_KEY = 28  # bytes of a figure at the most


class Figures(mmap_dict.MmapedDict):
    def __init__(self, filename: str, read_mode: bool = False) -> None:
        try:
            take_room(Path(filename), ROOM)
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]
        except OSError as problem:
            logger.warning("This process keeps its figures of /metrics to itself: %s", problem)
            self._positions: dict[str, int] = {}
            self._used = 8
            self._move_to_memory(b"", ROOM)

    def _init_value(self, key: str) -> None:
        while self._used + len(key.encode()) + BESIDE_THE_KEY > self._capacity:
            self._grow()
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _grow(self) -> None:
        size = 2 * self._capacity
        try:
            if self._f is None:
                raise OSError("It is in memory already.")
            take_room(Path(self._fname), size)
        except OSError:
            self._move_to_memory(self._m[:], size)
        else:
            self._m, self._capacity = mmap.mmap(self._f.fileno(), size), size

    def _move_to_memory(self, so_far: bytes, size: int) -> None:
        self._f = None  # type: ignore[assignment]
        self._m, self._capacity = mmap.mmap(-1, size), size
        self._m[: len(so_far)] = so_far
        self._m[:4] = self._used.to_bytes(4, "little")


def take_room(path: Path, size: int) -> None:
    """Make the file that long. Raises OSError; a new file is removed then, since nobody could read it."""
    with path.open("ab") as file:
        before = file.tell()
        try:
            file.write(bytes(max(0, size - before)))
            file.flush()
        except OSError:
            os.truncate(path, before)
            if not before:
                path.unlink()
            raise


def take_slot(slot: int | None) -> None:
    """No other process that lives may have it."""
    global _slot
    _slot = slot


def owner() -> str:
    return f"{os.getpid()}" if _slot is None else f"slot{_slot}"


def install() -> None:
    """To be called before the first figure is made: the library looks for the classes at each."""
    values.MmapedDict = Figures  # type: ignore[attr-defined]
    if values.ValueClass is not values.MutexValue:
        values.ValueClass = values.MultiProcessValue(owner)


os.register_at_fork(after_in_child=lambda: take_slot(None))  # or a process's child would write into its files
