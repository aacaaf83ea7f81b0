"""Peak memory and time of each export of a long log.

    python -m benchmarks.export_memory [--rows 1000000]

The log is simulated, on a database of its own below var/, made on the first run. Its rows have the source
"api": a simulated row's own source would keep it out of every export. Each format in a process of its own;
the files go to a temporary folder and are deleted.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import site
from benchmarks.memory import peak
from benchmarks.simulated_log import REPOSITORY, fill_once

FORMATS = ("idx", "jsonl", "png")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--measure", choices=FORMATS, help="one export of the database at hand")
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
        return
    folder = REPOSITORY / "var" / f"export-{options.rows}"
    site.set_up(own=folder)
    fill_once(folder, options.rows, source="api")
    print("| export | drawings | seconds | peak memory, MB | before the first row, MB |")
    print("|---|---:|---:|---:|---:|", flush=True)
    for name in FORMATS:
        subprocess.run([sys.executable, "-m", "benchmarks.export_memory", "--measure", name], check=True)


def measure(name: str) -> None:
    site.set_up()
    from django.core.management import call_command

    from predictions.transfer.export import accepted

    drawings, before, started = accepted().count(), peak(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        call_command("export_labels", format=name, output=Path(folder) / name, stdout=nowhere)
    seconds = time.monotonic() - started
    print(f"| {name} | {drawings:,} | {seconds:.0f} | {peak():.0f} | {before:.0f} |", flush=True)


if __name__ == "__main__":
    main()
