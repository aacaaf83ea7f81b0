"""Waiting for what other processes do."""

import time
from collections.abc import Callable


def wait_until(holds: Callable[[], object], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"It did not come to that within {seconds:.0f} seconds."
        time.sleep(0.1)
