"""One turn of one server under wrk's load, and of the floor: the same work in one loop on one thread."""

import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson

from benchmarks.peers import row
from benchmarks.peers.pipelines import OurPipeline
from benchmarks.peers.servers import Cluster, Server, processor_seconds

FLOOR = "the floor"
STEPS = ("drawing", "network", "INSERT", "answer")
SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True)
class Payload:
    """A request's body in a file, and the digit that it shows."""

    name: str
    file: Path
    digit: int


@dataclass(frozen=True)
class Turn:
    """What one server did for one load; percentiles in ms, CPU in seconds.

    Answers are `right`, `wrong` (another digit), `busy` (503) or `refused` (any other status);
    `timeouts` came late, and from `broken` connections none came. `parts` are the floor's
    steps, in ms of CPU.
    """

    server: str
    payload: str
    connections: int
    cycle: int
    seconds: float
    p50: float
    p95: float
    p99: float
    right: int
    wrong: int
    busy: int
    refused: int
    timeouts: int
    broken: int
    rows: int
    server_cpu: float
    database_cpu: float
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.right / self.seconds

    @property
    def errors(self) -> int:
        return self.wrong + self.busy + self.refused + self.timeouts + self.broken

    @property
    def is_logged(self) -> bool:
        """A row for every answer, and no other but of requests that the end of the turn cut off."""
        unanswered = self.connections + self.errors
        return self.right + self.wrong <= self.rows <= self.right + self.wrong + unanswered


def drive(server: Server, payload: Payload, connections: int, seconds: int, cycle: int) -> Turn:
    server.check_alive()
    server.go_on()
    rows, cost = server.rows(), server.cost()
    load = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT), server.url]
    arguments = ["--", str(payload.file), str(payload.digit)]
    printed = subprocess.run([*load, *arguments], check=True, capture_output=True, text=True).stdout
    time.sleep(0.3 + connections / 100)  # for the requests that the end of the turn cut off
    server_cpu, database_cpu = np.subtract(server.cost(), cost).tolist()
    rows = server.rows() - rows
    server.rest()
    return Turn(
        server.name,
        payload.name,
        connections,
        cycle,
        **json.loads(printed.splitlines()[-1]),
        rows=rows,
        server_cpu=server_cpu,
        database_cpu=database_cpu,
    )


class Floor:
    """In this process, with the product's decoding, preprocessing and network; its database is the one that
    DATABASE_URL names."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.pipeline = cluster, OurPipeline()

    def run(self, payload: Payload, connections: int, seconds: int, cycle: int) -> Turn:
        body, spent, times, right = payload.file.read_bytes(), dict.fromkeys(STEPS, 0.0), list[float](), 0
        database = processor_seconds(self.cluster.process)
        started, cpu = time.perf_counter(), time.process_time()
        while (began := time.perf_counter()) < started + seconds:
            right += self._answer(body, spent) == payload.digit
            times.append(1000 * (time.perf_counter() - began))
        p50, p95, p99 = np.percentile(times, (50, 95, 99)).tolist()
        return Turn(
            FLOOR,
            payload.name,
            connections,
            cycle,
            time.perf_counter() - started,
            p50,
            p95,
            p99,
            right=right,
            wrong=len(times) - right,
            busy=0,
            refused=0,
            timeouts=0,
            broken=0,
            rows=len(times),
            server_cpu=time.process_time() - cpu,
            database_cpu=processor_seconds(self.cluster.process) - database,
            parts={step: 1000 * took / len(times) for step, took in spent.items()},
        )

    def _answer(self, body: bytes, spent: dict[str, float]) -> int:
        """The digit; `spent` is given the steps' seconds."""
        marks = [time.thread_time()]
        drawing = self.pipeline.prepare(orjson.loads(body))
        marks.append(time.thread_time())
        probabilities = self.pipeline.probabilities(drawing.input[None])[0]
        marks.append(time.thread_time())
        logged = row.to_row(drawing, probabilities)
        row.insert(logged)
        marks.append(time.thread_time())
        orjson.dumps(logged.answer())
        marks.append(time.thread_time())
        for step, took in zip(STEPS, np.diff(marks), strict=True):
            spent[step] += float(took)
        return logged.digit
