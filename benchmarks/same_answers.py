"""Whether photographs get one answer each, whichever way they come: page, form, JSON, or a body of their own.

    python -m benchmarks.photographs FOLDER --count 10
    python -m benchmarks.same_answers FOLDER

Starts the whole product on a var/ of its own, and uploads each picture to the page in a real Chromium. Prints
each picture that gets different answers, and a table.
"""

import argparse
import base64
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Browser, Page, expect
from tqdm import tqdm

from tests.browser import choose, chromium, upload, visit
from tests.product import Product
from training.photographs import find_photographs

READING = ("digit", "confidence", "probabilities", "uncertain", "reason")
UPLOADS = 50  # of one visitor: the page takes a hundred

Answer = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    pictures = find_photographs(parser.parse_args().folder)
    counts, equal = Counter[str](), Counter[str]()
    with (
        tempfile.TemporaryDirectory() as folder,
        Product(Path(folder), API_WORK="1000000", API_MB_A_DAY="10000") as product,
        chromium() as browser,
    ):
        api, pages = f"http://localhost:{product.web}/api", visit_often(browser, product.page)
        for picture in tqdm(pictures, unit="picture", disable=None):
            found = ask(f"{api}/predict", picture.path.read_bytes())
            found.append(show(next(pages), api, picture.path, found[0]))
            counts[picture.condition] += 1
            equal[picture.condition] += found == found[:1] * 4
            if found != found[:1] * 4:
                print(picture.path, *found, sep="\n  ")
    print_table(counts, equal)
    return int(counts != equal)


def print_table(counts: Counter[str], equal: Counter[str]) -> None:
    print(f"{'':<24}{'count':>8}{'one answer':>12}")
    for condition, count in counts.items():
        print(f"{condition:<24}{count:>8}{equal[condition]:>12}")
    print(f"{'':<24}{counts.total():>8}{equal.total():>12}")


def visit_often(browser: Browser, url: str) -> Iterator[Page]:
    """The page, again and again: a new visitor's, whenever the one before has uploaded much."""
    while True:
        page = visit(browser, url)
        yield from [page] * UPLOADS
        page.context.close()


def ask(url: str, file: bytes) -> list[Answer]:
    """By form, in JSON, and as it is."""
    ways: list[dict[str, Any]] = [
        {"files": {"image": file}},
        {"json": {"image": base64.b64encode(file).decode()}},
        {"data": file, "headers": {"Content-Type": "image/jpeg"}},
    ]
    return [reading(requests.post(url, timeout=60, **way).json()) for way in ways]


def reading(answer: Answer) -> Answer:
    """What the model read, or the words in which the picture was refused."""
    if "error" in answer:
        return {"refused": answer["error"]["message"]}
    return {name: answer[name] for name in READING}


def show(page: Page, api: str, picture: Path, expected: Answer) -> Answer:
    """The page's answer; where the API refuses the picture, its words."""
    answer, kind = page.locator(".st-key-upload-answer"), guess_type(picture.name)[0] or ""
    if "refused" in expected:
        choose(page, picture.read_bytes(), picture.name, kind)
        expect(answer.locator(".message")).to_contain_text(expected["refused"])
        return expected
    before = [card.get_attribute("data-prediction") for card in answer.locator("[data-prediction]").all()]
    upload(page, picture.read_bytes(), picture.name, kind, after="".join(map(str, before)) or None)
    [visitor] = [cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "visitor"]
    newest = requests.get(f"{api}/predictions", {"limit": 1}, headers={"X-Visitor": visitor}, timeout=60)
    return reading(newest.json()["predictions"][0])


if __name__ == "__main__":
    sys.exit(main())
