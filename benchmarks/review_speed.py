"""How fast drawings can be labelled in the review queue, in a real headless Chromium.

    python -m benchmarks.review_speed [--data-dir var/data]

Starts the whole product on a var/ of its own with a made-up log of 3,000 rows. One operator labels 100
drawings, a key for each as soon as the drawing is to be seen; then two operators label 200 in turns. Their
thinking takes no time, so what is left is what the desk costs. Rows are counted in the database.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from playwright.sync_api import Browser, Page

from tests.browser import chromium
from tests.product import REPOSITORY, Product

ROWS = 3000
MILLISECONDS_TO_LOAD = 120_000
PASSWORD = "only for this benchmark"  # noqa: S105
QUEUE = "/admin/predictions/prediction/queue/"
SEEN = """() => {
  const image = document.getElementById('drawing');
  return !document.getElementById('item').hidden && image.complete && image.naturalWidth > 0;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=REPOSITORY / "var" / "data")
    data_dir = parser.parse_args().data_dir
    account = {"DJANGO_SUPERUSER_USERNAME": "olive", "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    with tempfile.TemporaryDirectory() as var, Product(Path(var), **account) as product:
        run(product, "-m", "benchmarks.simulated_log", "--rows", str(ROWS), "--data-dir", str(data_dir))
        add_operator(product, "otto")
        with chromium() as browser:
            measure(browser, product)


def run(product: Product, *arguments: str, **environment: str) -> None:
    """Run a program of ours in the product's environment, which names its database."""
    environment = product.children()[0].environ() | environment
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, stdout=subprocess.PIPE)


def add_operator(product: Product, name: str) -> None:
    account = {"DJANGO_SUPERUSER_USERNAME": name, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    options = ["--noinput", "--email", f"{name}@localhost"]
    run(product, "manage.py", "createsuperuser", *options, **account)


def measure(browser: Browser, product: Product) -> None:
    print("| who labels | drawings | seconds | a minute | rows stored | labelled twice |")
    print("|---|---:|---:|---:|---:|---:|")
    olive = queue(browser, product, "olive")
    report("one operator", 100, [olive], product)
    report("two operators in turns", 200, [olive, queue(browser, product, "otto")], product)


def queue(browser: Browser, product: Product, name: str) -> Page:
    """The queue's page, signed in."""
    page = browser.new_context().new_page()
    page.set_default_timeout(MILLISECONDS_TO_LOAD)
    page.goto(f"http://localhost:{product.web}/admin/login/?next={QUEUE}")
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_function(SEEN)
    return page


def report(who: str, drawings: int, pages: list[Page], product: Product) -> None:
    before = decisions(product)
    started = time.monotonic()
    for number in range(drawings):
        page = pages[number % len(pages)]
        page.wait_for_function(SEEN)
        page.keyboard.press(str(number % 10))
    for page in pages:
        page.wait_for_selector('#queue:not([aria-busy="true"])')
    seconds = time.monotonic() - started
    changes, rows = (after - start for after, start in zip(decisions(product), before, strict=True))
    minute = 60 * drawings / seconds
    print(f"| {who} | {drawings} | {seconds:.1f} | {minute:.0f} | {rows} | {changes - rows} |")


def decisions(product: Product) -> tuple[int, int]:
    """Of all operators: decisions and second opinions, and different rows that each of both is about."""
    query = """
        SELECT count(*) + opinions, count(DISTINCT prediction_id) + opinions FROM predictions_labelchange,
            (SELECT count(*) AS opinions FROM predictions_secondopinion) AS second
        WHERE by_id IS NOT NULL GROUP BY opinions
    """
    with psycopg.connect(product.database_url()) as connection:
        row = connection.execute(query).fetchone()
    return (row[0], row[1]) if row else (0, 0)


if __name__ == "__main__":
    main()
