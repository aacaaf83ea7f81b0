"""`python -m benchmarks.capacity`: the work of one machine through the proxy, by one web container and three.

Clients on this machine send what the page sends, each its next drawing when the last is answered; so they
share the cores with the site. Needs a Docker engine that may be asked without sudo.
"""

import base64
import http.client
import io
import json
import statistics
import sys
import threading
import time
import uuid
from typing import NamedTuple

from PIL import Image, ImageDraw

from benchmarks.compose_copy import PORTS, Stack, copied_checkout
from benchmarks.drilling import ONE

WEB = (1, 3)
CLIENTS = (1, 8, 32)
SECONDS = 10
ROUNDS = 3
# One address may send as much as it likes.
OVERRIDE = "services: {web: {environment: {API_WORK: 1000000}}}\n"


def drawing() -> dict[str, object]:
    """A one as the page sends it: strokes, and the canvas as a picture."""
    canvas = Image.new("RGBA", (280, 280), "black")
    ImageDraw.Draw(canvas).line([tuple(point) for point in ONE[0]], "white", 18)
    file = io.BytesIO()
    canvas.save(file, "PNG")
    return {"strokes": ONE, "image": base64.b64encode(file.getvalue()).decode(), "source": "page"}


class Clients:
    """`count` of them until `SECONDS` are over; `seconds` has how long each answer took."""

    def __init__(self, count: int) -> None:
        self.seconds: list[float] = []
        self.failed = 0
        self._body = drawing()
        self._end = time.monotonic() + SECONDS
        threads = [threading.Thread(target=self._draw) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _draw(self) -> None:
        connection = http.client.HTTPConnection("localhost", int(PORTS["HTTP_PORT"]), timeout=60)
        while (started := time.monotonic()) < self._end:
            body = json.dumps(self._body | {"id": str(uuid.uuid4()), "visitor": str(uuid.uuid4())})
            connection.request("POST", "/api/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            self.seconds.append(time.monotonic() - started)
            self.failed += answer.status != 201


class Seen(NamedTuple):
    """Answers a second, their median and 95th percentile in ms, cores that the clients took, failures."""

    rate: float
    median: float
    p95: float
    cores: float
    failed: float


def measure(clients: int) -> Seen:
    processor = time.process_time()
    load = Clients(clients)
    cuts = [1000 * cut for cut in statistics.quantiles(load.seconds, n=20)]
    cores = (time.process_time() - processor) / SECONDS
    return Seen(len(load.seconds) / SECONDS, cuts[9], cuts[18], cores, load.failed)


def all_rounds(stack: Stack) -> dict[tuple[int, int], list[Seen]]:
    """The counts of web containers take turns, so that a busy minute of the machine is shared by all."""
    seen: dict[tuple[int, int], list[Seen]] = {(web, clients): [] for web in WEB for clients in CLIENTS}
    for _ in range(ROUNDS):
        for web in WEB:
            stack.up("--scale", f"web={web}")
            Clients(8)  # warms up
            for clients in CLIENTS:
                seen[web, clients].append(measure(clients))
    return seen


def row(web: int, clients: int, rounds: list[Seen]) -> str:
    """Medians of the rounds."""
    middle = Seen(*(statistics.median(values) for values in zip(*rounds, strict=True)))
    rates = ", ".join(f"{seen.rate:.0f}" for seen in rounds)
    return (
        f"| {web} | {clients} | {middle.rate:.0f} ({rates}) | {middle.median:.1f} | {middle.p95:.1f} "
        f"| {middle.cores:.2f} | {sum(seen.failed for seen in rounds):.0f} |"
    )


def main() -> int:
    with copied_checkout() as stack:
        stack.run("deploy/make-env")
        (stack.directory / "docker-compose.override.yml").write_text(OVERRIDE)
        stack.compose("build")
        print(
            "| web | clients | answers a second (each round) | median ms | p95 ms | clients' cores | failed |"
        )
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for (web, clients), rounds in all_rounds(stack).items():
            print(row(web, clients, rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
