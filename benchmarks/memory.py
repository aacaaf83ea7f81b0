"""How much memory a process takes, and took at most."""

from pathlib import Path
from typing import NamedTuple


def resident(process: int | str = "self") -> float:
    """In megabytes, now."""
    return _read(process, "VmRSS")


def peak(process: int | str = "self") -> float:
    """In megabytes, since it began or its peak was forgotten; getrusage would count its parent's memory as
    well, if that was more."""
    return _read(process, "VmHWM")


def forget_peak(process: int) -> None:
    """The peak begins anew with what is resident now."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


class Share(NamedTuple):
    """In megabytes: pages that n processes share counted as an nth (PSS), and those of this process alone."""

    proportional: float
    own: float

    def __add__(self, other: "Share") -> "Share":  # type: ignore[override]
        return Share(self.proportional + other.proportional, self.own + other.own)


def share(process: int) -> Share:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    figures = {name: 1.024e-3 * int(value.split()[0]) for name, value in (line.split(":") for line in lines)}
    return Share(figures["Pss"], figures["Private_Clean"] + figures["Private_Dirty"])


def _read(process: int | str, line: str) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return 1.024e-3 * int(status.partition(f"{line}:")[2].split()[0])
