"""/metrics on a full disk: the process that counts is neither ended nor kept from answering."""

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client import mmap_dict

from predictions.api.metric_files import ROOM, Figures

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


def count(folder: Path, limit: int) -> str:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = [sys.executable, "-c", COUNTS, str(limit)]
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
