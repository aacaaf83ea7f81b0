"""The learning loop as a moving picture, filmed from the running product:

    python -m benchmarks.loop_gif [--steps 240] [--data-dir var/data]

Starts the product on a var/ of its own. A visitor draws a one with a long flag, as one person of
strokes-dev-2.npz writes it, which is read as a seven; that person's other ones come by the API. An
operator reviews them in the queue, a fine-tuning learns from them, its version is promoted, and the one is
drawn again. Writes docs/loop.gif; fails where it is still misread.
"""

import argparse
import io
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import requests
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Browser, Page, expect

from benchmarks.review_speed import PASSWORD, QUEUE, SEEN, run
from tests.browser import canvas, chromium, draw, load, wait_for_answer, wait_for_empty
from tests.product import REPOSITORY, Product
from training.drawings import Strokes, load_drawings

FILE = REPOSITORY / "docs" / "loop.gif"
WIDTH, HEIGHT, BAND = 800, 620, 52  # pixels; captions stand in the band
WRITER, DIGIT, MISREAD = "uqb", 1, 7
USUAL_DOUBT = 0.85  # the share that the model gives to the misread digit
INK, PAPER = "#ffffff", "#1e3673"
COLOURS = 96
MINUTES_TO_TRAIN = 40
LOOKS_A_PICTURE = 8  # at the job, every five seconds
TRAIN = (
    "from benchmarks import site; site.set_up()\n"
    "from predictions.models import Job; Job.objects.start(Job.Kind.TRAIN, None, steps={steps})"
)


class Film:
    """Pictures with a caption below, and how many milliseconds each one stands."""

    def __init__(self) -> None:
        self.pictures: list[Image.Image] = []
        self.times: list[int] = []

    def shoot(self, page: Page, caption: str, milliseconds: int = 1500) -> None:
        frame = Image.new("RGB", (WIDTH, HEIGHT + BAND), PAPER)
        frame.paste(Image.open(io.BytesIO(page.screenshot())).convert("RGB"), (0, 0))
        font = ImageFont.load_default(size=22)
        place = (WIDTH / 2, HEIGHT + BAND / 2)
        ImageDraw.Draw(frame).text(place, caption, fill=INK, font=font, anchor="mm")
        self.pictures.append(frame)
        self.times.append(milliseconds)

    def save(self, file: Path) -> None:
        """With one palette for all, so that what does not change costs nothing."""
        sheet = Image.new("RGB", (WIDTH, (HEIGHT + BAND) * len(self.pictures)))
        for number, picture in enumerate(self.pictures):
            sheet.paste(picture, (0, number * (HEIGHT + BAND)))
        palette = sheet.quantize(COLOURS)
        first, *others = [
            picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in self.pictures
        ]
        first.save(file, save_all=True, append_images=others, duration=self.times, loop=0, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=240, help="of the fine-tuning; default: %(default)s")
    parser.add_argument("--data-dir", type=Path, default=REPOSITORY / "var" / "data", help="of MNIST")
    options = parser.parse_args()
    account = {"DJANGO_SUPERUSER_USERNAME": "olive", "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    mnist, film = str(options.data_dir.resolve()), Film()
    with (
        tempfile.TemporaryDirectory() as var,
        Product(Path(var), MNIST_DIR=mnist, **account) as product,
        chromium() as browser,
    ):
        go_round(film, browser, product, options.steps)
    film.save(FILE)
    print(f"{FILE}: {len(film.pictures)} pictures, {FILE.stat().st_size / 1e6:.2f} MB")


def go_round(film: Film, browser: Browser, product: Product, steps: int) -> None:
    ones = load_ones()
    doubts = [ask(product, one)["probabilities"][MISREAD] for one in ones]
    # Misread surely enough to be so on the page as well, where its size is another.
    misread = ones[min(range(len(ones)), key=lambda number: abs(doubts[number] - USUAL_DOUBT))]
    visitor = open_page(browser, product.page)
    show_drawing(film, visitor, misread, "A visitor draws a one with a long flag ...")
    expect(visitor.locator(".st-key-answer .digit")).to_have_text(str(MISREAD))
    film.shoot(visitor, f"... which the model reads as {MISREAD}.", 2500)
    visitor.locator(".st-key-feedback").get_by_role("button", name=str(DIGIT), exact=True).click()
    wait_for_empty(visitor)
    film.shoot(visitor, "One tap says what it was.", 2000)
    others = [one for one in ones if one is not misread]
    for one in others:
        send(product, one)
    desk = sign_in(browser, product)
    review(film, desk, len(others) + 1)
    train(film, desk, product, steps)
    promote(film, desk, product)
    visitor.reload()
    load(visitor)
    show_drawing(film, visitor, misread, "The visitor draws the same one again ...")
    expect(visitor.locator(".st-key-answer .digit")).to_have_text(str(DIGIT))
    film.shoot(visitor, "... and the new version reads it right.", 5000)


def load_ones() -> list[Strokes]:
    drawings = load_drawings(REPOSITORY / "benchmarks" / "data" / "strokes-dev-2.npz")
    chosen = np.flatnonzero((drawings.sources == WRITER) & (drawings.labels == DIGIT))
    return [drawings.strokes[at] for at in chosen]


def ask(product: Product, strokes: Strokes, **more: str) -> dict[str, Any]:
    """The API's answer."""
    body = {"strokes": [stroke.tolist() for stroke in strokes], **more}
    answer = requests.post(f"http://localhost:{product.web}/api/predict", json=body, timeout=30)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def send(product: Product, strokes: Strokes) -> None:
    """As the page does: a drawing, and what the visitor said it was."""
    key = str(uuid.uuid4())
    ask(product, strokes, id=key, source="page")
    url = f"http://localhost:{product.web}/api/predictions/{key}/feedback"
    requests.post(url, json={"label": DIGIT}, timeout=30).raise_for_status()


def open_page(browser: Browser, url: str) -> Page:
    page = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}).new_page()
    page.set_default_timeout(120_000)
    page.goto(url)
    return page


def show_drawing(film: Film, page: Page, strokes: Strokes, caption: str) -> None:
    """Stroke by stroke; the page reads each state of it."""
    load(page)
    canvas(page)
    page.wait_for_timeout(500)
    film.shoot(page, caption, 1000)
    answer = None
    for stroke in strokes:
        draw(page, [(45 + 190 * float(x), 45 + 190 * float(y)) for x, y in stroke])
        answer = wait_for_answer(page, answer)
        page.wait_for_timeout(500)
        film.shoot(page, caption, 900)


def sign_in(browser: Browser, product: Product) -> Page:
    page = open_page(browser, f"http://localhost:{product.web}/admin/login/?next={QUEUE}")
    page.fill("#id_username", "olive")
    page.fill("#id_password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_function(SEEN)
    return page


def review(film: Film, page: Page, count: int) -> None:
    """One key for each drawing in the queue; the first ones at leisure, then a look at every fifth."""
    caption = f"In the queue an operator reviews it, with {count - 1} ones of the same hand."
    for number in range(count):
        page.wait_for_function(SEEN)
        if number < 3 or number % 5 == 0:
            page.evaluate("scrollTo(0, 0)")
            film.shoot(page, caption, 1200 if number < 3 else 250)
        page.keyboard.press(str(DIGIT))
        page.wait_for_selector('#queue:not([aria-busy="true"])')


def train(film: Film, page: Page, product: Product, steps: int) -> None:
    """By a job with fewer steps than the button's, which a busy machine needs many minutes for."""
    root = f"http://localhost:{product.web}/admin/predictions"
    page.goto(f"{root}/modelversion/")
    film.shoot(page, "Then the model is trained: on what was reviewed, and on MNIST.", 2200)
    run(product, "-c", TRAIN.format(steps=steps))
    state = ""
    for look in range(MINUTES_TO_TRAIN * 12):
        page.goto(f"{root}/job/")
        state = page.locator("#result_list").inner_text()
        if look % LOOKS_A_PICTURE == 0 or "done" in state:
            film.shoot(page, f"The worker trains for {steps} steps.", 500)
        if "done" in state or "failed" in state:
            break
        page.wait_for_timeout(5000)
    if "done" not in state:
        raise SystemExit(f"The training did not end well: {state}")


def promote(film: Film, page: Page, product: Product) -> None:
    page.goto(f"http://localhost:{product.web}/admin/predictions/modelversion/2/promote")
    film.shoot(page, "A gate compares both versions. It is passed: promote.", 3000)
    page.get_by_role("button", name="Yes, promote").click()
    page.get_by_text("answers from now on").wait_for()
    film.shoot(page, "Within a second the new version answers everywhere.", 2500)
    time.sleep(2)


if __name__ == "__main__":
    main()
