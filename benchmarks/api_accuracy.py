"""Accuracy on a file of people's pen strokes, through the running API.

    make run
    python benchmarks/api_accuracy.py DIGITS.npz --api http://localhost:8000

Every drawing is drawn on a canvas twice, neatly (`draw`) and in any size, place and pen
(`draw_anyhow`), and sent as the picture that a page would send; a third time as strokes. The
format of the file is that of training/drawings.py. Prints a markdown table.
"""

import argparse
import base64
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import requests
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.drawings import Hand, Strokes, any_hand, draw, load_drawings


def text(png: bytes) -> str:
    return base64.b64encode(png).decode()


def bodies(strokes: Strokes, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    yield {"image": text(draw(strokes, Hand()))}
    yield {"image": text(draw(strokes, any_hand(rng)))}
    yield {"strokes": [stroke.tolist() for stroke in strokes]}


def read(session: requests.Session, api: str, body: dict[str, Any]) -> int:
    """The digit read; waits where the API says that it has had too many requests."""
    while True:
        response = session.post(f"{api}/api/predict", json=body, timeout=30)
        if response.status_code == 201:
            return int(response.json()["digit"])
        if response.status_code not in (429, 503):
            raise SystemExit(response.text)
        time.sleep(int(response.headers["Retry-After"]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("digits", type=Path)
    parser.add_argument("--api", default="http://localhost:8000")
    arguments = parser.parse_args()
    drawings, rng, session = load_drawings(arguments.digits), np.random.default_rng(1), requests.Session()
    right = np.array(
        [
            [read(session, arguments.api, body) == label for body in bodies(strokes, rng)]
            for strokes, label in zip(tqdm(drawings.strokes), drawings.labels, strict=True)
        ]
    )
    print("| source | drawings | neatly | anyhow | as strokes |\n|---|---|---|---|---|")
    for source in ["all", *np.unique(drawings.sources)]:
        chosen = right[(drawings.sources == source) | (source == "all")]
        print(
            f"| {source} | {len(chosen)} | " + " | ".join(f"{share:.2%}" for share in chosen.mean(0)) + " |"
        )


if __name__ == "__main__":
    main()
