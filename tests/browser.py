"""A real Chromium on the drawing page: for the browser tests, the benchmarks and the screenshots."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import (
    Browser,
    BrowserContext,
    FloatRect,
    Page,
    Playwright,
    expect,
    sync_playwright,
)
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

# A busy machine is slow, not wrong.
expect.set_options(timeout=30_000)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS_TO_LOAD = 90
# Width, height, and whether a finger draws.
SIZES = {"phone": (360, 740, True), "tablet": (768, 1024, True), "desktop": (1440, 900, False)}

CANVAS = ".st-key-pad canvas.upper-canvas"
INK = "c => c.getContext('2d').getImageData(0, 0, 280, 280).data.some((value, i) => i % 4 == 0 && value > 0)"

# Keeps the page's connections at hand, to be cut.
SOCKETS = """
window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(...address) {
    super(...address);
    sockets.push(this);
  }
};
"""

Points = list[tuple[float, float]]

# On the pad's 280×280 units.
SEVEN: Points = [(70, 60), (205, 60), (170, 130), (130, 235)]
ONE: Points = [(150, 40), (148, 140), (145, 240)]


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)


def visit(browser: Browser, url: str, size: str = "desktop", scheme: str = "light") -> Page:
    """A new visitor, on the page."""
    width, height, touch = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        has_touch=touch,
        is_mobile=touch,
        device_scale_factor=2 if touch else 1,
        color_scheme="dark" if scheme == "dark" else "light",
    )
    context.add_init_script(SOCKETS)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(url, timeout=1000 * SECONDS_TO_LOAD)
    load(page)
    return page


def cut(page: Page) -> None:
    """Close the page's connection, as a phone does that changes its network. The page opens another."""
    page.evaluate("sockets.forEach((socket) => socket.close())")


def load(page: Page) -> None:
    """Wait for the pad. Chromium drops what it is loading when a network interface comes or goes, as
    with every container that starts on this machine; then load again."""
    for _ in range(3):
        try:
            page.locator(CANVAS).wait_for(timeout=SECONDS_TO_LOAD * 1000)
        except PlaywrightTimeoutError:
            page.reload()
        else:
            return
    raise AssertionError("The page does not load.")


def canvas(page: Page) -> FloatRect:
    """Where the canvas is, once it can be drawn on."""
    page.locator('.st-key-pad[style*="--zoom"]').wait_for()  # pad.js is at work
    canvas = page.locator(CANVAS)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    return box


def draw(page: Page, points: Points) -> None:
    """One stroke, with a finger where the page has touch, else with the mouse."""
    box = canvas(page)
    places = [(box["x"] + x / 280 * box["width"], box["y"] + y / 280 * box["height"]) for x, y in points]
    if has_touch(page.context):
        _touch(page, places)
    else:
        _press(page, places)


def has_touch(context: BrowserContext) -> bool:
    return bool(context.pages[0].evaluate("navigator.maxTouchPoints > 0"))


def _press(page: Page, places: Points) -> None:
    page.mouse.move(*places[0])
    page.mouse.down()
    for x, y in places[1:]:
        page.mouse.move(x, y, steps=5)
    page.mouse.up()


def _touch(page: Page, places: Points) -> None:
    protocol = page.context.new_cdp_session(page)
    for kind, (x, y) in [("touchStart", places[0]), *(("touchMove", place) for place in places[1:])]:
        protocol.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    protocol.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    protocol.detach()


def upload(
    page: Page, file: bytes, name: str = "photo.jpg", kind: str = "image/jpeg", *, after: str | None = None
) -> str:
    """Upload a file that can be read; the id of its answer, once that and its pictures are on show. `after`
    is the answer to the file before."""
    choose(page, file, name, kind)
    shown = page.locator(f'.st-key-upload-answer [data-prediction]:not([data-prediction="{after}"])')
    shown.wait_for()
    expect(page.locator(".compared img")).to_have_count(2)
    return shown.get_attribute("data-prediction") or ""


def choose(page: Page, file: bytes, name: str, kind: str) -> None:
    """Choose a file of any kind on the upload tab, no sooner than a person can; the uploader takes it."""
    page.get_by_role("tab", name="Upload").click()
    page.locator('.stApp[data-test-script-state="notRunning"]').wait_for()
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": kind, "buffer": file})
    expect(page.locator(".st-key-upload-file").get_by_title(name)).to_be_visible()


def wait_for_answer(page: Page, after: str | None = None) -> str:
    """The id of the prediction on show, once there is one that is not `after`."""
    shown = page.locator(f'.st-key-answer [data-prediction]:not([data-prediction="{after}"])')
    shown.wait_for()
    return shown.get_attribute("data-prediction") or ""


def wait_for_feedback(page: Page) -> None:
    """Until the buttons, which follow the answer, can be pressed."""
    expect(page.locator(".st-key-feedback").get_by_role("button", name="Yes, right")).to_be_enabled()


def wait_for_empty(page: Page) -> None:
    """Until pad and answer are ready for the next drawing."""
    page.locator(".st-key-answer .empty").wait_for()
    wait_for_ink(page, False)


def wait_for_ink(page: Page, ink: bool = True) -> None:
    """Until something, or nothing, is to be seen on the canvas."""
    canvas = page.locator(".st-key-pad canvas.dc-canvas.lower-canvas")
    for _ in range(300):
        if canvas.evaluate(INK) == ink:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"The canvas should be {'drawn' if ink else 'empty'}.")
