"""Screenshots of the drawing page, from the running product: `make screenshots`.

    python -m benchmarks.screenshots_page

Starts the whole product on a var/ of its own, draws, gives feedback, uploads photographs, and takes pictures
of the page in every look.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page

from benchmarks.looks import looks, shoot
from benchmarks.scene import shadow, side_by_side
from tests.browser import Points, chromium, draw, load, upload, wait_for_answer, wait_for_empty
from tests.photographs import PHONE, SQUARED, photograph
from tests.product import Product
from tests.samples import strokes as sample

THREE: list[Points] = [
    [(80, 70), (130, 45), (190, 60), (195, 105), (140, 135)],
    [(140, 135), (200, 150), (205, 205), (150, 240), (75, 215)],
]
TWO: list[Points] = [
    [(85, 95), (110, 55), (165, 45), (200, 85), (185, 135), (85, 235), (145, 225), (215, 235)]
]
SEVEN: list[Points] = [[(75, 62), (205, 58), (180, 120), (150, 180), (130, 238)]]


def draw_digit(page: Page, strokes: list[Points]) -> None:
    answer = None
    for stroke in strokes:
        draw(page, stroke)
        answer = wait_for_answer(page, answer)


def label(page: Page, digit: int) -> None:
    page.locator(".st-key-feedback").get_by_role("button", name=str(digit), exact=True).click()
    wait_for_empty(page)


def photograph_page(browser: Browser, url: str) -> None:
    for look, context in looks(browser):
        page = open_page(context, url)
        shoot(page, f"empty-{look}")
        draw_digit(page, TWO)
        label(page, 2)
        shoot(page, f"thanks-{look}")
        draw_digit(page, SEVEN)
        label(page, 7)
        draw_digit(page, THREE)
        page.evaluate("document.querySelector('.stMain').scrollTo(0, 0)")
        shoot(page, f"draw-{look}")
        page.evaluate("document.querySelector('.stMain').scrollTo(0, 1e6)")
        shoot(page, f"history-{look}")
        explain(page, f"explanation-{look}")


def explain(page: Page, name: str) -> None:
    """With room for every step."""
    page.get_by_role("tab", name="How it works").click()
    page.locator(".steps .read").wait_for()
    assert page.viewport_size
    page.set_viewport_size({**page.viewport_size, "height": 1200})
    shoot(page, name)


def open_page(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    load(page)
    return page


def photographs() -> Iterator[tuple[str, bytes]]:
    """On squared paper in a shadow, small and in a deeper one, and two digits, of which neither is clear."""
    five, four, seven = (sample().strokes[number] for number in (18, 9, 45))
    small = replace(PHONE, size=144, pen=0.1, light=shadow(0.6, 0.04))
    yield "squared", photograph(SQUARED, four, 1)
    yield "small", photograph(small, seven, 2)
    yield "two", photograph(PHONE, side_by_side(five, four), 3)


def photograph_uploads(browser: Browser, url: str) -> None:
    for look, context in looks(browser):
        page, answer = open_page(context, url), None
        for name, file in photographs():
            answer = upload(page, file, f"{name}.jpg", after=answer)
            shoot(page, f"upload-{name}-{look}")
        explain(page, f"explanation-upload-{look}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Product(Path(folder)) as product, chromium() as browser:
        photograph_page(browser, product.page)
        photograph_uploads(browser, product.page)


if __name__ == "__main__":
    main()
