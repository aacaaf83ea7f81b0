"""What each index of the log costs, and which calls it serves.

    python -m benchmarks.index_costs [--rows 1000000] [--repeats 7]

On the database that `benchmarks.scale` has made of that length; CPU is the backend's. Each index is dropped
in a transaction that is rolled back, so that rows are logged, labelled and looked for with and without it in
pairs, on the same table.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from django.db.models import F
from django.utils import timezone

from benchmarks.scale_calls import Backend, Call, api_calls, background_calls, desk_calls, open_log

if TYPE_CHECKING:
    from predictions.models import Prediction

ROWS_AT_A_TIME = 300
INDEXES = """
    SELECT indexrelname, idx_scan, pg_relation_size(indexrelid) FROM pg_stat_user_indexes
    WHERE relname = 'predictions_prediction' AND indexrelname NOT LIKE '%_pkey' ORDER BY indexrelname"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    client = open_log(options.rows)
    print_prices(options.repeats)
    calls = api_calls(client) | desk_calls(client, options.rows) | background_calls()
    print_uses(calls, max(2, options.repeats // 4))


def print_prices(repeats: int) -> None:
    """Of a new row, and of a visitor's label for it."""
    differences(rows_and_labels, read_indexes()[0][0], 1)  # what it needs is in memory from now on
    print("| index | MB | more for a row, µs | of, without it | more for a label, µs | of, without it |")
    print("|---|---:|---:|---:|---:|---:|", flush=True)
    for name, _, size in read_indexes():
        more = differences(rows_and_labels, name, repeats)
        cells = " | ".join(f"{paid:.1f} | {rest:.0f}" for paid, rest in more)
        print(f"| {name} | {size / 1e6:.0f} | {cells} |", flush=True)


def print_uses(calls: dict[str, Call], repeats: int) -> None:
    print("\n| call | index that it uses | times | backend's CPU, ms | without that index |")
    print("|---|---|---:|---:|---:|", flush=True)
    for name, call in calls.items():
        for index, times in used_by(call).items():
            ((paid, rest),) = differences(partial(database_ms, call), index, repeats)
            print(f"| {name} | {index} | {times} | {rest + paid:.1f} | {rest:.1f} |", flush=True)


def read_indexes() -> list[tuple[str, int, int]]:
    """Name, scans so far and bytes of each, but for the primary key's."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(INDEXES)
        return [(str(name), int(scans), int(size)) for name, scans, size in cursor.fetchall()]


def database_ms(call: Call) -> list[float]:
    return [1000 * call.measure().database]


def used_by(call: Call) -> dict[str, int]:
    """The indexes that the call scans, and how often."""
    before = {name: scans for name, scans, _ in read_indexes()}
    call.measure()
    after = {name: scans for name, scans, _ in read_indexes()}
    return {name: after[name] - before[name] for name in after if after[name] > before[name]}


def differences(work: Callable[[], list[float]], index: str, repeats: int) -> list[tuple[float, float]]:
    """Of each of the work's figures: what the index adds to it, and the figure without the index. In turns,
    and the least of each: whatever else the machine does only adds."""
    kept, without = [], []
    for _ in range(repeats):
        with rolled_back():
            kept.append(work())
        with rolled_back(index):
            without.append(work())
    least = zip(map(min, zip(*kept, strict=True)), map(min, zip(*without, strict=True)), strict=True)
    return [(with_it - without_it, without_it) for with_it, without_it in least]


@contextmanager
def rolled_back(*dropped: str) -> Iterator[None]:
    """A transaction that leaves nothing behind, without these indexes."""
    from django.db import connection, transaction

    with transaction.atomic():
        with connection.cursor() as cursor:
            for name in dropped:
                cursor.execute(f'DROP INDEX "{name}"')
        yield
        transaction.set_rollback(True)


def rows_and_labels() -> list[float]:
    """Microseconds of the backend's CPU for each of many new rows, and for a visitor's label of each."""
    from django.db import connection

    from predictions.models import Prediction

    backend, times = Backend(), []
    statement = copies(Prediction.objects.filter(review_status="pending", uncertain=False)[0])
    with connection.cursor() as cursor:
        started = backend.cpu()
        cursor.execute(statement)
        times.append(backend.cpu() - started)
        keys = [key for (key,) in cursor.fetchall()]
        started = backend.cpu()
        Prediction.objects.filter(pk__in=keys).update(user_label=F("digit"), user_label_at=timezone.now())
        times.append(backend.cpu() - started)
    return [1e6 * seconds / ROWS_AT_A_TIME for seconds in times]


def copies(row: "Prediction") -> str:
    """The statement that logs copies of a row, as other visitors' drawings that nobody has labelled."""
    own = dict.fromkeys(("id", "visitor", "drawing"), "gen_random_uuid()") | {
        "created_at": "clock_timestamp()",
        "confidence": "random()",
        "lottery": "random()",
        "user_label": "NULL::smallint",
        "user_label_at": "NULL::timestamptz",
    }
    names = [field.attname for field in row._meta.concrete_fields if not field.generated]
    values = ", ".join(own.get(name, name) for name in names)
    return (
        f"INSERT INTO predictions_prediction ({', '.join(names)}) "  # noqa: S608
        f"SELECT {values} FROM predictions_prediction, generate_series(1, {ROWS_AT_A_TIME}) "
        f"WHERE id = '{row.pk}' RETURNING id"
    )


if __name__ == "__main__":
    main()
