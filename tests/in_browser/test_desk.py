"""The review queue and grid in a real Chromium."""

import re
import threading
import time
from collections import Counter
from contextlib import suppress

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, Error, Page, Route, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

from predictions.models import Prediction
from tests import rows
from tests.browser import CHROMIUM, chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="No Chromium on this machine."),
    pytest.mark.django_db(transaction=True),
]
PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 720}
DESK = "/admin/predictions/prediction/"


def session(user: User) -> str:
    """A signed-in operator's cookie."""
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


def open_desk(browser: Browser, server: LiveServer, cookie: str, path: str, touch: bool = False) -> Page:
    context = browser.new_context(has_touch=touch, viewport=PHONE if touch else DESKTOP)
    context.add_cookies([{"name": "sessionid", "value": cookie, "url": server.url}])
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(f"{server.url}{DESK}{path}")
    return page


def press(page: Page, *keys: str) -> None:
    """Each key once there is a drawing, as a person would."""
    for key in keys:
        page.locator("#item:visible").wait_for()
        page.keyboard.press(key)


def click(page: Page, name: str) -> None:
    """A button once there is a drawing, as a person would."""
    page.locator("#item:visible").wait_for()
    page.get_by_role("button", name=name).click()


def settle(page: Page, done: int) -> None:
    """Until so many are done, and stored."""
    expect(page.locator("#done")).to_have_text(str(done))
    expect(page.locator("#queue")).not_to_have_attribute("aria-busy", "true", timeout=60_000)


def test_every_key_does_what_it_says(live_server: LiveServer) -> None:
    for digit in range(6):
        rows.claimed(9, digit=digit, confidence=0.9 - digit / 100)
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "queue/")
        expect(page.locator("#digit")).to_have_text("5")
        press(page, "7", "Enter", "n", "r", "s", "1")
        settle(page, 5)
        expect(page.locator("#empty")).to_be_visible()
        page.keyboard.press("?")
        expect(page.locator("#help")).to_be_visible()
    stored = {row.digit: (row.review_status, row.true_label) for row in Prediction.objects.all()}
    assert stored == {
        5: ("accepted", 7),
        4: ("accepted", 9),
        3: ("accepted", 10),
        2: ("rejected", None),
        1: ("pending", None),
        0: ("accepted", 1),
    }


def test_undo_goes_back_through_decisions_and_skips(live_server: LiveServer) -> None:
    for digit in range(3):
        rows.claimed(9, digit=digit, confidence=0.9 - digit / 100)
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "queue/")
        press(page, "1", "s", "3")
        for _ in range(3):
            page.keyboard.press("u")
        expect(page.locator("#digit")).to_have_text("2")
        press(page, "6")
        settle(page, 1)
    assert list(Prediction.objects.filter(review_status="accepted").values_list("digit", "true_label")) == [
        (2, 6)
    ]
    assert Prediction.objects.get(digit=2).changes.count() == 4


def test_buttons_do_the_same_as_keys(live_server: LiveServer) -> None:
    rows.prediction(digit=4)
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "queue/")
        page.get_by_role("button", name=re.compile("^Accept 4")).click()
        settle(page, 1)
    assert Prediction.objects.get().true_label == 4


def test_enter_on_what_the_tab_key_has_reached_is_no_decision(live_server: LiveServer) -> None:
    for digit in (3, 3, 5, 5):
        rows.prediction(digit=digit)
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "grid/?digit=3")
        page.locator(".desk-cell").first.wait_for()
        page.locator("[data-read='5']").focus()
        page.keyboard.press("Enter")
        expect(page.locator("[data-read='5']")).to_have_attribute("aria-pressed", "true")
        page.goto(f"{live_server.url}{DESK}queue/")
        page.locator("#item:visible").wait_for()
        page.locator("[data-key=r]").focus()
        page.keyboard.press("Enter")
        settle(page, 1)
        page.get_by_role("link", name="Grid").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/grid/")
    statuses = Prediction.objects.values_list("review_status", flat=True)
    assert sorted(statuses) == ["pending"] * 3 + ["rejected"]


def test_enter_accepts_after_a_button_was_clicked(live_server: LiveServer) -> None:
    for _ in range(2):
        rows.prediction(digit=4)
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "queue/")
        click(page, "Reject")
        press(page, "Enter")
        settle(page, 2)
    assert sorted(Prediction.objects.values_list("review_status", flat=True)) == ["accepted", "rejected"]


def test_a_refused_decision_that_was_undone_leaves_the_others_to_be_undone(live_server: LiveServer) -> None:
    for confidence in (0.5, 0.6):
        rows.prediction(confidence=confidence)
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "queue/")
        press(page, "1")
        settle(page, 1)
        held: list[Route] = []
        page.route("**/queue/review/", lambda route: held.append(route))
        with page.expect_request("**/queue/review/"):
            press(page, "2")
        page.keyboard.press("u")
        held[0].fulfill(status=409, json={"message": "Refused."})
        expect(page.locator("#refused")).to_contain_text("Refused.")
        page.keyboard.press("u")
        settle(page, 0)
    assert set(Prediction.objects.values_list("review_status", flat=True)) == {"pending"}


def test_a_finger_does_the_same_as_keys(live_server: LiveServer) -> None:
    for _ in range(2):
        rows.prediction(digit=4)
    marked, _ = (rows.prediction(digit=3) for _ in range(2))
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "grid/?digit=3", touch=True)
        page.locator(f'[data-id="{marked.pk}"]').tap()
        page.get_by_role("button", name="8", exact=True).last.tap()
        page.get_by_role("button", name="Accept the rest").tap()
        expect(page.locator("#empty")).to_be_visible()
        page = open_desk(browser, live_server, cookie, "queue/", touch=True)
        page.locator("#item:visible").wait_for()
        page.get_by_role("button", name="7", exact=True).tap()
        expect(page.locator("#done")).to_have_text("1")
        page.get_by_role("button", name="Reject").tap()
        settle(page, 2)
    assert set(Prediction.objects.filter(digit=3).values_list("true_label", flat=True)) == {3, 8}
    assert sorted(Prediction.objects.filter(digit=4).values_list("review_status", "true_label")) == [
        ("accepted", 7),
        ("rejected", None),
    ]


def test_the_next_drawings_are_there_without_the_server(live_server: LiveServer) -> None:
    for _ in range(6):
        rows.prediction(digit=4)
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "queue/")
        page.locator("#item:visible").wait_for()
        page.wait_for_load_state("networkidle")
        page.evaluate("window.stillThisPage = true")
        page.context.set_offline(True)
        for _ in range(5):
            seen = page.locator("#drawing").get_attribute("src") or ""
            page.keyboard.press("5")
            expect(page.locator("#drawing")).not_to_have_attribute("src", seen)
            page.wait_for_function("document.getElementById('drawing').naturalWidth > 0")
        expect(page.locator("#message")).to_contain_text("tries again")
        page.context.set_offline(False)
        expect(page.locator("#message")).to_be_hidden(timeout=60_000)
        settle(page, 5)
        assert page.evaluate("window.stillThisPage")
    assert Prediction.objects.filter(true_label=5).count() == 5


def test_what_waits_is_counted_after_what_was_decided(live_server: LiveServer) -> None:
    for _ in range(3):
        rows.prediction(digit=4)
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "queue/")
        expect(page.locator("#waiting")).to_have_text("3")
        page.route("**/queue/review/", answer_late)
        press(page, "7")
        settle(page, 1)
        assert page.locator("#waiting").inner_text() == "2"
        press(page, "7", "u")
        settle(page, 1)
        assert page.locator("#waiting").inner_text() == "2"


def answer_late(route: Route) -> None:
    """Meanwhile another request would be answered."""
    time.sleep(0.5)
    route.continue_()


def test_two_operators_label_every_drawing_once(live_server: LiveServer) -> None:
    for _ in range(30):
        rows.prediction(digit=4)
    cookies = [session(rows.operator(name)) for name in ("olive", "otto")]
    with chromium() as browser:
        pages = [open_desk(browser, live_server, cookie, "queue/") for cookie in cookies]
        for page in pages:
            page.locator("#item:visible").wait_for()
        while not all(page.locator("#empty").is_visible() for page in pages):
            for page in pages:
                if page.locator("#item").is_visible():
                    page.keyboard.press("Enter")
        for page in pages:
            expect(page.locator("#empty")).to_be_visible()
            settle(page, int(page.locator("#done").inner_text()))
    assert Prediction.objects.filter(review_status="accepted").count() == 30
    assert set(Prediction.objects.values_list("reviewed_by__username", flat=True)) == {"olive", "otto"}
    assert set(Prediction.objects.values_list("row_version", flat=True)) == {2}


def test_a_decision_survives_a_server_that_is_away_for_a_moment(live_server: LiveServer) -> None:
    rows.prediction(digit=4)
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "queue/")
        page.route("**/queue/review/", lambda route: route.abort(), times=1)
        with page.expect_response("**/queue/review/"):
            press(page, "5")
            expect(page.locator("#message")).to_contain_text("tries again")
    assert Prediction.objects.get().true_label == 5


def test_a_grid_is_decided_by_marks_and_one_key(live_server: LiveServer) -> None:
    wrong = rows.prediction(digit=3)
    for _ in range(4):
        rows.prediction(digit=3)
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "grid/?digit=3")
        page.locator(f'[data-id="{wrong.pk}"]').click()
        page.keyboard.press("Enter")
        expect(page.locator("#message")).to_contain_text("no digit yet")
        page.keyboard.press("8")
        page.keyboard.press("Enter")
        expect(page.locator("#empty")).to_be_visible()
    assert Counter(Prediction.objects.values_list("true_label", flat=True)) == {3: 4, 8: 1}
    wrong.refresh_from_db()
    assert (wrong.true_label, wrong.selected_by) == (8, "grid")


def test_ticked_rows_of_the_list_change_after_a_page_that_says_how_many(live_server: LiveServer) -> None:
    for digit in (4, 4, 5):
        rows.prediction(digit=digit)
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "?digit__exact=4")
        page.locator("#action-toggle").check()
        page.locator("select[name=action]").select_option("reject")
        page.get_by_role("button", name="Run").click()
        expect(page.locator(".desk-question")).to_contain_text("Reject 2 predictions?")
        page.get_by_role("button", name="Yes, reject").click()
        expect(page.get_by_text("2 predictions rejected")).to_be_visible()
    assert set(Prediction.objects.values_list("digit", "review_status")) == {(4, "rejected"), (5, "pending")}


def end_session(cookie: str) -> None:
    """From a thread of its own, since Django refuses to work in that where Playwright's loop runs."""

    def end() -> None:
        Session.objects.filter(session_key=cookie).delete()
        connection.close()

    thread = threading.Thread(target=end)
    thread.start()
    thread.join()


def sign_in(page: Page, server: LiveServer, name: str = "olive") -> None:
    """In another tab, as the page's own link does, which then gives way to the page."""
    tab = page.context.new_page()
    tab.goto(f"{server.url}/admin/login/?next={DESK}transfer/")
    tab.fill("#id_username", name)
    tab.fill("#id_password", "a password")
    tab.keyboard.press("Enter")
    tab.locator("#import").wait_for()
    tab.close()
    with suppress(Error):  # the page may be on its way already
        page.evaluate("window.dispatchEvent(new Event('focus'))")


def current_session(page: Page) -> str:
    return next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "sessionid")


def test_hundred_drawings_are_reviewed_while_the_session_ends_three_times(live_server: LiveServer) -> None:
    for number in range(100):
        rows.prediction(digit=4, confidence=0.5 + number / 1000)
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "queue/")
        for number in range(100):
            if number in (20, 50, 90):
                end_session(current_session(page))
            if number in (23, 53, 93):
                expect(page.locator("#message")).to_contain_text("You are signed out")
                expect(page.locator("#message a")).to_have_attribute("href", "/admin/login/")
                sign_in(page, live_server)
            press(page, str(number % 10))
            expect(page.locator("#done")).to_have_text(str(number + 1))
        settle(page, 100)
        expect(page.locator("#message")).to_be_hidden()
        expect(page.locator("#refused")).to_be_hidden()
    stored = Counter(Prediction.objects.values_list("review_status", "true_label", "reviewed_by__username"))
    assert stored == {("accepted", digit, "olive"): 10 for digit in range(10)}


def test_decisions_are_not_stored_as_somebody_elses_who_signed_in_meanwhile(live_server: LiveServer) -> None:
    rows.prediction(digit=4)
    cookie = session(rows.operator())
    rows.operator("otto")
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "queue/")
        page.locator("#item:visible").wait_for()
        end_session(cookie)
        sign_in(page, live_server, "otto")
        press(page, "7")
        expect(page.locator("#message")).to_contain_text("signed in as otto")
        page.context.clear_cookies()
        sign_in(page, live_server)
        settle(page, 1)
    assert [row.reviewed_by and row.reviewed_by.username for row in Prediction.objects.all()] == ["olive"]


def test_marks_of_a_grid_outlive_the_session(live_server: LiveServer) -> None:
    wrong, _ = (rows.prediction(digit=3) for _ in range(2))
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "grid/?digit=3")
        page.locator(f'[data-id="{wrong.pk}"]').click()
        page.keyboard.press("8")
        page.locator("[data-read='5']").click()
        expect(page.locator("#message")).to_contain_text("marks would be lost")
        end_session(cookie)
        page.keyboard.press("Enter")
        expect(page.locator("#message")).to_contain_text("You are signed out")
        sign_in(page, live_server)
        expect(page.locator("#empty")).to_be_visible()
        expect(page.locator("#refused")).to_be_hidden()
    assert set(Prediction.objects.values_list("true_label", flat=True)) == {3, 8}


def test_chosen_file_of_labels_outlives_the_session(live_server: LiveServer) -> None:
    row = rows.prediction(digit=4)
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "transfer/")
        content = f"id,true_label\n{row.pk},7\n".encode()
        page.locator("input[type=file]").set_input_files(
            {"name": "labels.csv", "mimeType": "text/csv", "buffer": content}
        )
        end_session(cookie)
        page.get_by_role("button", name="Import", exact=True).click()
        expect(page.locator("#message")).to_contain_text("You are signed out")
        sign_in(page, live_server)
        expect(page.get_by_text("1 prediction accepted.")).to_be_visible()
    assert Prediction.objects.get().true_label == 7


# What keyboards send: the key, its place, and whether Shift is down.
KEYS_FOR_A_SEVEN = [
    ("7", "Digit7", False),
    ("è", "Digit7", False),
    ("7", "Digit7", True),
    ("٧", "Digit7", False),
]
KEYS_FOR_LETTERS = [("т", "KeyN"), ("N", "KeyN"), ("к", "KeyR"), ("ρ", "KeyR"), ("n", "KeyB")]


def send_key(page: Page, key: str, code: str, shift: bool = False) -> None:
    """As a keyboard would that Chromium has no layout for here."""
    page.locator("#item:visible").wait_for()
    options = {"key": key, "code": code, "shiftKey": shift, "bubbles": True}
    page.evaluate("o => document.body.dispatchEvent(new KeyboardEvent('keydown', o))", options)


def test_keys_go_by_their_meaning_on_every_keyboard(live_server: LiveServer) -> None:
    for number in range(len(KEYS_FOR_A_SEVEN) + len(KEYS_FOR_LETTERS) + 1):
        rows.prediction(digit=4, confidence=0.5 + number / 100)
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "queue/")
        send_key(page, "&", "Digit7", shift=True)  # Shift and 7 on an American keyboard mean no digit
        for key, code, shift in KEYS_FOR_A_SEVEN:
            send_key(page, key, code, shift)
        for key, code in KEYS_FOR_LETTERS:
            send_key(page, key, code)
        send_key(page, "۳", "Digit3")
        settle(page, 10)
    labels = Prediction.objects.order_by("confidence").values_list("true_label", flat=True)
    assert list(labels) == [7] * 4 + [10, 10, None, None, 10, 3]


# At once: on a busy machine Playwright's own two may be further apart than a double click's are.
TWO_CLICKS = """button => {
    for (const detail of [1, 2]) button.dispatchEvent(new MouseEvent('click', {bubbles: true, detail}));
}"""


def test_a_double_click_decides_about_one_drawing(live_server: LiveServer) -> None:
    for number in range(3):
        rows.prediction(digit=4, confidence=0.5 + number / 10)
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "queue/")
        page.locator("#item:visible").wait_for()
        page.locator(".desk-digits [data-key='7']").evaluate(TWO_CLICKS)
        settle(page, 1)
        page.goto(f"{live_server.url}{DESK}grid/?digit=4")
        page.locator(".desk-cell").first.evaluate(TWO_CLICKS)
        expect(page.locator(".desk-cell[aria-pressed=true]")).to_have_count(1)
    assert list(Prediction.objects.filter(review_status="accepted").values_list("true_label")) == [(7,)]


CUT = "[...document.querySelectorAll('#result_list td')].some(e => e.scrollWidth > e.clientWidth + 1)"


def test_list_shows_many_drawings_on_a_phone_and_says_where_one_is(live_server: LiveServer) -> None:
    for digit in range(10):
        rows.claimed(9, digit=digit)
    cookie = session(rows.operator())
    with chromium() as browser:
        page = open_desk(browser, live_server, cookie, "", touch=True)
        page.set_viewport_size({"width": 360, "height": PHONE["height"]})
        cut = page.evaluate(CUT)
        boxes = [row.bounding_box() for row in page.locator("#result_list tbody tr:visible").all()]
        title = page.locator("h1").inner_text()
        said = page.locator(".field-visitor_said").first
        label = said.evaluate("e => getComputedStyle(e, '::before').content")
        too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert sum(box is not None and box["y"] + box["height"] <= PHONE["height"] for box in boxes) >= 5
    assert title.startswith("Predictions") and "…" not in title and title.count("Predictions") == 1
    assert label == '"Visitor said"'
    assert not cut
    assert not too_wide


def test_a_drawing_of_the_random_sample_is_shown_blind_and_then_to_another_operator(
    live_server: LiveServer,
) -> None:
    row = rows.claimed(7, digit=1, lottery=0.005)
    olive, otto = session(rows.operator()), session(rows.operator("otto"))
    with chromium() as browser:
        page = open_desk(browser, live_server, olive, "queue/")
        expect(page.locator("#blind")).to_be_visible()
        expect(page.locator("#second")).to_be_hidden()
        expect(page.locator("#guesses")).to_be_hidden()
        expect(page.locator(".desk-proposed")).to_have_count(0)
        expect(page.locator("#accept")).to_be_disabled()
        press(page, "Enter", "4")
        settle(page, 1)
        page.context.close()
        page = open_desk(browser, live_server, otto, "queue/")
        expect(page.locator("#second")).to_be_visible()
        press(page, "5")
        expect(page.locator("#empty")).to_be_visible()
        page.keyboard.press("u")
        press(page, "7")
        settle(page, 1)
    stored = Prediction.objects.get(pk=row.pk)
    assert (stored.true_label, stored.second_opinion.label) == (4, 7)
