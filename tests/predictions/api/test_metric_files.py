"""/metrics on a full disk: the process that counts is neither ended nor kept from answering. And when web
processes end, others go on with their figures."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests
from prometheus_client import mmap_dict

from predictions.api.metric_files import ROOM, Figures
from tests.conftest import ONE
from tests.product import Product
from tests.waiting import wait_until

# Counts in a process of its own, with a limit on the size of files in a full disk's place.
COUNTS = """
import os, resource, sys
from prometheus_client import CollectorRegistry, Counter, generate_latest, multiprocess
from predictions.api import metric_files

metric_files.install()
registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
requests = Counter("requests", "Answered.", ["code"])
requests.labels("before").inc()
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
for number in range(5000):
    requests.labels(f"{number} after").inc()
if os.fork() == 0:  # a new process has files of its own
    requests.labels("in the child").inc()
    os._exit(0)
assert os.wait()[1] == 0
print(generate_latest(registry).decode())
"""

# Two processes that have the same slot, one after the other, and a child of the second.
TAKES_A_SLOT = """
import os, sys
from prometheus_client import CollectorRegistry, Counter, generate_latest, multiprocess
from predictions.api import metric_files

metric_files.install()
registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
requests = Counter("requests", "Answered.", ["code"])
for turn in range(2):
    if os.fork() == 0:
        metric_files.take_slot(1)
        for number in range(3000):  # more than there is room for at first
            requests.labels(f"{number} before").inc()
        if turn and os.fork() == 0:
            requests.labels("7 before").inc()
            os._exit(0)
        requests.labels("7 before").inc()
        if turn:
            os.wait()
        os._exit(0)
    assert os.wait()[1] == 0
print(sorted(os.listdir(os.environ["PROMETHEUS_MULTIPROC_DIR"])))
print(generate_latest(registry).decode())
"""


def count(folder: Path, limit: int, program: str = COUNTS) -> str:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = [sys.executable, "-c", program, str(limit)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_counting_goes_on_when_the_disk_is_full(tmp_path: Path) -> None:
    printed = count(tmp_path, ROOM)
    assert 'requests_total{code="before"} 1.0' in printed
    assert 'requests_total{code="4999 after"}' not in printed


def test_without_any_room_nothing_is_shown_and_nothing_fails(tmp_path: Path) -> None:
    assert "in the child" not in count(tmp_path, 100)


def test_files_have_their_room_before_they_are_mapped(tmp_path: Path) -> None:
    figures = Figures(str(tmp_path / "counter_1.db"))
    assert (tmp_path / "counter_1.db").stat().st_blocks * 512 >= ROOM
    names = [f"{number:05d}{'x' * 100}" for number in range(4000)]
    for number, name in enumerate(names):
        figures.write_value(name, number, 0.0)  # type: ignore[no-untyped-call]
    grown = (tmp_path / "counter_1.db").stat()
    assert grown.st_size > ROOM and grown.st_blocks * 512 >= grown.st_size
    stored = mmap_dict.MmapedDict.read_all_values_from_file(str(tmp_path / "counter_1.db"))
    assert [(name.strip(), value) for name, value, _, _ in stored] == [
        (name, number) for number, name in enumerate(names)
    ]
    figures.close()  # type: ignore[no-untyped-call]


def test_figures_of_a_slot_go_on_in_its_file_and_a_child_has_its_own(tmp_path: Path) -> None:
    printed = count(tmp_path, 0, TAKES_A_SLOT)
    assert re.match(r"\['counter_\d+\.db', 'counter_slot1\.db'\]\n", printed)
    assert 'requests_total{code="7 before"} 5.0' in printed
    assert 'requests_total{code="2999 before"} 2.0' in printed


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    with Product(tmp_path, WEB_WORKERS="2", API_WORK="1000000") as product:
        yield product


def test_web_processes_that_end_leave_no_files_and_their_counts_go_on(product: Product) -> None:
    site = f"http://127.0.0.1:{product.web}"
    for turn in range(4):
        for _ in range(10):
            answer = requests.post(f"{site}/api/predict", json={"strokes": ONE}, timeout=30)
            assert answer.status_code == 201
        shown = requests.get(f"{site}/metrics", timeout=30).text
        assert answered(shown) == 10 * (turn + 1)
        for worker in product.web_processes()[1:]:
            kill_and_wait(product, worker)
    assert (
        len(metric_files(product)) <= 2 * 3
    )  # counters and a histogram, of two web processes and their parent


def answered(shown: str) -> float:
    return sum(map(float, re.findall(r"^digits_predictions_total\{.*\} (\S+)$", shown, re.MULTILINE)))


def metric_files(product: Product) -> list[Path]:
    files = [file.path for process in product.web_processes() for file in process.open_files()]
    folder = next(Path(path).parent for path in files if path.endswith(".db"))
    return list(folder.iterdir())


def kill_and_wait(product: Product, worker: psutil.Process) -> None:
    worker.kill()
    wait_until(lambda: worker not in product.web_processes() and len(product.web_processes()) == 3)
