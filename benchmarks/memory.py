"""How much memory a process takes, and took at most."""

from pathlib import Path


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


def _read(process: int | str, line: str) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return 1.024e-3 * int(status.partition(f"{line}:")[2].split()[0])
