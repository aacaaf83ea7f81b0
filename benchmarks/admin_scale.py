"""Server times and queries of the admin's pages, at several lengths of the log, side by side.

    python -m benchmarks.admin_scale [--rows 10000 1000000] [--repeats 7]

Each length has a database of its own under var/, made on the first run (a million rows take minutes).
The time is from request to answer inside the server, thumbnails included, median of the repeats.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

from benchmarks import site
from benchmarks.simulated_log import REPOSITORY, fill_once

LIST = "/admin/predictions/prediction/"
Measured = dict[str, tuple[float, int]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--measure", action="store_true", help="one length, in this process, as JSON")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.rows[0], options.repeats)))
    else:
        print_table({rows: measure_apart(rows, options.repeats) for rows in options.rows})


def measure_apart(rows: int, repeats: int) -> Measured:
    """In a process of its own, since a process has one database."""
    command = [sys.executable, "-m", "benchmarks.admin_scale", "--measure"]
    options = ["--rows", str(rows), "--repeats", str(repeats)]
    done = subprocess.run([*command, *options], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE)
    measured: Measured = json.loads(done.stdout)
    return measured


def print_table(measured: dict[int, Measured]) -> None:
    sizes = list(measured)
    print(f"| page | {' | '.join(f'{rows:,} rows: ms' for rows in sizes)} | queries |")
    print(f"|---|{'---:|' * (len(sizes) + 1)}")
    for name in measured[sizes[0]]:
        times = " | ".join(f"{measured[rows][name][0]:.0f}" for rows in sizes)
        print(f"| {name} | {times} | {max(measured[rows][name][1] for rows in sizes)} |")


def measure(rows: int, repeats: int) -> Measured:
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
    found = pages(client, rows)
    counts = {name: queries(page) for name, page in found.items()}
    # In rounds, so that a few busy seconds of the machine don't fall on one page.
    rounds = [{name: milliseconds(page) for name, page in found.items()} for _ in range(repeats)]
    return {name: (statistics.median(times[name] for times in rounds), counts[name]) for name in found}


def pages(client: Any, rows: int) -> dict[str, Callable[[], Any]]:  # noqa: ANN401
    """Every kind of page; the list has fifty rows on each page."""
    from predictions.models import ModelVersion, Prediction

    newest = Prediction.objects.latest("created_at")
    version = ModelVersion.objects.latest("pk")
    week = f"{newest.created_at.date():%Y-%m-%d}"
    last = -(-rows // 50)
    lists = {
        "first page": "",
        "page in the middle": f"?p={last // 2}",
        "page at nine tenths": f"?p={9 * last // 10}",
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
        "source": "?source__exact=simulation",
        "superseded": "?superseded__exact=1",
        "time: the newest day": f"?created_at_from_0={week}&created_at_from_1=00:00:00",
        "search by id": f"?q={newest.pk}",
        "search by the beginning of an id": f"?q={str(newest.pk)[:6]}",
        "search by visitor": f"?q={newest.visitor}",
    }
    asked = {"held": [], "skipped": [], "count": 12}
    found = {f"list, {name}": getter(client, LIST + query) for name, query in lists.items()}
    return found | {
        "one prediction": getter(client, f"{LIST}{newest.pk}/change/"),
        "dashboard": getter(client, "/admin/"),
        "queue, next 12": poster(client, f"{LIST}queue/lease/", asked),
        "grid, next 50": poster(client, f"{LIST}grid/3/", {}),
        "grid, 50 stored": storer(client),
    }


def getter(client: Any, url: str) -> Callable[[], Any]:  # noqa: ANN401
    return lambda: client.get(url)


def poster(client: Any, url: str, body: dict[str, Any]) -> Callable[[], Any]:  # noqa: ANN401
    return lambda: client.post(url, body, content_type="application/json")


def storer(client: Any) -> Callable[[], Any]:  # noqa: ANN401
    """Accepts the next fifty at every call; fetching them is not in its time, nor in its queries."""
    from predictions.models import Prediction

    eights = Prediction.objects.all().most_suspicious().filter(digit=8)
    rows = iter(list(eights.values("id", "row_version")[:600]))

    def store() -> Any:  # noqa: ANN401
        decisions = [{**row, "status": "accepted", "true_label": 8} for row in islice(rows, 50)]
        return client.post(f"{LIST}grid/review/", {"decisions": decisions}, content_type="application/json")

    return store


def queries(page: Callable[[], Any]) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        answer = page()
    assert answer.status_code == 200, (answer.status_code, answer.get("Location"))
    return len(captured)


def milliseconds(page: Callable[[], Any]) -> float:
    started = time.perf_counter()
    page()
    return 1000 * (time.perf_counter() - started)


if __name__ == "__main__":
    main()
