"""gunicorn's settings; it reads this file by itself when started in this folder."""

import ctypes
import gc
import os
import shutil
import tempfile
from itertools import count

# More threads than cores in every worker make all of them slower; set before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"
# The workers' figures for /metrics, added up by whichever is asked. Where no disk has room, each has its own.
try:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="mnistsite-metrics-")
except OSError:
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)

import torch
from gunicorn.arbiter import Arbiter

from mnistsite import settings
from mnistsite.gthread import Worker
from predictions.api import metric_files

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h

torch.set_num_threads(1)
# glibc takes larger and larger blocks from its heaps, which then keep what a few large pictures have needed.
if hasattr(libc := ctypes.CDLL(None), "mallopt"):
    libc.mallopt(M_MMAP_THRESHOLD, 4_000_000)
    libc.mallopt(M_TRIM_THRESHOLD, 16_000_000)  # else 128 kB, and every answer would give back and take anew

wsgi_app = "mnistsite.wsgi"
bind = f"{settings.WEB_HOST}:{settings.WEB_PORT}"
workers = settings.WEB_WORKERS
worker_class = "mnistsite.gthread.Worker"
threads = 4
preload_app = True
timeout = 30
graceful_timeout = 20
keepalive = 75
# Workers' heartbeats: a disk that stalls must not look like a worker that hangs.
worker_tmp_dir = "/dev/shm"  # noqa: S108
max_requests = 100_000
max_requests_jitter = 10_000


if settings.PRODUCTION:
    own = {"gunicorn.error": {"level": "INFO", "handlers": ["console"], "propagate": False}}
    logconfig_dict = settings.LOGGING | {"loggers": settings.LOGGING["loggers"] | own}


def when_ready(server: object) -> None:
    """What is loaded by now stays: no collection looks through it again, and the workers share its memory."""
    gc.collect()
    gc.freeze()


def pre_fork(server: Arbiter, worker: Worker) -> None:
    """The first slot that nobody has: a worker goes on with the figures of one that has ended."""
    taken = {other.slot for other in server.WORKERS.values()}
    worker.slot = next(slot for slot in count(1) if slot not in taken)


def post_fork(server: Arbiter, worker: Worker) -> None:
    metric_files.take_slot(worker.slot)


def on_exit(server: object) -> None:
    if metrics_directory := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        shutil.rmtree(metrics_directory, ignore_errors=True)
