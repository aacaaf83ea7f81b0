"""How the product looks: three sizes, each in light, dark and forced colours; and where pictures of it go."""

import re
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, BrowserContext, Page

from tests.product import REPOSITORY

ALL = REPOSITORY / "var" / "screenshots"
DOCS = REPOSITORY / "docs"
SIZES = {"360": (360, 740), "768": (768, 1024), "1280": (1280, 860)}
SCHEMES = ("light", "dark", "forced")
MILLISECONDS_TO_LOAD = 120_000


def looks(browser: Browser) -> Iterator[tuple[str, BrowserContext]]:
    """Each look's name, as in "360-dark", and a browser of its own; up to a tablet's size, with fingers."""
    for size, (width, height) in SIZES.items():
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": width, "height": height},
                has_touch=width < 1000,
                is_mobile=width < 1000,
                device_scale_factor=2 if width < 700 else 1,
                color_scheme="dark" if scheme == "dark" else "light",
                forced_colors="active" if scheme == "forced" else "none",
            )
            context.set_default_timeout(MILLISECONDS_TO_LOAD)
            yield f"{size}-{scheme}", context
            context.close()


def shoot(page: Page, name: str, *, whole: bool = False) -> None:
    """Into var/screenshots; what README or docs show, into docs/screenshots as well."""
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    page.wait_for_timeout(700)  # transitions
    ALL.mkdir(parents=True, exist_ok=True)
    file = ALL / f"{name}.png"
    page.screenshot(path=file, full_page=whole)
    if file.name in shown():
        shutil.copy(file, DOCS / "screenshots")


def shown() -> set[str]:
    texts = [file.read_text("utf-8") for file in (REPOSITORY / "README.md", *DOCS.glob("*.md"))]
    return set(re.findall(r"screenshots/([\w-]+\.png)", "".join(texts)))
