"""How soon every web worker answers with a promoted version, under load, and whether a request fails.

    python -m benchmarks.promotion_load [--promotions 10] [--workers 2] [--connections 8]

Starts the whole product on a var/ of its own. Clients draw without a pause, each on one connection, while two
versions of the same weights take turns. A worker's delay is from just before the promotion is asked for to
the end of its last answer with the old version.
"""

import argparse
import http.client
import json
import os
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import site
from tests.product import Product

STROKES = {"strokes": [[[100, 20], [98, 100], [96, 200]]]}
SECONDS_BETWEEN = 4.0


@dataclass(frozen=True)
class Answer:
    at: float  # by the monotonic clock
    port: int  # the client's, which says which worker answered
    version: str  # the message, where there is none


@dataclass
class Clients:
    """Threads that draw until they are stopped."""

    web: int
    answers: list[Answer] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    failed: list[str] = field(default_factory=list)

    def start(self, connections: int) -> list[threading.Thread]:
        threads = [threading.Thread(target=self.draw) for _ in range(connections)]
        for thread in threads:
            thread.start()
        return threads

    def draw(self) -> None:
        body, headers = json.dumps(STROKES), {"Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.web, timeout=30)
        while not self.stopped.is_set():
            try:
                connection.request("POST", "/api/predict", body, headers)
                port = connection.sock.getsockname()[1]
                answer = connection.getresponse()
                content = answer.read()
            except OSError as error:
                self.failed.append(repr(error))
                connection.close()
                continue
            if answer.status == 201:
                self.answers.append(Answer(time.monotonic(), port, json.loads(content)["model_version"]))
            else:
                self.failed.append(f"{answer.status} {content!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--promotions", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    settings = {"WEB_WORKERS": str(options.workers), "API_WORK": "1000000"}
    with tempfile.TemporaryDirectory() as var, Product(Path(var), **settings) as product:
        measure(product, options.promotions, options.connections)


def measure(product: Product, promotions: int, connections: int) -> None:
    os.environ |= {"VAR_DIR": str(product.var), "DATABASE_URL": product.database_url()}
    site.set_up()
    clients = Clients(product.web)
    threads, started = clients.start(connections), time.monotonic()
    workers: dict[int, int] = {}
    delays = []
    for _ in range(promotions):
        time.sleep(SECONDS_BETWEEN / 2)
        workers |= workers_of(product)
        asked, version = time.monotonic(), promote_the_other()
        time.sleep(SECONDS_BETWEEN / 2)
        delays += delays_after(asked, version, clients.answers, workers)
    seconds = time.monotonic() - started
    clients.stopped.set()
    for thread in threads:
        thread.join()
    report(promotions, connections, clients, seconds, delays)


def promote_the_other() -> str:
    """Promote the version that does not answer, a copy of the shipped one at first; its name."""
    from predictions.models import ModelVersion

    versions = ModelVersion.objects
    other = versions.filter(active=False).first()
    if other is None:
        other = versions.register(bytes(versions.get(active=True).weights.checkpoint))
    other.promote(reason="to measure", override=True)
    return other.name


def workers_of(product: Product) -> dict[int, int]:
    """For each client's port the web process that has its connection."""
    return {
        connection.raddr.port: process.pid
        for process in product.web_processes()
        for connection in process.net_connections("tcp")
        if connection.status == "ESTABLISHED"
    }


def delays_after(asked: float, version: str, answers: list[Answer], workers: dict[int, int]) -> list[float]:
    """Of each worker: seconds until its last answer with another version."""
    later = [answer for answer in list(answers) if answer.at > asked]
    old = [(workers[answer.port], answer.at - asked) for answer in later if answer.version != version]
    answering = {workers[answer.port] for answer in later if answer.version == version}
    assert answering == set(workers.values()), "a worker was not asked, or did not take the version"
    return [max((at for pid, at in old if pid == worker), default=0.0) for worker in answering]


def report(promotions: int, connections: int, clients: Clients, seconds: float, delays: list[float]) -> None:
    requests = len(clients.answers)
    print("| promotions | workers | connections | requests | a second | failed | delay: median | largest |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    print(
        f"| {promotions} | {len(delays) // promotions} | {connections} | {requests:,} "
        f"| {requests / seconds:.0f} | {len(clients.failed)} | {statistics.median(delays):.2f} s "
        f"| {max(delays):.2f} s |"
    )
    for failure in clients.failed[:5]:
        print(failure)


if __name__ == "__main__":
    main()
