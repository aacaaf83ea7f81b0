"""python -m tests.reading_cost FOLDER: reads each file of a folder in a process of its own, and prints a line
of JSON for it: the outcome, and the memory (MB) and the CPU time (s) that it took."""

import json
import os
import resource
import sys
from pathlib import Path
from typing import TypedDict

from PIL import Image

from benchmarks.memory import peak
from classifier.image_file import DrawingError, decode


class Reading(TypedDict):
    name: str
    outcome: str
    megabytes: float
    seconds: float


def read(path: Path) -> Reading:
    data = path.read_bytes()
    before = peak()
    try:
        outcome = str(decode(data).shape)
    except DrawingError as error:
        outcome = error.code
    seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    return {"name": path.name, "outcome": outcome, "megabytes": peak() - before, "seconds": seconds}


if __name__ == "__main__":
    Image.init()  # every format that Pillow has: their modules are not part of what a file costs
    for path in sorted(Path(sys.argv[1]).iterdir()):
        if not os.fork():
            sys.stdout.write(json.dumps(read(path)) + "\n")
            sys.stdout.flush()
            os._exit(0)
        os.wait()
