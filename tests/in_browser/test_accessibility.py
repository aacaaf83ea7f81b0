"""Every page in every look, judged by axe-core (github.com/dequelabs/axe-core)."""

import os
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

from predictions.models import Job, Promotion
from tests import browser as chrome
from tests import rows
from tests.browser import SEVEN, draw, wait_for_answer, wait_for_feedback
from tests.product import REPOSITORY, Product

AXE = REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chrome.CHROMIUM is None, reason="No Chromium on this machine."),
    pytest.mark.skipif(
        not AXE.exists() and not os.environ.get("REQUIRE_BROWSER"), reason="No axe-core: npm ci brings it."
    ),
]

MILLISECONDS_TO_SETTLE = 500  # for what the scripts of a page fetch
ORDINARY: ViewportSize = {"width": 1280, "height": 720}
Scheme = Literal["light", "dark"]
SCHEMES: list[Scheme] = ["light", "dark"]
NARROW: ViewportSize = {"width": 360, "height": 740}
FIND = "axe.run(document, { resultTypes: ['violations'] })"

ADMIN = "/admin/predictions/"
PAGES = [
    "/admin/",
    f"{ADMIN}prediction/queue/",
    f"{ADMIN}prediction/grid/?digit=4",
    f"{ADMIN}prediction/",
    f"{ADMIN}prediction/{{row}}/change/",
    f"{ADMIN}prediction/{{row}}/history/",
    f"{ADMIN}prediction/transfer/",
    f"{ADMIN}labeldoubt/",
    f"{ADMIN}secondopinion/",
    f"{ADMIN}modelversion/",
    f"{ADMIN}modelversion/{{version}}/change/",
    f"{ADMIN}modelversion/{{version}}/promote/",
    f"{ADMIN}modelversion/{{version}}/card/",
    f"{ADMIN}modelversion/{{version}}/replay/",
    "{roll_back}",
    f"{ADMIN}promotion/",
    f"{ADMIN}promotion/{{promotion}}/change/",
    f"{ADMIN}job/",
    f"{ADMIN}job/{{job}}/change/",
    f"{ADMIN}driftmonitor/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/auth/user/{user}/change/",
    "/admin/auth/user/{user}/password/",
    "/admin/auth/group/",
    "/admin/auth/group/add/",
    "/admin/password_change/",
    "/admin/second-factor/",
]


# A button that is just becoming enabled is paler than it will be.
SETTLE = "Promise.allSettled(document.getAnimations().map(moving => moving.finished)).then(() => 0)"


# Axe does not look whether a button has room for its words.
CROWDED = """[...document.querySelectorAll(".desk-button")].filter((button) => {
  const words = document.createRange();
  words.selectNodeContents(button);
  const [inner, outer] = [words.getBoundingClientRect(), button.getBoundingClientRect()];
  return inner.width > 0 && (inner.left < outer.left + 3 || inner.right > outer.right - 3);
}).map((button) => `${location} no room for ${button.textContent.trim()}`)"""


def looks(page: Page, scheme: Scheme) -> Iterator[str]:
    """What a visitor's or an operator's system may ask of a page; each while the page has it."""
    yield scheme
    if scheme == "dark":
        return
    page.emulate_media(forced_colors="active")
    yield "forced colours"
    page.emulate_media(forced_colors="none")
    page.set_viewport_size(NARROW)
    yield "360 px"
    page.set_viewport_size(ORDINARY)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    yield "200 % text"
    page.evaluate("document.documentElement.style.fontSize = ''")


def findings(page: Page, scheme: Scheme) -> list[str]:
    page.evaluate(f"{AXE.read_text('utf-8')}; 0")
    return [f"{look} {found}" for look in looks(page, scheme) for found in findings_in_look(page)]


def findings_in_look(page: Page) -> list[str]:
    """What axe calls serious or critical, each with the first element that has it, and crowded buttons."""
    page.evaluate(SETTLE)
    crowded: list[str] = page.evaluate(CROWDED)
    return crowded + [
        f"{page.url} {found['id']}: {found['nodes'][0]['html'][:200]}"
        for found in page.evaluate(FIND)["violations"]
        if found["impact"] in {"serious", "critical"}
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_page_of_the_admin_has_a_serious_finding(live_server: LiveServer, scheme: Scheme) -> None:
    places, cookie = something_of_everything()
    with chrome.chromium() as browser:
        visitor = browser.new_context(viewport=ORDINARY, color_scheme=scheme)
        page = visitor.new_page()
        page.goto(f"{live_server.url}/admin/login/")
        found = findings(page, scheme)
        visitor.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
        for path in PAGES:
            answer = page.goto(live_server.url + path.format(**places))
            assert answer and answer.status == 200, path
            page.wait_for_timeout(MILLISECONDS_TO_SETTLE)
            found += findings(page, scheme)
            assert page.locator("html.dark").count() == (scheme == "dark"), path
    assert found == []


def something_of_everything() -> tuple[dict[str, Any], str]:
    """Rows for the pages to show, by the names that stand in the addresses; a superuser's session."""
    admin = User.objects.create_superuser("ada", password="a password")
    version = rows.version()
    version.promote(admin, "first")
    row = rows.claimed(7, digit=4)
    rows.prediction(digit=4)
    for status in ("accepted", "rejected"):
        reviewed = rows.prediction(digit=5)
        reviewed.review(admin, status, expected_version=reviewed.row_version)
    job = Job.objects.start(Job.Kind.TRAIN, admin)
    client = Client()
    client.force_login(admin)
    places = {"row": row.pk, "version": version.pk, "promotion": Promotion.objects.get().pk, "job": job.pk}
    places |= {"user": admin.pk, "roll_back": reverse("admin:predictions_modelversion_roll_back")}
    return places, client.cookies["sessionid"].value


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product(tmp_path_factory.mktemp("var")) as running:
        yield running


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_tab_of_the_drawing_page_has_a_serious_finding(product: Product, scheme: Scheme) -> None:
    with chrome.chromium() as browser:
        page = browser.new_page(viewport=ORDINARY, color_scheme=scheme)
        page.goto(product.page)
        chrome.load(page)
        found = findings(page, scheme)
        draw(page, SEVEN)
        wait_for_answer(page)
        wait_for_feedback(page)
        found += findings(page, scheme)
        page.get_by_role("tab", name="How it works").click()
        expect(page.locator(".steps figure")).to_have_count(6)
        expect(page.get_by_text("MNIST test")).to_be_visible()
        found += findings(page, scheme)
        page.get_by_role("tab", name="Upload").click()
        page.locator("input[type=file]").wait_for(state="attached")
        found += findings(page, scheme)
    assert found == []


def test_bars_are_to_be_seen_in_forced_colours(product: Product) -> None:
    with chrome.chromium() as browser:
        page = browser.new_page(forced_colors="active")
        page.goto(product.page)
        chrome.load(page)
        draw(page, SEVEN)
        wait_for_answer(page)
        bar, ground = page.locator(".bar.top i").evaluate(
            "bar => [bar, document.body].map((element) => getComputedStyle(element).backgroundColor)"
        )
        assert bar != ground
