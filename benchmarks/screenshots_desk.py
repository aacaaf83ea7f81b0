"""Screenshots of the review desk, from the running product.

    python -m benchmarks.screenshots_desk [--data-dir var/data]

Starts the product on a var/ of its own with a made-up log of 3,000 rows, and takes pictures of the desk in
every look.
"""

import argparse
import tempfile
from pathlib import Path

import psycopg
from playwright.sync_api import Browser, BrowserContext, Page

from benchmarks.looks import looks, shoot
from benchmarks.review_speed import PASSWORD, QUEUE, SEEN, run
from tests.browser import chromium
from tests.product import REPOSITORY, Product

LIST = "/admin/predictions/prediction/"
# Path, and what must be there before the picture is taken.
PAGES = {
    "queue": (QUEUE, "#item:visible"),
    "grid": (f"{LIST}grid/?digit=5", ".desk-cell"),
    "list": (LIST, ".desk-status"),
    "dashboard": ("/admin/", ".desk-confusion"),
    "transfer": (f"{LIST}transfer/", ".desk-files"),
    "version": ("/admin/predictions/modelversion/1/change/", ".desk-table"),
}
A_CHANGED_ROW = "SELECT prediction_id FROM predictions_labelchange GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=REPOSITORY / "var" / "data")
    data_dir = parser.parse_args().data_dir
    account = {"DJANGO_SUPERUSER_USERNAME": "olive", "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    with tempfile.TemporaryDirectory() as var, Product(Path(var), **account) as product:
        run(product, "-m", "benchmarks.simulated_log", "--rows", "3000", "--data-dir", str(data_dir))
        with chromium() as browser:
            desk_screenshots(browser, product)


def desk_screenshots(browser: Browser, product: Product) -> None:
    for look, context in looks(browser):
        page = sign_in(context, product, look)
        for name, (path, awaited) in PAGES.items():
            save(page, product, path, awaited, f"{name}-{look}")
        history = history_of_a_changed_row(page, product)
        save(page, product, history, ".desk-table", f"history-{look}")
        save(page, product, history.replace("history", "change"), ".desk-bars", f"row-{look}")


def sign_in(context: BrowserContext, product: Product, look: str) -> Page:
    page = context.new_page()
    page.goto(f"http://localhost:{product.web}/admin/login/")
    shoot(page, f"desk-login-{look}")
    page.fill("#id_username", "olive")
    page.fill("#id_password", PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_text("Drawings a day").wait_for()
    return page


def save(page: Page, product: Product, path: str, awaited: str, name: str) -> None:
    page.goto(f"http://localhost:{product.web}{path}")
    page.locator(awaited).first.wait_for()
    if "grid" in path:  # one drawing that is no 5
        page.locator(awaited).first.click()
        page.keyboard.press("6")
    shoot(page, f"desk-{name}", whole=path == "/admin/")


def history_of_a_changed_row(page: Page, product: Product) -> str:
    """Label one drawing, take that back, and label it again."""
    page.goto(f"http://localhost:{product.web}{QUEUE}")
    page.wait_for_function(SEEN)
    for key in ("4", "u", "5"):
        with page.expect_response("**/queue/*/"):
            page.keyboard.press(key)
    with psycopg.connect(product.database_url()) as connection:
        row = connection.execute(A_CHANGED_ROW).fetchone()
    assert row
    return f"{LIST}{row[0]}/history/"


if __name__ == "__main__":
    main()
