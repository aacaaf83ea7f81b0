"""Memory of everything that `make run` starts, as PSS: a page that several processes share counts in parts.

    python -m benchmarks.product_memory [--workers 2 3] [--predictions 200]

With each number of web workers, on a database of its own: soon after the start, and with the page open in a
browser after so many predictions, sent by eight clients at once so that every web worker answers some. "Own"
is what ends with the process (private pages).
"""

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import requests

from benchmarks.memory import Share, borne_by_others, share
from tests.browser import ONE, chromium, draw, visit, wait_for_answer
from tests.product import Product

CLIENTS = 8
SECONDS_TO_SETTLE = 20  # by then the timetable's first jobs are done
STROKES = {"strokes": [[[x, y] for x, y in ONE]]}

NAMES = {
    "manage.py serve": "launcher",
    "manage.py worker": "worker",
    "gunicorn": "gunicorn's own",
    "streamlit": "page",
    "resource_tracker": "worker's resource tracker",
    "spawn_main": "job",
}

Shares = dict[str, Share]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--predictions", type=int, default=200)
    options = parser.parse_args()
    for workers in options.workers:
        with (
            tempfile.TemporaryDirectory() as folder,
            Product(Path(folder), WEB_WORKERS=str(workers), API_WORK="1000000") as product,
        ):
            report(workers, *measure(product, options.predictions))
            others = borne_by_others([process.pid for process in everything(product)])
            print(f"\nWith nothing else on this machine at most {others:.0f} MB more.", flush=True)


def measure(product: Product, predictions: int) -> tuple[Shares, Shares]:
    """Of each process, at first and after the predictions."""
    time.sleep(SECONDS_TO_SETTLE)
    first = shares(product)
    with chromium() as browser:
        page = visit(browser, product.page)
        draw(page, ONE)
        wait_for_answer(page)
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(lambda _: predict(product), range(predictions)))
        return first, shares(product)


def predict(product: Product) -> None:
    requests.post(f"http://localhost:{product.web}/api/predict", json=STROKES, timeout=60).raise_for_status()


def shares(product: Product) -> Shares:
    """By a name for each process; all of the database's as one."""
    found: Shares = {}
    for process in [psutil.Process(product.process.pid), *product.children()]:
        name = name_of(process)
        number = sum(other.startswith(name) for other in found)
        found[f"{name} {number + 1}" if number else name] = share(process.pid)
    servers = [share(process.pid) for process in product.database_processes()]
    return found | {"database": sum(servers, Share(0, 0))}


def everything(product: Product) -> list[psutil.Process]:
    return [psutil.Process(product.process.pid), *product.family()]


def name_of(process: psutil.Process) -> str:
    command, parent = " ".join(process.cmdline()), process.parent()
    program = next(program for program in NAMES if program in command)
    if program == "gunicorn" and parent and program in " ".join(parent.cmdline()):
        return "web worker"
    return NAMES[program]


def report(workers: int, first: Shares, later: Shares) -> None:
    print(f"\n{workers} web workers\n\n| process | at first, MB | later, MB | its own then, MB |")
    print("|---|---:|---:|---:|")
    for name, end in later.items():
        start = first.get(name, Share(0, 0))
        print(f"| {name} | {start.proportional:.0f} | {end.proportional:.0f} | {end.own:.0f} |")
    sums = [sum(part.proportional for part in shares.values()) for shares in (first, later)]
    print(f"| all | {sums[0]:.0f} | {sums[1]:.0f} | |", flush=True)


if __name__ == "__main__":
    main()
