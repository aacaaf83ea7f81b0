"""The drawing page in a real Chromium, on the whole product."""

import base64
import io
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal

import psutil
import psycopg
import pytest
import requests
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from benchmarks.scene import side_by_side
from tests import browser as chrome
from tests.browser import (
    ONE,
    SEVEN,
    choose,
    draw,
    upload,
    wait_for_answer,
    wait_for_empty,
    wait_for_feedback,
    wait_for_ink,
)
from tests.photographs import EMPTY, LARGE, PHONE, SQUARED, photograph
from tests.pictures import TOO_LARGE
from tests.product import Product
from tests.samples import strokes
from tests.streamlit_ui.test_contrast import contrast

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chrome.CHROMIUM is None, reason="No Chromium on this machine."),
]

DIGITS = strokes()
SEVEN_ON_PAPER = DIGITS.strokes[45]
READING = ("digit", "confidence", "probabilities", "uncertain")
ACCEPT = "UPDATE predictions_prediction SET review_status = 'accepted', true_label = 7, reviewed_at = now()"
LOSE_MOUSEUP = (
    "addEventListener('mouseup', (e) => e.stopImmediatePropagation(), { capture: true, once: true })"
)
Row = dict[str, Any]
Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product(tmp_path_factory.mktemp("var")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed with this module: Django refuses to work in a thread where Playwright's loop runs."""
    with chrome.chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser, product: Product) -> Iterator[Visit]:
    """Visit the page as somebody new."""
    pages: list[Page] = []

    def visit(size: str = "desktop", scheme: str = "light") -> Page:
        pages.append(chrome.visit(browser, product.page, size, scheme))
        return pages[-1]

    yield visit
    for page in pages:
        page.context.close()


def rows(product: Product, page: Page) -> list[Row]:
    """What the database has of this visitor, oldest first."""
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    query = "SELECT * FROM predictions_prediction WHERE visitor = %s ORDER BY created_at"
    with psycopg.connect(product.database_url(), row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute(query, [cookies["visitor"]]).fetchall()


def tap(page: Page, name: str) -> None:
    page.locator(".st-key-feedback").get_by_role("button", name=name, exact=True).click()


def thanks(page: Page) -> None:
    expect(page.locator(".st-key-feedback")).to_contain_text("Thank you!")


@pytest.mark.parametrize("size", list(chrome.SIZES))
def test_every_stroke_is_answered_and_logged_with_its_strokes(
    visit: Visit, product: Product, size: str
) -> None:
    page = visit(size)
    draw(page, SEVEN)
    first = wait_for_answer(page)
    draw(page, [(80, 150), (200, 150)])
    second = wait_for_answer(page, first)
    stored = rows(product, page)
    assert [(str(row["id"]), len(row["strokes"]), row["superseded"]) for row in stored] == [
        (first, 1, True),
        (second, 2, False),
    ]
    assert Image.open(io.BytesIO(stored[-1]["image"])).size == (280, 280)
    expect(page.locator(".st-key-answer")).to_have_attribute("aria-live", "polite")
    shown = page.locator(".st-key-answer").inner_text()
    assert re.search(r"\d", shown)[0] == str(stored[-1]["digit"])  # type: ignore[index]


def test_stroke_from_any_corner_counts_and_does_not_scroll(visit: Visit, product: Product) -> None:
    page = visit("phone")
    corners, answer = [(279, 1), (250, 12), (1, 1), (1, 279), (279, 279)], None
    for corner in corners:
        draw(page, [corner, (140, 140), (140, 60)])
        answer = wait_for_answer(page, answer)
    starts = [stroke[0] for stroke in rows(product, page)[-1]["strokes"]]
    assert starts == [pytest.approx(corner, abs=2) for corner in corners]
    assert page.evaluate("document.querySelector('.stMain').scrollTop") == 0


def test_stroke_ends_with_its_finger_though_another_one_rests(visit: Visit, product: Product) -> None:
    page = visit("phone")
    box = chrome.canvas(page)
    protocol = page.context.new_cdp_session(page)

    def touch(kind: str, *fingers: tuple[int, float, float]) -> None:
        points = [{"id": name, "x": box["x"] + x, "y": box["y"] + y} for name, x, y in fingers]
        protocol.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    thumb, answer = (7, 200, 300), None
    for x in (80, 120):
        touch("touchStart", (1, x, 60))
        touch("touchStart", (1, x, 60), thumb)
        touch("touchMove", (1, x, 200), thumb)
        touch("touchEnd", (1, x, 200))
        answer = wait_for_answer(page, answer)
        touch("touchEnd")
    touch("touchStart", (1, 40, 60))
    touch("touchMove", (1, 40, 200))
    touch("touchCancel")
    wait_for_answer(page, answer)
    assert [len(row["strokes"]) for row in rows(product, page)] == [1, 2, 3]


def test_canvas_fills_a_phone_and_everything_fits(visit: Visit) -> None:
    page = visit("phone")
    assert chrome.canvas(page)["width"] >= 0.88 * 360
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") == 360
    last = page.locator(".st-key-feedback").get_by_role("button", name="9", exact=True).bounding_box()
    assert last and last["y"] + last["height"] <= 740, "all of it on one screen"
    draw(page, ONE)
    wait_for_answer(page)
    wait_for_feedback(page)
    for button in page.locator(".st-key-pad button:visible, .st-key-feedback button:visible").all():
        box = button.bounding_box()
        assert box and box["height"] >= 44 and box["width"] >= 44, button.inner_text()


def test_nothing_jumps_when_answer_and_feedback_arrive(visit: Visit) -> None:
    page = visit("phone")

    def tops() -> list[float]:
        names = ("pad", "answer", "feedback", "history")
        return [page.locator(f".st-key-{name}").evaluate("e => e.offsetTop") for name in names]

    before = tops()
    draw(page, ONE)
    wait_for_answer(page)
    assert tops() == before
    tap(page, "Yes, right")
    thanks(page)
    assert tops() == before


def test_undo_redo_and_clear_change_what_is_read(visit: Visit, product: Product) -> None:
    page = visit("tablet")
    draw(page, SEVEN)
    one_stroke = wait_for_answer(page)
    draw(page, [(80, 150), (200, 150)])
    two_strokes = wait_for_answer(page, one_stroke)
    page.get_by_role("button", name="Undo").tap()
    undone = wait_for_answer(page, two_strokes)
    page.get_by_role("button", name="Redo").tap()
    wait_for_answer(page, undone)
    assert [len(row["strokes"]) for row in rows(product, page)] == [1, 2, 1, 2]
    page.get_by_role("button", name="Reset").tap()
    wait_for_empty(page)
    draw(page, ONE)
    wait_for_answer(page)
    assert len({row["drawing"] for row in rows(product, page)}) == 2


def test_one_tap_labels_the_drawing_and_empties_the_pad(visit: Visit, product: Product) -> None:
    page = visit("phone")
    draw(page, SEVEN)
    prediction = wait_for_answer(page)
    tap(page, "3")
    wait_for_empty(page)
    thanks(page)
    assert [(str(row["id"]), row["user_label"]) for row in rows(product, page)] == [(prediction, 3)]


def test_double_click_on_feedback_is_one_label_and_no_ghost(visit: Visit, product: Product) -> None:
    page = visit()
    draw(page, SEVEN)
    wait_for_answer(page)
    page.locator(".st-key-feedback").get_by_role("button", name="7", exact=True).dblclick()
    wait_for_empty(page)
    draw(page, ONE)
    wait_for_answer(page)
    assert [row["user_label"] for row in rows(product, page)] == [7, None]


def test_keys_draw_nothing_but_do_the_rest(visit: Visit, product: Product) -> None:
    page = visit()
    page.keyboard.press("3")
    draw(page, SEVEN)
    one_stroke = wait_for_answer(page)
    draw(page, ONE)
    two_strokes = wait_for_answer(page, one_stroke)
    page.keyboard.press("u")
    wait_for_answer(page, two_strokes)
    page.keyboard.press("3")
    wait_for_empty(page)
    thanks(page)
    draw(page, ONE)
    wait_for_answer(page)
    page.keyboard.press("Enter")
    wait_for_empty(page)
    draw(page, ONE)
    wait_for_answer(page)
    page.keyboard.press("Delete")
    wait_for_empty(page)
    finished = [row for row in rows(product, page) if not row["superseded"]]
    assert [row["user_label"] for row in finished] == [3, finished[1]["digit"], None]


def test_stroke_begun_before_the_pad_is_empty_counts_whole(visit: Visit, product: Product) -> None:
    page = visit()
    draw(page, SEVEN)
    wait_for_answer(page)
    box = chrome.canvas(page)
    hang(product.page_processes(), True)
    page.keyboard.press("7")
    page.mouse.move(box["x"] + 60, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 200, steps=5)
    hang(product.page_processes(), False)
    wait_for_empty(page)
    page.mouse.move(box["x"] + 200, box["y"] + 200, steps=5)
    page.mouse.up()
    wait_for_answer(page)
    labelled, begun = rows(product, page)
    assert (labelled["user_label"], begun["user_label"]) == (7, None)
    [stroke], scale = begun["strokes"], 280 / box["width"]
    assert stroke[0] == pytest.approx([60 * scale, 40 * scale], abs=2)
    assert stroke[-1] == pytest.approx([200 * scale, 200 * scale], abs=2)


@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_strokes_drawn_before_the_pad_is_empty_are_the_next_drawing(
    visit: Visit, product: Product, size: str
) -> None:
    page = visit(size)
    draw(page, SEVEN)
    labelled = wait_for_answer(page)
    hang(product.page_processes(), True)
    page.keyboard.press("7")
    draw(page, SEVEN)
    draw(page, [(80, 150), (200, 150)])
    hang(product.page_processes(), False)
    wait_for_answer(page, labelled)
    expect(page.locator(".st-key-feedback")).to_contain_text("Take the 7 back")
    wait_for_strokes(product, page, 2)
    finished = [row for row in rows(product, page) if not row["superseded"]]
    assert [(row["user_label"], len(row["strokes"])) for row in finished] == [(7, 1), (None, 2)]


def test_enter_on_a_focused_button_is_that_button_only(visit: Visit, product: Product) -> None:
    page = visit()
    draw(page, SEVEN)
    wait_for_answer(page)
    wait_for_feedback(page)
    page.locator(".st-key-feedback").get_by_role("button", name="5", exact=True).focus()
    page.keyboard.press("Enter")
    wait_for_empty(page)
    assert [row["user_label"] for row in rows(product, page)] == [5]


def test_feedback_is_undone_and_the_drawing_comes_back(visit: Visit, product: Product) -> None:
    page = visit()
    draw(page, SEVEN)
    prediction = wait_for_answer(page)
    tap(page, "1")
    wait_for_empty(page)
    tap(page, "Take back")
    assert wait_for_answer(page) == prediction
    wait_for_ink(page)
    assert [row["user_label"] for row in rows(product, page)] == [None]
    tap(page, "7")
    wait_for_empty(page)
    assert [row["user_label"] for row in rows(product, page)] == [7]


def test_drawing_that_came_back_is_reset_to_nothing(visit: Visit, product: Product) -> None:
    page = visit("phone")
    draw(page, SEVEN)
    prediction = wait_for_answer(page)
    tap(page, "1")
    wait_for_empty(page)
    tap(page, "Take back")
    wait_for_answer(page)
    draw(page, [(80, 150), (200, 150)])
    wait_for_answer(page, prediction)
    assert [len(row["strokes"]) for row in rows(product, page)] == [1, 2]
    page.get_by_role("button", name="Reset").tap()
    wait_for_empty(page)
    assert len(rows(product, page)) == 2


def test_history_outlives_a_reload_and_is_really_deleted(visit: Visit, product: Product) -> None:
    page = visit()
    for label in ("7", "8"):
        draw(page, SEVEN)
        wait_for_answer(page)
        tap(page, label)
        wait_for_empty(page)
    page.reload()
    lines = page.locator(".st-key-history tbody tr")
    expect(lines).to_have_count(2)
    expect(lines.first).to_contain_text("8")
    page.get_by_role("button", name="Delete my drawings").click()
    page.get_by_role("button", name="Delete them all").click()
    expect(lines).to_have_count(0)
    assert rows(product, page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_last_question_before_deletion_is_readable(visit: Visit, scheme: str) -> None:
    """It is shown outside of the page's own element, where the page's colours do not reach."""
    page = visit("phone", scheme)
    draw(page, SEVEN)
    wait_for_answer(page)
    page.get_by_role("button", name="Delete my drawings").click()
    button = page.get_by_role("button", name="Delete them all")
    text, ground = button.evaluate("""element => {
        let ground = element;
        while (getComputedStyle(ground).backgroundColor.startsWith("rgba")) ground = ground.parentElement;
        return [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor];
    }""")
    assert contrast(in_hex(text), in_hex(ground)) >= 4.5


def in_hex(colour: str) -> str:
    """CSS's rgb(…), of an opaque colour."""
    parts = re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour)
    assert parts, colour
    return "#" + "".join(f"{int(part):02x}" for part in parts.groups())


def say_about_upload(page: Page, digit: str) -> None:
    page.locator(".st-key-upload-feedback").get_by_role("button", name=digit, exact=True).click()
    expect(page.locator(".st-key-upload-feedback")).to_contain_text("Thank you!")


@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_uploaded_photograph_is_read_shown_with_its_ink_and_labelled(
    visit: Visit, product: Product, size: str
) -> None:
    page = visit(size)
    upload(page, photograph(LARGE, SEVEN_ON_PAPER))
    for picture in page.locator(".compared img").all():
        across, down = picture.evaluate("image => image.decode().then(() => [image.width, image.height])")
        assert across / down == pytest.approx(4 / 3, abs=0.02)
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") == chrome.SIZES[size][0]
    say_about_upload(page, "7")
    expect(page.locator(".compared")).to_have_count(0)
    [row] = rows(product, page)
    assert (row["source"], row["digit"], row["user_label"]) == ("upload", 7, 7)
    assert Image.open(io.BytesIO(row["image"])).size == (1000, 750)
    page.get_by_role("tab", name="How it works").click()
    expect(page.locator(".steps figure")).to_have_count(7)
    expect(page.locator(".steps")).to_contain_text("what was taken for the digit")


@pytest.mark.parametrize("size", list(chrome.SIZES))
def test_two_digits_in_a_photograph_are_no_clear_digit(visit: Visit, product: Product, size: str) -> None:
    page = visit(size)
    upload(page, photograph(PHONE, side_by_side(SEVEN_ON_PAPER, SEVEN_ON_PAPER)))
    answer = page.locator(".st-key-upload-answer")
    expect(answer).to_contain_text("the digit is not clear in this picture")
    card, words, bars = (answer.locator(part).bounding_box() for part in (".card", ".sure", ".bars"))
    assert card and words and bars
    assert card["y"] < words["y"]
    assert words["y"] + words["height"] < bars["y"]  # there is room for all of them
    assert [row["reason"] for row in rows(product, page)] == ["unclear_picture"]


@pytest.mark.parametrize(
    ("name", "kind", "file", "words"),
    [
        ("IMG_1.HEIC", "image/heic", lambda: b"\0\0\0\x18ftypheic" + bytes(2_000), "please send a JPEG"),
        ("notes.png", "image/png", lambda: b"Dear diary", "not a readable image"),
        ("bomb.png", "image/png", TOO_LARGE["png-wide-and-high"], "would cost too much"),
        ("scans.jfif", "image/jpeg", TOO_LARGE["jpeg-4500-scans"], "would cost too much"),
        ("tiff.bmp", "image/bmp", lambda: b"II*\0" + bytes(2_000), "please send a PNG"),
        ("sheet.jpg", "image/jpeg", lambda: photograph(EMPTY, SEVEN_ON_PAPER), "blank"),
    ],
    ids=["heic", "text", "bomb", "scans", "tiff", "blank"],
)
def test_file_that_cannot_be_read_gets_the_apis_words_and_the_next_one_an_answer(
    visit: Visit, product: Product, name: str, kind: str, file: Callable[[], bytes], words: str
) -> None:
    page, servers = visit("phone"), product.page_processes() + product.web_processes()
    choose(page, file(), name, kind)
    message = page.locator(".st-key-upload-answer .message")
    expect(message).to_contain_text(words)
    text, card = message.bounding_box(), page.locator(".st-key-upload-answer .card").bounding_box()
    assert text and card and text["height"] < card["height"]
    upload(page, photograph(PHONE, SEVEN_ON_PAPER))
    assert all(server.is_running() for server in servers)
    assert [row["digit"] for row in rows(product, page)] == [7]


def test_iphones_pictures_are_not_asked_for_as_heic(visit: Visit) -> None:
    """Safari makes a JPEG of them, unless the input names HEIC."""
    page = visit("phone")
    page.get_by_role("tab", name="Upload").click()
    chooser = page.locator("input[type=file]")
    expect(chooser).not_to_have_attribute("accept", re.compile("hei[cf]"))
    expect(chooser).to_have_attribute("accept", re.compile(r"\.jfif\b"))
    upload(page, photograph(PHONE, SEVEN_ON_PAPER))
    say_about_upload(page, "7")
    expect(chooser).not_to_have_attribute("accept", re.compile("hei[cf]"))


def test_same_file_gets_the_same_answer_whichever_way_it_comes(visit: Visit, product: Product) -> None:
    page, answer = visit(), None
    api = f"http://localhost:{product.web}/api/predict"
    for file in ten_photographs():
        answer = upload(page, file, after=answer)
        [shown] = [row for row in rows(product, page) if str(row["id"]) == answer]
        form = requests.post(api, files={"image": file}, timeout=60).json()
        text = requests.post(api, json={"image": base64.b64encode(file).decode()}, timeout=60).json()
        body = requests.post(api, data=file, headers={"Content-Type": "image/jpeg"}, timeout=60).json()
        for other in (form, text, body):
            assert [other[name] for name in READING] == [shown[name] for name in READING]
            assert (other["reason"] or "") == shown["reason"]


def ten_photographs() -> Iterator[bytes]:
    for number, digit in enumerate(DIGITS.sample(10).strokes):
        scene = (PHONE, SQUARED)[number % 2]
        yield photograph(replace(scene, size=240 + 60 * number, pen=0.04 + 0.01 * number), digit, number)


def test_last_drawing_is_explained(visit: Visit) -> None:
    page = visit()
    draw(page, SEVEN)
    wait_for_answer(page)
    page.get_by_role("tab", name="How it works").click()
    expect(page.locator(".steps figure")).to_have_count(6)
    expect(page.locator(".steps")).to_contain_text("Without the orange part it would be read as 1")
    expect(page.get_by_text("MNIST test")).to_be_visible()


def test_api_that_hangs_is_said_and_nothing_is_logged_twice(visit: Visit, product: Product) -> None:
    page = visit()
    hang(product.web_processes(), True)
    try:
        draw(page, SEVEN)
        expect(page.locator(".st-key-answer")).to_contain_text("tries again", timeout=15_000)
        wait_for_ink(page)
    finally:
        hang(product.web_processes(), False)
    prediction = wait_for_answer(page)
    time.sleep(1)  # a request that waited in the server's queue is answered by now
    assert [str(row["id"]) for row in rows(product, page)] == [prediction]


def hang(processes: list[psutil.Process], still: bool) -> None:
    for process in processes:
        process.suspend() if still else process.resume()


def test_cut_connection_loses_and_doubles_nothing(visit: Visit, product: Product) -> None:
    page = visit()
    chrome.cut(page)
    draw(page, SEVEN)
    first = wait_for_answer(page)
    draw(page, ONE)
    chrome.cut(page)
    second = wait_for_answer(page, first)
    chrome.cut(page)
    tap(page, "7")
    wait_for_empty(page)
    draw(page, ONE)
    third = wait_for_answer(page)
    tap(page, "1")
    chrome.cut(page)
    wait_for_empty(page)
    assert [(str(row["id"]), row["user_label"]) for row in rows(product, page)] == [
        (first, None),
        (second, 7),
        (third, 1),
    ]


def test_refusal_is_said_in_words_and_stays(visit: Visit, product: Product) -> None:
    page = visit("phone")
    draw(page, SEVEN)
    wait_for_answer(page)
    with psycopg.connect(product.database_url()) as connection:
        connection.execute(f"{ACCEPT} WHERE id = %s", [rows(product, page)[0]["id"]])
    tap(page, "3")
    wait_for_empty(page)
    page.wait_for_timeout(2000)  # the page runs again
    said = page.locator(".st-key-feedback .said p")
    expect(said).to_have_text("That was not noted. An operator has already reviewed this prediction.")
    draw(page, ONE)
    answer = wait_for_answer(page)
    with psycopg.connect(product.database_url()) as connection:
        connection.execute("DELETE FROM predictions_prediction WHERE id = %s", [answer])
    tap(page, "1")
    expect(said).to_have_text("That was not noted. That drawing has been deleted.")


@pytest.mark.parametrize("zone", ["Etc/Unknown", "Local", "GMT+03:00"])
def test_history_outlives_a_time_zone_that_is_none(browser: Browser, product: Product, zone: str) -> None:
    context = browser.new_context()
    context.add_init_script(
        "const said = Intl.DateTimeFormat.prototype.resolvedOptions;"
        "Intl.DateTimeFormat.prototype.resolvedOptions = function () {"
        f"  return {{ ...said.call(this), timeZone: '{zone}' }};"
        "};"
    )
    page = context.new_page()
    page.goto(product.page)
    chrome.load(page)
    draw(page, SEVEN)
    wait_for_answer(page)
    expect(page.locator(".st-key-history tbody tr")).to_have_count(1)
    expect(page.get_by_role("button", name="Delete my drawings")).to_be_visible()
    context.close()


def test_second_button_during_a_stroke_changes_nothing(visit: Visit, product: Product) -> None:
    page, answer = visit(), None
    box = chrome.canvas(page)
    x, y = box["x"] + 60, box["y"] + 60
    buttons: list[Literal["right", "middle"]] = ["right", "middle"]
    for number, button in enumerate(buttons, 1):
        page.mouse.move(x, y + 40 * number)
        page.mouse.down()
        page.mouse.move(x + 60, y + 40 * number, steps=3)
        page.mouse.down(button=button)
        page.mouse.move(x + 90, y + 40 * number, steps=3)
        page.mouse.up(button=button)
        page.mouse.move(x + 120, y + 40 * number, steps=3)
        page.mouse.up()
        page.mouse.move(x, y + 200, steps=3)  # with no button, nothing is drawn
        answer = wait_for_answer(page, answer)
    lengths = [stroke[-1][0] - stroke[0][0] for stroke in rows(product, page)[-1]["strokes"]]
    assert lengths == pytest.approx([120 * 280 / box["width"]] * 2, abs=2)


def test_pen_that_was_lifted_unseen_ends_its_stroke(visit: Visit, product: Product) -> None:
    page = visit()
    box = chrome.canvas(page)
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 160, steps=3)
    page.evaluate(LOSE_MOUSEUP)
    page.mouse.up()
    page.mouse.move(box["x"] + 160, box["y"] + 160, steps=3)
    wait_for_answer(page)
    [stroke] = rows(product, page)[-1]["strokes"]
    assert max(x for x, _ in stroke) == pytest.approx(60 * 280 / box["width"], abs=2)


def wait_for_strokes(product: Product, page: Page, count: int) -> Any:
    """Of the last drawing, once it has so many."""
    for _ in range(300):
        stored = rows(product, page)
        if stored and len(stored[-1]["strokes"]) >= count:
            return stored[-1]["strokes"]
        page.wait_for_timeout(100)
    raise AssertionError(f"There should be {count} strokes.")


@pytest.mark.parametrize("kind", ["touch", "mouse"])
def test_pen_takes_over_from_the_palm_that_it_rests_on(visit: Visit, product: Product, kind: str) -> None:
    """Android and iOS send a pen's strokes as touches, Windows as a mouse's."""
    page = visit("phone")
    box = chrome.canvas(page)
    protocol = page.context.new_cdp_session(page)
    palm = {"id": 7, "x": box["x"] + 250, "y": box["y"] + 300}

    def touch(what: str, *points: dict[str, float]) -> None:
        protocol.send("Input.dispatchTouchEvent", {"type": what, "touchPoints": points})

    def pen(what: str, x: float, y: float) -> None:
        at = {"x": box["x"] + x, "y": box["y"] + y}
        if kind == "touch":
            touch(f"touch{what}", *([] if what == "End" else [palm]), {"id": 1, **at})
        else:
            mouse = {"Start": "mousePressed", "Move": "mouseMoved", "End": "mouseReleased"}[what]
            held = {"button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"}
            protocol.send("Input.dispatchMouseEvent", {"type": mouse, **at, **held})

    touch("touchStart", palm)
    touch("touchMove", palm | {"x": palm["x"] - 5})
    if kind == "touch":  # as it is with Chromium on Android; here it says "touch" of every touch
        page.evaluate("Object.defineProperty(PointerEvent.prototype, 'pointerType', { value: 'pen' })")
    for x in (80, 140):
        pen("Start", x, 60)
        pen("Move", x, 120)
        pen("Move", x, 220)
        pen("End", x, 220)
    touch("touchEnd")
    strokes = wait_for_strokes(product, page, 2)
    assert [stroke[0] for stroke in strokes] == [
        pytest.approx([x * 280 / box["width"], 60 * 280 / box["width"]], abs=2) for x in (80, 140)
    ]


def test_keys_go_by_their_meaning_on_every_keyboard(visit: Visit, product: Product) -> None:
    page = visit()

    keyboard = page.context.new_cdp_session(page)  # Playwright's own knows one keyboard

    def press(key: str, code: str, shift: bool = False) -> None:
        pressed = {"key": key, "code": code, "modifiers": 8 if shift else 0}
        for type_ in ("keyDown", "keyUp"):
            keyboard.send("Input.dispatchKeyEvent", pressed | {"type": type_})

    draw(page, SEVEN)
    one_stroke = wait_for_answer(page)
    draw(page, ONE)
    two_strokes = wait_for_answer(page, one_stroke)
    press("U", "KeyU")  # Caps Lock
    undone = wait_for_answer(page, two_strokes)
    press("u", "KeyU", shift=True)  # Caps Lock and Shift
    redone = wait_for_answer(page, undone)
    press("г", "KeyU")
    wait_for_answer(page, redone)
    press("Backspace", "Backspace")
    wait_for_empty(page)
    for key, label in (("è", 7), ("٧", 7), ("_", 8)):
        draw(page, SEVEN)
        wait_for_answer(page)
        wait_for_feedback(page)
        press(key, f"Digit{label}")
        wait_for_empty(page)
    finished = [row for row in rows(product, page) if not row["superseded"]]
    assert [row["user_label"] for row in finished] == [None, 7, 7, 8]
