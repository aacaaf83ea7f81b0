"""Peak memory and time of each export of the database at hand.

    VAR_DIR=var/scale-1000000 python -m benchmarks.export_memory

Each format in a process of its own; the files go to a temporary folder and are deleted.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FORMATS = ("idx", "jsonl", "png")


def main() -> None:
    if len(sys.argv) > 1:
        export(sys.argv[1])
        return
    print("| export | drawings | seconds | peak memory, MB | before the first row, MB |")
    print("|---|---:|---:|---:|---:|")
    for name in FORMATS:
        subprocess.run([sys.executable, "-m", "benchmarks.export_memory", name], check=True)


def export(name: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "mnistsite.settings"
    import django

    django.setup()
    from django.core.management import call_command

    from predictions.transfer.export import accepted

    drawings, before, started = accepted().count(), peak(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        call_command("export_labels", format=name, output=Path(folder) / name, stdout=nowhere)
    seconds = time.monotonic() - started
    print(f"| {name} | {drawings:,} | {seconds:.0f} | {peak():.0f} | {before:.0f} |", flush=True)


def peak() -> float:
    """Of this process, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
