"""How many drawings a second a replay reads, and its memory along the way, on the database at hand.

    VAR_DIR=var/scale-1000000 python -m benchmarks.replay_speed

The newest version reads the whole log in this process, as `manage.py replay` and the worker do.
"""

import os
import resource
import time
from pathlib import Path

from benchmarks import site

PARTS = 5


def main() -> None:
    site.set_up()
    from predictions.learning.replay import replay
    from predictions.models import ModelVersion

    print("| read | drawings a second so far | memory, MB | peak, MB |")
    print("|---:|---:|---:|---:|", flush=True)
    version, progress = ModelVersion.objects.latest("pk").name, Progress()
    rows = replay(progress.report, version)["rows"]
    seconds = time.monotonic() - progress.started
    print(f"\n{rows:,} drawings in {seconds:.0f} s: {rows / seconds:,.0f} a second.")


class Progress:
    """A line for each fifth of the log, and one for the first batch."""

    def __init__(self) -> None:
        self.started, self.next = time.monotonic(), 0.0

    def report(self, share: float, message: str) -> None:
        if share < self.next:
            return
        self.next = (int(share * PARTS) + 1) / PARTS if share < 1 else 2.0
        rows = int(message.split()[0].replace(",", ""))
        speed = rows / (time.monotonic() - self.started)
        print(f"| {rows:,} | {speed:,.0f} | {memory():.0f} | {peak():.0f} |", flush=True)


def memory() -> float:
    """Of this process now, in megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
