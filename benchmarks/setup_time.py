"""How long `make run` takes until the page and the API are healthy.

    python benchmarks/setup_time.py

Three times: from a clean clone with an empty pip cache, from another clean clone with that cache
filled, and started again. Prints a markdown table. Clones, caches and data go to a temporary folder.
"""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PORTS = {"WEB_PORT": "8790", "UI_PORT": "8791"}


def clone(folder: Path) -> Path:
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, folder], check=True)
    return folder


def seconds_to_healthy(checkout: Path, cache: Path) -> float:
    """Start the product, stop it once it says that it is healthy; the time in between, in seconds."""
    started = time.perf_counter()
    product = subprocess.Popen(
        ["make", "run"],
        cwd=checkout,
        env=os.environ | PORTS | {"PIP_CACHE_DIR": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert product.stdout
    healthy = any("Ctrl-C" in line for line in product.stdout)
    seconds = time.perf_counter() - started
    product.send_signal(signal.SIGTERM)
    product.communicate()
    if not healthy:
        raise SystemExit("make run ended before it was healthy.")
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = folder / "pip-cache"
        cold = seconds_to_healthy(clone(folder / "first"), cache)
        warm = seconds_to_healthy(clone(folder / "second"), cache)
        again = seconds_to_healthy(folder / "second", cache)
    print("| `make run` | seconds until healthy |\n|---|---|")
    print(f"| clean clone, empty pip cache | {cold:.1f} |")
    print(f"| clean clone, filled pip cache | {warm:.1f} |")
    print(f"| second start | {again:.1f} |")


if __name__ == "__main__":
    main()
