"""The calls whose cost `benchmarks.scale` and `benchmarks.index_costs` measure, each on a log of any length.

The server is this process, asked through Django's test client; its database backend is another, whose CPU
time the kernel tells to the nanosecond.
"""

import json
import os
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil

from benchmarks import site
from benchmarks.memory import forget_peak, peak
from benchmarks.simulated_log import REPOSITORY, fill_once

LIST = "/admin/predictions/prediction/"
STROKES = [[[100, 20], [98, 100], [96, 200]]]
DRAWINGS_OF_A_VISITOR = 8
VISITORS = 500


@dataclass(frozen=True)
class Cost:
    """Of one call: seconds of wall time, of CPU here and in the database; how many rows it was about, where
    it is about them all; megabytes of memory here at most."""

    wall: float
    server: float
    database: float
    rows: int
    memory: float

    @property
    def cpu(self) -> float:
        return self.server + self.database


@dataclass(frozen=True)
class Call:
    """What is measured, given what `prepare` makes beforehand; its result may be a number of rows."""

    act: Callable[[Any], Any]
    prepare: Callable[[], Any] = lambda: None

    def measure(self) -> Cost:
        given, backend = self.prepare(), Backend()
        forget_peak(os.getpid())
        wall, server, database = time.perf_counter(), time.process_time(), backend.cpu()
        result = self.act(given)
        wall, server = time.perf_counter() - wall, time.process_time() - server
        rows = result if isinstance(result, int) else 0
        return Cost(wall, server, backend.cpu() - database, rows, peak())


class Backend:
    """The database's process for our connection."""

    def __init__(self) -> None:
        from django.db import connection

        connection.ensure_connection()
        assert connection.connection
        self.pid = connection.connection.info.backend_pid
        self.postmaster = psutil.Process(self.pid).parent()

    def cpu(self) -> float:
        """Seconds so far; those of parallel workers, which have ended, to the hundredth."""
        assert self.postmaster
        ended = self.postmaster.cpu_times()
        own = int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0])
        return own / 1e9 + ended.children_user + ended.children_system


def open_log(rows: int) -> Any:  # noqa: ANN401  (Django's test client, which must not be imported yet)
    """Bring a log of that length up, below var/, made at the first time; an operator's client."""
    os.environ["API_WORK"] = "1000000"
    folder = REPOSITORY / "var" / f"scale-{rows}"
    site.set_up(own=folder)
    fill_once(folder, rows)
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command
    from django.test import Client

    call_command("collectstatic", interactive=False, verbosity=0)
    client = Client(headers={"host": "localhost"})
    operator = User.objects.get_or_create(username="operator", is_staff=True)[0]
    operator.groups.set(Group.objects.filter(name="operator"))
    client.force_login(operator)
    return client


class Site:
    """Asks the site, and takes no refusal for an answer."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401
        self.client = client

    def get(self, url: str, **options: Any) -> Any:  # noqa: ANN401
        return self._check(self.client.get(url, **options))

    def post(self, url: str, body: Any) -> Any:  # noqa: ANN401
        return self._check(self.client.post(url, json.dumps(body), content_type="application/json"))

    def _check(self, answer: Any) -> Any:  # noqa: ANN401
        assert answer.status_code in {200, 201}, (answer.status_code, answer.get("Location"))
        return answer

    def page(self, url: str) -> Call:
        return Call(lambda _: self.get(url))

    def script(self, url: str, body: Any) -> Call:  # noqa: ANN401
        return Call(lambda _: self.post(url, body))


def api_calls(client: Any) -> dict[str, Call]:  # noqa: ANN401
    """What the drawing page asks."""
    from django.core.cache import cache

    site, visitors = Site(client), cycle(some_visitors())

    def predict(body: dict[str, str]) -> str:
        answer = site.post("/api/predict", {"strokes": STROKES, "source": "page", **body})
        return str(answer.json()["id"])

    def draw() -> dict[str, str]:
        return {"visitor": str(uuid.uuid4()), "drawing": str(uuid.uuid4())}

    def draw_on() -> dict[str, str]:
        predict(drawing := draw())
        return drawing

    def stats(visitor: uuid.UUID) -> None:
        site.get("/api/stats", headers={"X-Visitor": str(visitor)})

    def history(visitor: uuid.UUID) -> None:
        site.get("/api/predictions", headers={"X-Visitor": str(visitor)})

    def counted() -> uuid.UUID:
        stats(visitor := next(visitors))
        return visitor

    def uncounted() -> uuid.UUID:
        cache.delete("stats")
        return next(visitors)

    return {
        "predict": Call(predict, draw),
        "predict, the drawing's next state": Call(predict, draw_on),
        "feedback": Call(
            lambda key: site.post(f"/api/predictions/{key}/feedback", {"label": 3}), lambda: predict(draw())
        ),
        "history": Call(history, visitors.__next__),
        "stats": Call(stats, counted),
        "stats, everyone's counted anew": Call(stats, uncounted),
    }


def some_visitors() -> list[uuid.UUID]:
    """Visitors who have drawn equally much, from all of the log."""
    from django.db.models import Count

    from predictions.models import Prediction

    drawn = Prediction.objects.filter(superseded=False).order_by().values_list("visitor")
    alike = drawn.annotate(drawings=Count("pk")).filter(drawings=DRAWINGS_OF_A_VISITOR)
    found = [visitor for visitor, _ in alike if visitor]
    return random.sample(found, min(VISITORS, len(found)))


def desk_calls(client: Any, rows: int) -> dict[str, Call]:  # noqa: ANN401
    """Every kind of page; the list has fifty rows on each page."""
    from django.db import transaction

    from predictions.models import ModelVersion, Prediction

    site, newest = Site(client), Prediction.objects.latest("created_at")
    version = ModelVersion.objects.latest("pk")
    day = f"{newest.created_at.date():%Y-%m-%d}"
    last = -(-rows // 50)
    lists = {
        "first page": "",
        "page in the middle": f"?p={last // 2}",
        "last page": f"?p={last}",
        "digit": "?digit__exact=3",
        "digit, page in the middle": f"?digit__exact=3&p={last // 20}",
        "right": "?reading=right",
        "wrong": "?reading=wrong",
        "confidence 0.3 to 0.6": "?confidence_from=0.3&confidence_to=0.6",
        "status pending": "?review_status__exact=pending",
        "status rejected": "?review_status__exact=rejected",
        "status accepted": "?review_status__exact=accepted",
        "status accepted, wrong, digit": "?review_status__exact=accepted&reading=wrong&digit__exact=3",
        "user label": "?user_label__exact=7",
        "true label": "?true_label__exact=7",
        "label conflict with the model": "?conflict=model",
        "label conflict with the operator": "?conflict=operator",
        "uncertain": "?uncertain__exact=1",
        "version": f"?model_version__id__exact={version.pk}",
        "source of all rows": "?source__exact=api",
        "source of few rows": "?source__exact=page",
        "superseded": "?superseded__exact=1",
        "time: the newest day": f"?created_at_from_0={day}&created_at_from_1=00:00:00",
        "search by id": f"?q={newest.pk}",
        "search by the beginning of an id": f"?q={str(newest.pk)[:6]}",
        "search by visitor": f"?q={newest.visitor}",
    }

    def store(decided: list[dict[str, Any]]) -> None:
        with transaction.atomic():
            site.post(f"{LIST}grid/review/", {"decisions": decided})
            transaction.set_rollback(True)  # or a short log would run out of them

    found = {f"list, {name}": site.page(LIST + query) for name, query in lists.items()}
    return found | {
        "one prediction": site.page(f"{LIST}{newest.pk}/change/"),
        "dashboard": site.page("/admin/"),
        "queue, next 12": site.script(f"{LIST}queue/lease/", {"held": [], "skipped": [], "count": 12}),
        "grid, next 50": site.script(f"{LIST}grid/3/", {}),
        "grid, 50 stored": Call(store, decisions),
    }


def decisions() -> list[dict[str, Any]]:
    """Fifty of the grid."""
    from predictions.models import Prediction

    eights = Prediction.objects.all().most_suspicious().filter(digit=8).values("id", "row_version")
    return [
        {"id": str(row["id"]), "row_version": row["row_version"], "status": "accepted", "true_label": 8}
        for row in eights[:50]
    ]


def long_calls() -> dict[str, Call]:
    """What goes through the whole log, for so many rows."""
    from predictions.learning.replay import replay
    from predictions.models import ModelVersion
    from predictions.transfer import export
    from predictions.transfer.formats import FORMATS

    def write(name: str, _: None) -> int:
        with export.snapshot():
            for _part in FORMATS[name][1]():
                pass
        return export.accepted().count()

    def replay_all(_: None) -> int:
        return int(replay(lambda *_: None, ModelVersion.objects.latest("pk").name)["rows"])

    exports = {f"export, {name}": Call(partial(write, name)) for name in FORMATS}
    return exports | {"replay": Call(replay_all)}


def background_calls() -> dict[str, Call]:
    """What the worker and the accounts ask of the log, as far as an index may help."""
    from django.contrib.auth.models import User

    from predictions.models import DriftMonitor, ModelVersion, Prediction

    monitor = DriftMonitor.objects.get_or_create(version=ModelVersion.objects.latest("pk"))[0]
    rows = Prediction.objects.all()
    middle = rows.only("pk", "created_at")[rows.count() // 2]
    monitor.last_time, monitor.last_id = middle.created_at, middle.pk
    until = rows.latest("created_at").created_at

    def delete_account(user: User) -> int:
        return user.delete()[0]

    return {
        "drift, next 500": Call(lambda _: len(monitor.following(until)[:500])),
        "what may teach, 2,000": Call(lambda _: len(rows.may_teach().order_by("created_at", "pk")[:2000])),
        "what waits for another version": Call(
            lambda _: len(rows.reviewable().exclude(model_version=0).order_by().only("pk")[:2000])
        ),
        "an account deleted": Call(
            delete_account, lambda: User.objects.create(username=f"passing {uuid.uuid4()}")
        ),
    }
