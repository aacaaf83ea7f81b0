"""`make bench`: the product beside other servers that do the same work, all up at once.

A drawing in JSON, as a canvas's PNG or as strokes → decoded → preprocessed → read by a network → one
durable row in PostgreSQL → an answer in JSON. The servers take turns of two seconds under wrk's load, in
another order in each cycle; ratios are of turns in the same cycle. Each peer runs twice: with PyTorch and
Pillow as their tutorials have it, and with the product's own decoding, preprocessing and network ("+
ours"). The product is whole, with limits, log, idempotency, version check and metrics; only API_WORK and
API_MB_A_DAY are raised, or it would refuse so many requests of one client.
"""

import argparse
import base64
import io
import json
import os
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date
from itertools import product
from pathlib import Path

import requests
import torch
from PIL import Image

from benchmarks.peers import pipelines
from benchmarks.peers.report import Load, draw
from benchmarks.peers.row import TABLE
from benchmarks.peers.servers import OURS, PEERS, Cluster, Server, all_servers, own_folder
from benchmarks.peers.turns import FLOOR, Floor, Payload, Turn, drive
from mnistsite import settings
from tests.product import REPOSITORY
from training import drawings
from training.dataset import load_mnist

STROKES = REPOSITORY / "benchmarks/data/strokes-dev.npz"
DRAWING = 1000  # which of them is sent
CYCLES = {8: 7, 32: 7}  # by the number of connections
QUICK_CYCLES = {8: 1}
CROWD = 200  # connections
TRAINING = 12_000  # digits that teach the peers' network; enough to see that answers are right
SECONDS_TO_START = 300  # all at once, on a busy machine
WARM_UP = 64  # requests


def main() -> int:
    quick = parse().quick
    torch.set_num_threads(1)
    folder = own_folder()
    weights = folder / "plain.pt"
    pipelines.train(load_mnist(settings.MNIST_DIR).train[:TRAINING], weights)
    payloads = write_payloads(folder)
    cluster = Cluster(folder)
    floor = make_floor(cluster)
    with all_servers(cluster, folder, weights) as servers:
        for server in servers:
            warm_up(server, payloads_of(server, payloads))
            server.rest()
        turns = take_turns(servers, floor, payloads, quick=quick)
    report(turns, quick)
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one cycle of one second each")
    return parser.parse_args()


def write_payloads(folder: Path) -> list[Payload]:
    """One drawing, as its canvas is sent by `toDataURL`, and as strokes."""
    digits = drawings.load_drawings(STROKES)
    strokes, digit = digits.strokes[DRAWING], int(digits.labels[DRAWING])
    picture = io.BytesIO()
    Image.open(io.BytesIO(drawings.draw(strokes, drawings.Hand()))).convert("RGBA").save(picture, "PNG")
    image = "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()
    points = [(stroke * 190 + 45).round(1).tolist() for stroke in strokes]
    payloads = []
    for name, body in (("image", {"image": image}), ("strokes", {"strokes": points})):
        file = folder / f"{name}.json"
        file.write_text(json.dumps(body))
        payloads.append(Payload(name, file, digit))
    return payloads


def payloads_of(server: Server, payloads: list[Payload]) -> list[Payload]:
    """Pillow alone reads no strokes."""
    return payloads if "ours" in server.name else payloads[:1]


def make_floor(cluster: Cluster) -> Floor:
    os.environ["DATABASE_URL"] = address = cluster.create(FLOOR)
    cluster.execute(address, TABLE)
    return Floor(cluster)


def warm_up(server: Server, payloads: list[Payload]) -> None:
    """Wait until it answers; each process gets some requests; every answer must be right."""
    wait_for(server)
    for payload in payloads:
        with ThreadPoolExecutor(8) as pool:
            digits = set(pool.map(lambda _, sent=payload: ask(server, sent), range(WARM_UP)))
        assert digits == {payload.digit}, f"{server.name} reads {payload.name} as {digits}"


def wait_for(server: Server) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        server.check_alive()
        try:
            requests.get(server.url, timeout=5)
        except requests.RequestException:
            time.sleep(0.2)
        else:
            return
    sys.exit(f"{server.name} does not answer:\n{server.log.read_text()[-2000:]}")


def ask(server: Server, payload: Payload) -> object:
    """The digit."""
    headers = {"Content-Type": "application/json"}
    answer = requests.post(server.url, payload.file.read_bytes(), headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.json()["digit"]


def take_turns(servers: list[Server], floor: Floor, payloads: list[Payload], *, quick: bool) -> list[Turn]:
    seconds, cycles = (1, QUICK_CYCLES) if quick else (2, CYCLES)
    turns = []
    for connections, count in cycles.items():
        for cycle, payload in product(range(count), payloads):
            able = [server for server in servers if payload in payloads_of(server, payloads)]
            turns += one_turn_each(able, floor, payload, connections, seconds, cycle)
    crowded = [server for server in servers if server.name == OURS or (server.name in PEERS and not quick)]
    # For longer, since a crowd's time-outs come late.
    turns += one_turn_each(crowded, floor, payloads[0], CROWD, 3 * seconds, cycle=0)
    print()
    return turns


def one_turn_each(
    servers: list[Server], floor: Floor, payload: Payload, connections: int, seconds: int, cycle: int
) -> list[Turn]:
    load = payload, connections, seconds, cycle
    turns = [floor.run(*load)]
    for server in random.Random(cycle).sample(servers, len(servers)):
        turns.append(drive(server, *load))
        print(".", end="", flush=True)
    return turns


def report(turns: list[Turn], quick: bool) -> None:
    name = "bench-quick" if quick else "bench"
    machine = describe_machine()
    result = {"machine": machine, "turns": [asdict(turn) for turn in turns]}
    (settings.VAR_DIR / f"{name}.json").write_text(json.dumps(result, indent=1))
    keys = dict.fromkeys((turn.payload, turn.connections) for turn in turns)
    loads = [Load(turns, *key) for key in keys]
    print(f"\n{machine}\n", *(f"{load.table()}\n" for load in loads), sep="\n")
    picture = settings.VAR_DIR / f"{name}.png" if quick else REPOSITORY / "docs/bench.png"
    draw([load for load in loads if load.connections == 8], picture)
    print(f"The picture: {picture}")


def describe_machine() -> str:
    processor = next(
        line.partition(": ")[2]
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    )
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} × {processor}, load {load:.1f}, {date.today()}"


if __name__ == "__main__":
    sys.exit(main())
