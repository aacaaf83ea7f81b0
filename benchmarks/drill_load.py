"""The load of `make drills`, and the judge of what it saw: answered is logged, once, as it was answered."""

import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import psutil
import psycopg
import requests

from benchmarks.simulated_people import base64_png
from tests.product import REPOSITORY, Product
from training import drawings

STROKES = Path(__file__).with_name("data") / "strokes-dev.npz"
# A proxy tells visitors' addresses; the load comes from one, and is more than one may take.
SETTINGS = {"WEB_WORKERS": "2", "API_WORK": "1000000", "API_MB_A_DAY": "100000", "TRUSTED_PROXIES": "1"}
CLIENTS = 4
SECONDS_BETWEEN = 0.05  # of a client's requests
SECONDS_TO_RETRY = 0.25  # sooner than Retry-After says, to see when the first good answer comes
SECONDS_TO_RECOVER = 90
AT_MOST = 600  # seconds of one load
# In the table, what takes longer than the aim is bold; a busy machine is no reason to fail.
LIVEZ, REFUSAL, RECOVERY = 1.0, 1.0, 2.0
HEAD = (
    "| drill | requests | cut off | 4xx, 5xx but 503 with Retry-After | lost | double | wrong "
    "| slowest /livez | slowest 503 | first good answer after | seen |\n|---|" + "---:|" * 9 + "---|"
)

Body = dict[str, Any]


@dataclass(frozen=True)
class Exchange:
    """A request and what came of it; without an answer, its status is 0."""

    sent: float  # by the monotonic clock
    seconds: float
    status: int
    retry_after: str | None = None


@dataclass(frozen=True)
class Row:
    drill: str
    requests: int
    cut_off: int
    bad: int
    lost: int
    double: int
    wrong: int
    livez: float
    refusal: float
    recovery: float
    seen: str
    failed: bool  # what the drill itself looked for is not as it must be

    def is_good(self) -> bool:
        faults = self.bad + self.lost + self.double + self.wrong
        return not (faults or self.failed) and self.recovery < math.inf

    def __str__(self) -> str:
        counts = [f"{self.cut_off}", *map(in_bold_if, (self.bad, self.lost, self.double, self.wrong))]
        times = zip((self.livez, self.refusal, self.recovery), (LIVEZ, REFUSAL, RECOVERY), strict=True)
        seconds = [f"**{time:.2f} s**" if time > aim else f"{time:.2f} s" for time, aim in times]
        return f"| {' | '.join([self.drill, f'{self.requests:,}', *counts, *seconds, self.seen])} |"


def in_bold_if(count: int) -> str:
    return f"**{count}**" if count else "0"


def read_drawings() -> list[tuple[int, Body]]:
    """Of each digit the first drawing of the file, as strokes and as a small PNG."""
    digits = drawings.load_drawings(STROKES)
    bodies: list[tuple[int, Body]] = []
    for digit in range(10):
        strokes = digits.strokes[digits.labels.tolist().index(digit)]
        picture = base64_png(drawings.draw(strokes, drawings.Hand()))
        points = [(stroke * 190 + 45).round(1).tolist() for stroke in strokes]
        bodies += [(digit, {"strokes": points}), (digit, {"image": picture})]
    return bodies


class Load:
    """While the `with` block runs, a few clients draw, and say which digit it was; who gets no good answer
    sends the same id again. One more asks /livez ten times a second."""

    def __init__(self, port: int) -> None:
        self.port, self.pause, self.visitor = port, SECONDS_BETWEEN, str(uuid4())
        self.sent: list[Exchange] = []
        self.livez: list[Exchange] = []
        self.answered: dict[str, int] = {}  # the digit of each prediction
        self.claimed: dict[str, int] = {}
        self.misread = 0
        self._stopped, self.bodies = threading.Event(), read_drawings()
        jobs = [self._draw] * CLIENTS + [self._ask_livez]
        self._threads = [threading.Thread(target=job) for job in jobs]

    def __enter__(self) -> Self:
        self._until = time.monotonic() + AT_MOST
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _goes_on(self, pause: float) -> bool:
        return not self._stopped.wait(pause) and time.monotonic() < self._until

    def _draw(self) -> None:
        session = requests.Session()
        for digit, body in cycle(self.bodies):
            key = str(uuid4())
            answer = self._insist(session, "predict", body | {"id": key, "drawing": key})
            if answer:
                self.answered[key] = answer["digit"]
                self.misread += answer["digit"] != digit
                if self._insist(session, f"predictions/{key}/feedback", {"label": digit}):
                    self.claimed[key] = digit
            if not self._goes_on(self.pause):
                return

    def _insist(self, session: requests.Session, path: str, body: Body) -> Body | None:
        """The good answer; None where the load ended first, or where no answer ever will be good."""
        while True:
            exchange, answer = self._exchange(session, "POST", f"/api/{path}", body)
            self.sent.append(exchange)
            if exchange.status in (200, 201):
                return answer
            if 400 <= exchange.status < 500 or not self._goes_on(SECONDS_TO_RETRY):
                return None

    def _ask_livez(self) -> None:
        while self._goes_on(0.1):
            self.livez.append(self._exchange(requests.Session(), "GET", "/livez")[0])

    def _exchange(
        self, session: requests.Session, method: str, path: str, body: Body | None = None
    ) -> tuple[Exchange, Body | None]:
        sent, headers = time.monotonic(), {"X-Visitor": self.visitor}
        try:
            url = f"http://127.0.0.1:{self.port}{path}"
            answer = session.request(method, url, json=body, headers=headers, timeout=60)
            content = answer.json() if answer.ok else None
        except requests.RequestException:
            return Exchange(sent, time.monotonic() - sent, 0), None
        seconds, later = time.monotonic() - sent, answer.headers.get("Retry-After")
        return Exchange(sent, seconds, answer.status_code, later), content

    def recovery(self, ended: float) -> float:
        """Seconds from then to the first good answer of a request that was sent afterwards."""
        good = [one for one in list(self.sent) if one.sent >= ended and one.status in (200, 201)]
        return min((one.sent + one.seconds - ended for one in good), default=math.inf)

    def wait_until_good(self, ended: float) -> None:
        deadline = time.monotonic() + SECONDS_TO_RECOVER
        while self.recovery(ended) == math.inf and time.monotonic() < deadline:
            time.sleep(0.05)

    def percentile(self, share: float, since: float, until: float) -> float:
        """Of the good answers' seconds."""
        sent = [one for one in list(self.sent) if since <= one.sent < until]
        seconds = sorted(one.seconds for one in sent if one.status in (200, 201))
        return seconds[int(share * len(seconds))] if seconds else math.inf

    def judge(self, drill: str, database: str, ended: float, seen: str, failed: bool) -> Row:
        """When the load has ended."""
        query = (
            "SELECT id::text, drawing::text, digit, user_label FROM predictions_prediction WHERE visitor = %s"
        )
        with psycopg.connect(database) as connection:
            rows = connection.execute(query, [self.visitor]).fetchall()
        digits = {key: digit for key, _, digit, _ in rows}
        labels = {key: label for key, _, _, label in rows}
        unlike = [key for key, digit in self.answered.items() if digits.get(key, digit) != digit]
        return Row(
            drill,
            requests=len(self.sent),
            cut_off=sum(one.status == 0 for one in self.sent),
            bad=sum(not is_honest(one) for one in self.sent + self.livez),
            lost=len(self.answered.keys() - digits.keys())
            + sum(labels.get(key) != label for key, label in self.claimed.items()),
            double=len(rows) - len({drawing for _, drawing, _, _ in rows}),
            wrong=self.misread + len(unlike),
            livez=max(one.seconds for one in self.livez),
            refusal=max((one.seconds for one in self.sent if one.status in (0, 503)), default=0.0),
            recovery=self.recovery(ended),
            seen=seen,
            failed=failed,
        )


def is_honest(exchange: Exchange) -> bool:
    """A good answer, a 503 that says when to come again, or a connection that broke."""
    return exchange.status in (0, 200, 201) or (exchange.status == 503 and exchange.retry_after is not None)


class Stage:
    """The product that is drilled, and the load on it. What a drill looks for itself, it asserts."""

    def __init__(self, seconds: float, **environment: str) -> None:
        self.seconds, self.environment = seconds, SETTINGS | environment
        self.environment.setdefault(
            "MNIST_DIR", os.environ.get("MNIST_DIR", str(REPOSITORY / "var" / "data"))
        )

    def __enter__(self) -> Self:
        self.product = self.start()
        self.database = self.product.database_url()
        return self

    def __exit__(self, *exception: object) -> None:
        self.product.__exit__(*exception)

    def start(self, **environment: str) -> Product:
        product = Product(Path(self.environment["VAR_DIR"]), **self.environment | environment)
        product.wait_until_ready()
        return product

    def restart(self, **environment: str) -> None:
        """Also where the launcher is no more."""
        former = self.product
        if former.process.poll() is None:
            former.stop()
        self.product = self.start(**environment)
        self.load.port = self.product.web
        former.wait()

    def run(self, title: str, drill: Callable[["Stage"], str | None]) -> Row:
        with Load(self.product.web) as self.load:
            self.wait(1 / 4)
            self.began, failed = time.monotonic(), False
            try:
                seen = drill(self) or ""
            except AssertionError as problem:
                seen, failed = str(problem), True
            ended = time.monotonic()
            self.load.wait_until_good(ended)
            self.wait(1 / 4)
        return self.load.judge(title, self.database, ended, seen, failed)

    def wait(self, share: float = 1.0) -> None:
        """While the fault lasts."""
        time.sleep(share * self.seconds)

    def gunicorn(self) -> list[psutil.Process]:
        """The one that started the others comes first."""
        launcher = self.product.process.pid
        return sorted(self.product.web_processes(), key=lambda process: process.ppid() != launcher)

    def execute(self, statement: str, *values: object) -> list[Any]:
        with psycopg.connect(self.database) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []
