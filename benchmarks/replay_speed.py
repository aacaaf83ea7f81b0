"""How many drawings a second a replay reads, and its memory along the way, on the database at hand.

    VAR_DIR=var/scale-1000000 python -m benchmarks.replay_speed

The newest version reads the whole log in this process, as `manage.py replay` and the worker do.
"""

import time

from benchmarks import site
from benchmarks.memory import peak, resident

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
        print(f"| {rows:,} | {speed:,.0f} | {resident():.0f} | {peak():.0f} |", flush=True)


if __name__ == "__main__":
    main()
