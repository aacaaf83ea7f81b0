"""What each call costs as the log grows: API, desk, exports and replay.

    make bench-scale   (python -m benchmarks.scale [--rows 10000 100000 1000000] [--rounds 30])

Each length has a database of its own below var/, made on the first run (a million rows take minutes). All
are up at once, each behind a process of its own with one thread, and take turns, so that whatever else the
machine does falls on all. CPU time is that of the process and of its database backend together. Prints two
tables and draws the first.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Self

from benchmarks.scale_calls import Cost, api_calls, desk_calls, long_calls, open_log
from benchmarks.simulated_log import REPOSITORY

Costs = dict[int, list[Cost]]
DRAWN = ["predict", "feedback", "history", "stats", "list, first page", "queue, next 12"]
DRAWN_LONG = ["export, jsonl", "replay"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=30, help="of the API's calls; a fifth of the desk's")
    parser.add_argument("--picture", type=Path, default=REPOSITORY / "docs" / "scale.png")
    parser.add_argument("--answer", type=int, help="be the process for this length")
    options = parser.parse_args()
    if options.answer:
        answer(options.answer)
        return
    with ExitStack() as stack:
        starting = {rows: Log(rows) for rows in options.rows}
        logs = {rows: stack.enter_context(log) for rows, log in starting.items()}
        calls = next(iter(logs.values())).calls
        costs = measure(logs, calls["api"], options.rounds)
        costs |= measure(logs, calls["desk"], max(3, options.rounds // 5))
        print_ratios(costs)
        long = measure(logs, calls["long"], 1)
        print_long(long)
        draw(costs, long, options.picture)


class Log:
    """A log of so many rows, asked through its process; `calls` are the calls' names by kind."""

    def __init__(self, rows: int) -> None:
        command = [sys.executable, "-m", "benchmarks.scale", "--answer", str(rows)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Self:
        self.calls: dict[str, list[str]] = json.loads(self._line())
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def ask(self, name: str) -> Cost:
        assert self.process.stdin
        print(name, file=self.process.stdin, flush=True)
        return Cost(**json.loads(self._line()))

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()


def answer(rows: int) -> None:
    client = open_log(rows)
    short = {"api": api_calls(client), "desk": desk_calls(client, rows)}
    kinds = short | {"long": long_calls()}
    for call in (short["api"] | short["desk"]).values():
        call.measure()  # what is loaded at the first time is loaded
    print(json.dumps({kind: list(calls) for kind, calls in kinds.items()}), flush=True)
    named = {name: call for calls in kinds.values() for name, call in calls.items()}
    for line in sys.stdin:
        print(json.dumps(asdict(named[line.strip()].measure())), flush=True)


def measure(logs: dict[int, Log], names: list[str], rounds: int) -> dict[str, Costs]:
    costs: dict[str, Costs] = {name: defaultdict(list) for name in names}
    for number in range(rounds):
        order = list(logs) if number % 2 else list(reversed(logs))
        for name in names:
            for rows in order:
                costs[name][rows].append(logs[rows].ask(name))
    return costs


def ratios(costs: Costs, rows: int) -> list[float]:
    """Of CPU to the shortest log's, round by round."""
    return [long.cpu / short.cpu for long, short in zip(costs[rows], costs[min(costs)], strict=True)]


def median_ms(costs: Iterable[Cost], field: str) -> float:
    return 1000 * float(statistics.median(getattr(cost, field) for cost in costs))


def print_ratios(costs: dict[str, Costs]) -> None:
    first, *others = sorted(next(iter(costs.values())))
    heads = [f"{first:,} rows: CPU, of it database, wall, ms"]
    heads += [f"{rows:,}: CPU (quartiles); database, wall" for rows in others]
    print(f"| call | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}")
    for name, found in costs.items():
        cells = [first_cell(found[first]), *(ratio_cell(found, rows) for rows in others)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def first_cell(costs: list[Cost]) -> str:
    cpu, database, wall = (median_ms(costs, field) for field in ("cpu", "database", "wall"))
    return f"{cpu:.1f}, {database:.2f}, {wall:.1f}"


def ratio_cell(costs: Costs, rows: int) -> str:
    low, middle, high = statistics.quantiles(ratios(costs, rows), n=4)
    shortest = costs[min(costs)]
    database, wall = (
        median_ms(costs[rows], field) / median_ms(shortest, field) for field in ("database", "wall")
    )
    return f"**{middle:.2f}** ({low:.2f} to {high:.2f}); {database:.2f}, {wall:.2f}"


def print_long(costs: dict[str, Costs]) -> None:
    print("\n| through the whole log | drawings | seconds | CPU, ms each | to the shortest | memory, MB |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, found in costs.items():
        for rows, (cost,) in sorted(found.items()):
            print(
                f"| {name}, {rows:,} rows | {cost.rows:,} | {cost.wall:.0f} "
                f"| {1000 * cost.cpu / cost.rows:.3f} | {each_to_shortest(found, rows):.2f} "
                f"| {cost.memory:.0f} |"
            )


def each_to_shortest(costs: Costs, rows: int) -> float:
    (cost,), (shortest,) = costs[rows], costs[min(costs)]
    return (cost.cpu / cost.rows) / (shortest.cpu / shortest.rows)


def draw(costs: dict[str, Costs], long: dict[str, Costs], file: Path) -> None:
    """CPU against the log's length, as ratios; with quartiles, where a call was made more than once."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name in DRAWN:
        sizes = sorted(costs[name])
        quartiles = [statistics.quantiles(ratios(costs[name], rows), n=4) for rows in sizes]
        low, middle, high = zip(*quartiles, strict=True)
        axes.plot(sizes, middle, marker="o", label=name)
        axes.fill_between(sizes, low, high, alpha=0.12)
    for name in DRAWN_LONG:
        sizes = sorted(long[name])
        each = [each_to_shortest(long[name], rows) for rows in sizes]
        axes.plot(sizes, each, marker="s", linestyle="--", label=f"{name}, a drawing")
    axes.axhline(1.15, color="grey", linestyle=":")
    axes.set(xscale="log", xlabel="rows in the log", ylabel="CPU of a call, as a ratio", ylim=(0.5, 2))
    axes.legend(fontsize="small")
    figure.savefig(file)


if __name__ == "__main__":
    main()
