"""How much memory a process takes, and took at most."""

import re
from collections import Counter
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


def borne_by_others(processes: list[int]) -> float:
    """Megabytes of libraries and other files that these processes use but that are counted, in part, with
    programs outside of them: what PSS would be more, at most, on a machine where nothing else runs."""
    proportional, needed = 0, Counter[str]()
    for process in processes:
        for file, figures in _files(process):
            proportional += figures["Pss"] - min(figures["Pss"], figures["Anonymous"])
            needed[file] = max(needed[file], figures["Rss"] - figures["Anonymous"])
    return 1.024e-3 * (needed.total() - proportional)


def _files(process: int) -> list[tuple[str, dict[str, int]]]:
    """Each mapped part of a file by its place and name, with its figures in KiB."""
    mappings = re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", Path(f"/proc/{process}/smaps").read_text())[1:]
    heads = [(mapping.partition("\n")[0].split(maxsplit=5), mapping) for mapping in mappings]
    return [
        (
            f"{head[2]} {head[5]}",
            {name: int(kilobytes) for name, kilobytes in re.findall(r"(?m)^(\w+): +(\d+) kB", mapping)},
        )
        for head, mapping in heads
        if head[4] != "0"
    ]


def _read(process: int | str, line: str) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return 1.024e-3 * int(status.partition(f"{line}:")[2].split()[0])
