"""Rounds of draw, feedback, next on the drawing page: is every drawing logged once, with its own label?

    python -m benchmarks.page_rounds [--rounds 100]

Every tenth round the page's connection is cut: before the stroke, after it, before the tap or after it.
Starts the whole product on a var/ of its own; ends with code 1 where a row is missing, doubled or wrong.
"""

import argparse
import random
import tempfile
from pathlib import Path

import psycopg
from playwright.sync_api import Page

from tests.browser import chromium, cut, draw, visit, wait_for_answer, wait_for_empty
from tests.product import Product

Row = tuple[str, int]
MOMENTS = ["drawing", "reading", "tapping", "logging"]


def one_round(page: Page, cut_when: str | None) -> Row:
    """The prediction that was on show and the label that was given."""

    def now(moment: str) -> None:
        if moment == cut_when:
            cut(page)

    label = random.randrange(10)
    now("drawing")
    draw(page, [(random.uniform(30, 250), random.uniform(30, 250)) for _ in range(4)])
    now("reading")
    prediction = wait_for_answer(page)
    now("tapping")
    page.locator(".st-key-feedback").get_by_role("button", name=str(label), exact=True).click()
    now("logging")
    wait_for_empty(page)
    return prediction, label


def logged(product: Product) -> list[Row]:
    query = "SELECT id::text, user_label FROM predictions_prediction ORDER BY created_at"
    with psycopg.connect(product.database_url()) as connection:
        return connection.execute(query).fetchall()


def main() -> None:
    parser = argparse.ArgumentParser(description="Rounds of draw, feedback, next on the drawing page.")
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    with (
        tempfile.TemporaryDirectory() as folder,
        Product(Path(folder), API_WORK="1000000") as product,
        chromium() as browser,
    ):
        page = visit(browser, product.page, "phone")
        drawn = [
            one_round(page, MOMENTS[number // 10 % 4] if number % 10 == 9 else None)
            for number in range(rounds)
        ]
        stored = logged(product)
    missing, extra = set(drawn) - set(stored), set(stored) - set(drawn)
    print(
        f"{rounds} rounds, {rounds // 10} of them with a cut connection: {len(stored)} rows, "
        f"{len(missing)} missing, {len(extra)} that nobody drew or labelled so."
    )
    if stored != drawn:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
