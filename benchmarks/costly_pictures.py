"""What pictures that cost much take of the web process, sent to the whole product in every way.

    python -m benchmarks.costly_pictures [--damaged 20000]

Each of the pictures crafted for the tests (bombs of every kind, and the largest that are allowed) by itself
as the body, in a form and in JSON; then sixteen clients at once with the largest; then, where asked for,
damaged files. Memory is the web process's peak above its size when idle (VmHWM and VmRSS).
"""

import argparse
import base64
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import requests

from benchmarks import memory
from benchmarks.damaged_pictures import damage, whole_files
from tests.pictures import AFFORDABLE, TOO_LARGE
from tests.product import Product

LARGEST = ("jpeg-50-megapixels", "png-colours-7-megapixels", "jpeg-progressive-12-megapixels")
CLIENTS = 16
SECONDS = 20
RAW = {"Content-Type": "image/jpeg"}
WAYS: dict[str, Callable[[bytes], dict[str, object]]] = {
    "raw": lambda data: {"data": data, "headers": RAW},
    "form": lambda data: {"files": {"image": data}},
    "JSON": lambda data: {"json": {"image": base64.b64encode(data).decode()}},
}


class Web:
    """The product's one web worker, and what it takes."""

    def __init__(self, product: Product) -> None:
        self.url = f"http://localhost:{product.web}/api/predict"
        self.process = max(product.web_processes(), key=lambda process: process.create_time())

    def send(self, way: str, data: bytes) -> int:
        return requests.post(self.url, timeout=60, **WAYS[way](data)).status_code  # type: ignore[arg-type]

    def measure(self, way: str, data: bytes) -> tuple[int, float, float]:
        """The status, the megabytes above idle at the peak, and the seconds of CPU."""
        memory.forget_peak(self.process.pid)
        idle, before = memory.resident(self.process.pid), self.seconds()
        status = self.send(way, data)
        return status, memory.peak(self.process.pid) - idle, self.seconds() - before

    def seconds(self) -> float:
        return float(sum(self.process.cpu_times()[:2]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--damaged", type=int, default=0, metavar="COUNT")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Product(Path(folder), API_WORK="1000000", API_MB_A_DAY="1000000") as product,
    ):
        web = Web(product)
        send_one_by_one(web)
        send_together(web)
        if options.damaged:
            send_damaged(web, options.damaged)


def send_one_by_one(web: Web) -> None:
    for way in WAYS:  # the first of each kind imports what it needs
        web.send(way, AFFORDABLE["webp-2-megapixels"]())
    print("| picture | way | status | MB above idle | seconds of CPU |\n|---|---|---:|---:|---:|", flush=True)
    for name, make in {**TOO_LARGE, **AFFORDABLE}.items():
        data = make()
        for way in WAYS:
            status, megabytes, seconds = web.measure(way, data)
            print(f"| {name} | {way} | {status} | {megabytes:.0f} | {seconds:.2f} |", flush=True)


def send_together(web: Web) -> None:
    """Sixteen clients, each its next picture when the last is answered."""
    print("\n| sixteen at once | way | answers by status | idle MB | peak MB |\n|---|---|---|---:|---:|")
    for name in LARGEST:
        data = AFFORDABLE[name]()
        for way in WAYS:
            idle = memory.resident(web.process.pid)
            memory.forget_peak(web.process.pid)
            answers = _crowd(web, way, data)
            print(
                f"| {name} | {way} | {answers} | {idle:.0f} | {memory.peak(web.process.pid):.0f} |",
                flush=True,
            )


def _crowd(web: Web, way: str, data: bytes) -> str:
    answers: Counter[int] = Counter()
    end = time.monotonic() + SECONDS

    def visit() -> None:
        while time.monotonic() < end:
            answers[web.send(way, data)] += 1

    threads = [threading.Thread(target=visit) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ", ".join(f"{status}: {count}" for status, count in sorted(answers.items()))


def send_damaged(web: Web, count: int) -> None:
    """Damaged files of every format, the ways in turn."""
    answers: Counter[int] = Counter()
    slowest, idle = 0.0, memory.resident(web.process.pid)
    memory.forget_peak(web.process.pid)
    for way, data in _damaged(count):
        before = web.seconds()
        answers[web.send(way, data)] += 1
        slowest = max(slowest, web.seconds() - before)
    children, most = web.process.children(), memory.peak(web.process.pid) - idle
    print(
        f"\n{count} damaged files: {dict(sorted(answers.items()))}; at most {most:.0f} MB above idle "
        f"and {slowest:.2f} s of CPU; {len(children)} programs started."
    )


def _damaged(count: int) -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(0)
    whole = whole_files()
    for number in range(count):
        yield list(WAYS)[number % len(WAYS)], damage(whole[rng.integers(len(whole))], rng)


if __name__ == "__main__":
    main()
