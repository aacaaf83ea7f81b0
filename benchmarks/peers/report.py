"""Tables of all turns, and a picture of them. Ratios are of turns in the same cycle."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path

import matplotlib as mpl
import numpy as np

from benchmarks.peers.servers import OURS, PEERS, with_our_pipeline
from benchmarks.peers.turns import FLOOR, Turn

mpl.use("agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

HEAD = (
    "| server | answers/s | to the best peer | ours to it | p50, p95, p99 ms | CPU ms, server | CPU ms, "
    "database | server's CPU to the floor | 503 | time-outs | other errors | rows = answers |"
)
DOCUMENTED = tuple(PEERS)
OUR_PIPELINE = tuple(map(with_our_pipeline, PEERS))
COLOURS = {OURS: "tab:orange", FLOOR: "tab:grey"}

Ratio = Callable[[Turn, Turn], float]


class Load:
    """All turns of one payload from so many connections, by server and in the order of cycles."""

    def __init__(self, turns: Sequence[Turn], payload: str, connections: int) -> None:
        self.payload, self.connections = payload, connections
        self.turns: dict[str, list[Turn]] = {}
        for turn in turns:
            if (turn.payload, turn.connections) == (payload, connections):
                self.turns.setdefault(turn.server, []).append(turn)

    def median(self, server: str, value: Callable[[Turn], float]) -> float:
        return float(np.median([value(turn) for turn in self.turns[server]]))

    def slowest_first(self) -> list[str]:
        return sorted(self.turns, key=lambda server: self.median(server, rate))

    def best(self, servers: Sequence[str]) -> str | None:
        present = [server for server in servers if server in self.turns]
        return max(present, key=lambda server: self.median(server, rate), default=None)

    def quartiles(self, one: str, other: str, ratio: Ratio) -> str:
        """Median and quartiles of the pairs."""
        pairs = zip(self.turns[one], self.turns[other], strict=True)
        low, middle, high = np.percentile([ratio(*pair) for pair in pairs], (25, 50, 75))
        return f"{middle:.2f} ({low:.2f} to {high:.2f})"

    def table(self) -> str:
        names = reversed(self.slowest_first())
        title = f"### {self.payload}, {self.connections} connections"
        lines = [title, "", HEAD, "| --- " * 12 + "|", *map(self._row, names), "", *self._comparisons()]
        return "\n".join(lines)

    def _row(self, name: str) -> str:
        turns = self.turns[name]
        best = self.best(DOCUMENTED) or self.best(OUR_PIPELINE) or OURS  # a quick look's crowd has no peer
        percentiles = [self.median(name, attrgetter(p)) for p in ("p50", "p95", "p99")]
        busy, late = sum(turn.busy for turn in turns), sum(turn.timeouts for turn in turns)
        cells = [
            f"**{name}**" if name == OURS else name,
            f"{self.median(name, rate):.0f}",
            self.quartiles(name, best, by_rate),
            self.quartiles(OURS, name, by_rate),
            ", ".join(f"{percentile:.1f}" for percentile in percentiles),
            f"{self.median(name, server_ms):.2f}",
            f"{self.median(name, database_ms):.2f}",
            self.quartiles(name, FLOOR, by_cost),
            str(busy),
            str(late),
            str(sum(turn.errors for turn in turns) - busy - late),
            "yes" if all(turn.is_logged for turn in turns) else "**NO**",
        ]
        return f"| {' | '.join(cells)} |"

    def _comparisons(self) -> list[str]:
        kinds = {"as documented": DOCUMENTED, "with our pipeline": OUR_PIPELINE}
        best = {kind: self.best(servers) for kind, servers in kinds.items()}
        lines = [
            f"Ours to the best peer {kind} ({name}): {self.quartiles(OURS, name, by_rate)}; "
            f"99th percentile {self.quartiles(OURS, name, by_p99)}."
            for kind, name in best.items()
            if name
        ]
        return [*lines, f"The floor's CPU: {', '.join(self._floor_parts())} ms."]

    def _floor_parts(self) -> list[str]:
        parts = [turn.parts for turn in self.turns[FLOOR]]
        return [f"{step} {np.median([part[step] for part in parts]):.2f}" for step in parts[0]]


def rate(turn: Turn) -> float:
    return turn.rate


def server_ms(turn: Turn) -> float:
    """Of CPU, for each row: requests cut off at the end of a turn have cost as much as those answered."""
    return 1000 * turn.server_cpu / max(turn.rows, 1)


def database_ms(turn: Turn) -> float:
    return 1000 * turn.database_cpu / max(turn.rows, 1)


def by_rate(one: Turn, other: Turn) -> float:
    return one.rate / other.rate if other.rate else np.inf


def by_cost(one: Turn, other: Turn) -> float:
    return server_ms(one) / server_ms(other)


def by_p99(one: Turn, other: Turn) -> float:
    return one.p99 / other.p99


def draw(loads: Sequence[Load], picture: Path) -> None:
    """For each load, answers a second and CPU per request of server and database."""
    figure, axes = plt.subplots(2, len(loads), figsize=(6 * len(loads), 8), sharey="col", squeeze=False)
    for (above, below), load in zip(axes.T, loads, strict=True):
        _draw_rates(above, load)
        _draw_costs(below, load)
    figure.tight_layout()
    figure.savefig(picture, dpi=110)


def _draw_rates(axis: Axes, load: Load) -> None:
    names = load.slowest_first()
    quartiles = np.array(
        [np.percentile([turn.rate for turn in load.turns[name]], (25, 50, 75)) for name in names]
    )
    low, middle, high = quartiles.T
    axis.barh(names, middle, color=_colours(names), xerr=(middle - low, high - middle))
    axis.set_title(f"{load.payload}, {load.connections} connections")
    axis.set_xlabel("answers a second, median and quartiles")


def _draw_costs(axis: Axes, load: Load) -> None:
    names = load.slowest_first()
    server, database = ([load.median(name, cost) for name in names] for cost in (server_ms, database_ms))
    axis.barh(names, server, color=_colours(names))
    axis.barh(names, database, left=server, color="lightgrey", label="PostgreSQL")
    axis.axvline(
        load.median(FLOOR, server_ms), color="black", linestyle=":", label="the floor, without PostgreSQL"
    )
    axis.set_xlabel("ms of CPU a request")
    axis.legend()


def _colours(names: Sequence[str]) -> list[str]:
    return [COLOURS.get(name, "tab:cyan" if name in OUR_PIPELINE else "tab:blue") for name in names]
