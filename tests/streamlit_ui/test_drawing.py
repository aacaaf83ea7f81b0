"""The drawing page's flow, run headless with the API faked at client.py."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from math import dist
from typing import Any

import pytest
from django.conf import settings
from streamlit.testing.v1 import AppTest

from streamlit_ui import client, feedback, history
from streamlit_ui.client import NOT_A_DIGIT, Answer, History, RefusedError, TryLaterError
from streamlit_ui.session import Drawing, Session
from streamlit_ui.strokes import stroke
from tests.product import REPOSITORY

PATH = [["M", 10.02, -3], ["Q", 10.02, -3, 105, 100], ["L", 200, 200]]
STROKE = stroke(PATH)
PIXEL = "data:image/png;base64,iVBORw0KGgo="


class FakeApi:
    """Rows in memory, read as the digits given; `trouble` is raised by every call while it is set."""

    def __init__(self, *digits: int) -> None:
        self.digits = list(digits)
        self.rows: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.trouble: Exception | None = None

    def check(self) -> None:
        if self.trouble:
            raise self.trouble

    def predict(self, drawing: dict[str, Any], visitor: str, address: str | None) -> Answer:
        self.asked.append(drawing["id"])
        self.check()
        if drawing["id"] not in self.rows:
            self.rows[drawing["id"]] = row(drawing, self.digits.pop(0))
        return self.rows[drawing["id"]]

    def label(self, prediction: str, digit: int, address: str | None = None) -> None:
        self.check()
        self.rows[prediction]["user_label"] = digit

    def unlabel(self, prediction: str, address: str | None = None) -> None:
        self.check()
        self.rows[prediction]["user_label"] = None

    def history(
        self, visitor: str, before: str | None = None, address: str | None = None, limit: int = 10
    ) -> History:
        self.check()
        newest = list(self.rows.values())[::-1]
        start = 1 + [answer["id"] for answer in newest].index(before) if before else 0
        page = newest[start : start + 2]
        return {"predictions": page, "next": page[-1]["id"] if len(page) == 2 else None}

    def stats(self, visitor: str, address: str | None = None) -> dict[str, Any]:
        self.check()
        own = {"predictions": len(self.rows), "labelled": 4, "correct": 3, "accuracy": 0.75}
        return {"visitor": own, "everyone": {"predictions": 0, "labelled": 0, "correct": 0, "accuracy": None}}

    def delete(self, visitor: str, address: str | None = None) -> int:
        self.check()
        deleted = len(self.rows)
        self.rows.clear()
        return deleted


def row(drawing: dict[str, Any], digit: int) -> Answer:
    probabilities = [0.01] * 10
    probabilities[digit] = 0.91
    return {
        "id": drawing["id"],
        "digit": digit,
        "confidence": 0.91,
        "probabilities": probabilities,
        "uncertain": False,
        "reason": None,
        "model_version": "v1",
        "input": "iVBORw0KGgo=",
        "created_at": "2026-11-23T12:00:00Z",
        "drawing": drawing.get("drawing"),
        "user_label": None,
        "true_label": None,
    }


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    fake = FakeApi(7, 1, 4, 2, 8, 3)
    for name in ("predict", "label", "unlabel", "history", "stats", "delete"):
        monkeypatch.setattr(client, name, getattr(fake, name))
    return fake


@pytest.fixture
def page(api: FakeApi) -> Iterator[AppTest]:
    page = AppTest.from_file(REPOSITORY / "streamlit_ui" / "app.py", default_timeout=30).run()
    yield page
    assert not page.exception


def put(page: AppTest, paper: int, strokes: int) -> None:
    """Have the canvas send what is drawn on it, as the browser would."""
    objects = [{"type": "Path", "path": PATH}] * strokes
    raw = {"objects": objects, "background": f"rgba(0, 0, 0, {paper})"}
    page.session_state["canvas"] = {"drawing": {"raw": raw, "data": PIXEL}}
    page.run()


def draw(page: AppTest, strokes: int = 1) -> Drawing:
    """Draw on the pad; what the page takes it for."""
    put(page, session(page).paper, strokes)
    drawing = session(page).drawing
    assert drawing and drawing.strokes == [STROKE] * strokes
    return drawing


def tap(page: AppTest, label: int) -> None:
    """Tap a button of feedback: one component in the browser, of which AppTest knows nothing."""
    turn = session(page).drawn
    assert turn.answer
    feedback.take_tap(turn, session(page), {"prediction": turn.answer["id"], "label": label})
    page.run()


def take_back(page: AppTest) -> None:
    feedback.take_back(session(page).drawn, session(page))
    page.run()


def shown(page: AppTest) -> dict[str, Any]:
    """What the buttons of feedback were given."""
    components = [element.proto for element in page.get("bidi_component")]
    [data, _of_upload] = [json.loads(part.json) for part in components if part.component_name == "feedback"]
    assert isinstance(data, dict)
    return data


def html(page: AppTest) -> str:
    return " ".join(element.proto.body for element in page.get("html"))


def session(page: AppTest) -> Session:
    state = page.session_state["session"]
    assert isinstance(state, Session)
    return state


def test_page_invites_and_offers_no_feedback_before_a_drawing(page: AppTest, api: FakeApi) -> None:
    assert "The answer appears here" in html(page)
    assert shown(page)["prediction"] is None
    assert not api.asked


def test_every_stroke_gets_an_answer_and_the_drawing_one_line_of_history(page: AppTest) -> None:
    draw(page)
    assert 'class="digit">7<' in html(page)
    draw(page, strokes=2)
    assert 'class="digit">1<' in html(page)
    assert html(page).count("<time>") == 1


def test_running_the_page_again_asks_nothing_again(page: AppTest, api: FakeApi) -> None:
    drawing = draw(page)
    page.run()
    assert api.asked == [drawing.id]


@pytest.mark.parametrize("label", [0, 3, NOT_A_DIGIT])
def test_one_tap_is_feedback_and_empties_the_pad(page: AppTest, api: FakeApi, label: int) -> None:
    drawing = draw(page)
    paper = session(page).paper
    tap(page, label)
    assert api.rows[drawing.id]["user_label"] == label
    assert "Thank you!" in shown(page)["said"]
    assert "The answer appears here" in html(page)
    assert session(page).drawing is None and session(page).paper != paper


def test_buttons_know_the_answer_that_is_shown(page: AppTest) -> None:
    drawing = draw(page)
    assert (shown(page)["prediction"], shown(page)["digit"]) == (drawing.id, 7)


def test_tap_that_was_meant_for_another_answer_says_nothing(page: AppTest, api: FakeApi) -> None:
    first = draw(page)
    draw(page, strokes=2)
    feedback.take_tap(session(page).drawn, session(page), {"prediction": first.id, "label": 7})
    page.run()
    assert {answer["user_label"] for answer in api.rows.values()} == {None}


def test_labelled_drawing_that_the_canvas_still_sends_is_not_shown_again(page: AppTest, api: FakeApi) -> None:
    drawing, paper = draw(page), session(page).paper
    tap(page, 3)
    put(page, paper, strokes=2)
    assert "The answer appears here" in html(page)
    assert api.asked == [drawing.id]


def test_same_drawing_undone_and_done_again_is_another_state(page: AppTest, api: FakeApi) -> None:
    states = [draw(page), draw(page, strokes=2), draw(page)]
    assert api.asked == [state.id for state in states]
    assert len({state.drawing for state in states}) == 1


def test_empty_canvas_ends_the_drawing(page: AppTest) -> None:
    first = draw(page)
    put(page, session(page).paper, strokes=0)
    assert "The answer appears here" in html(page)
    assert draw(page).drawing != first.drawing


def test_feedback_can_be_taken_back_and_given_anew(page: AppTest, api: FakeApi) -> None:
    drawing = draw(page)
    tap(page, 3)
    take_back(page)
    assert api.rows[drawing.id]["user_label"] is None
    assert session(page).drawing == drawing and session(page).returned == drawing.canvas
    assert 'class="digit">7<' in html(page)
    tap(page, 7)
    assert api.rows[drawing.id]["user_label"] == 7
    assert session(page).returned is None


def test_taking_back_leaves_a_new_drawing_alone(page: AppTest, api: FakeApi) -> None:
    drawing = draw(page)
    tap(page, 3)
    newer, paper = draw(page), session(page).paper
    take_back(page)
    assert api.rows[drawing.id]["user_label"] is None
    assert session(page).drawing == newer and session(page).paper == paper
    assert 'class="digit">1<' in html(page)


def test_api_away_is_said_and_the_same_drawing_is_sent_again(page: AppTest, api: FakeApi) -> None:
    api.trouble = TryLaterError("The recogniser cannot be reached just now.", 3)
    drawing = draw(page)
    assert "cannot be reached" in html(page)
    api.trouble = None
    page.run()
    assert 'class="digit">7<' in html(page)
    assert api.asked == [drawing.id] * 2


def test_api_away_from_the_start_is_said(api: FakeApi) -> None:
    api.trouble = TryLaterError("The recogniser cannot be reached just now.", 3)
    page = AppTest.from_file(REPOSITORY / "streamlit_ui" / "app.py", default_timeout=30).run()
    assert "cannot be reached" in html(page)
    api.trouble = None
    page.run()
    assert "The answer appears here" in html(page)


def test_thanks_for_the_last_drawing_do_not_seem_meant_for_the_next(page: AppTest, api: FakeApi) -> None:
    last = draw(page)
    tap(page, 3)
    draw(page, 2)
    assert shown(page)["said"] == "Is this a 1?"
    assert shown(page)["back"] == "Take the 3 back"
    assert shown(page)["past"] == api.rows[last.id]["input"]


def test_feedback_is_kept_until_the_api_is_back(page: AppTest, api: FakeApi) -> None:
    drawing = draw(page)
    api.trouble = TryLaterError("The recogniser is away just now.", 3)
    tap(page, 3)
    assert "is away just now" in html(page)
    assert shown(page)["prediction"] is None
    api.trouble = None
    page.run()
    assert api.rows[drawing.id]["user_label"] == 3
    assert "Thank you!" in shown(page)["said"]


@pytest.mark.parametrize(("seconds", "soon"), [(42, "in 42 seconds, by"), (1, "in a second, by")])
def test_too_many_requests_says_when_to_try_again(
    page: AppTest, api: FakeApi, seconds: int, soon: str
) -> None:
    api.trouble = TryLaterError("That was more than the recogniser takes at a time.", seconds)
    draw(page)
    assert soon in html(page)


def test_feedback_on_its_way_does_not_hold_up_the_next_drawing(page: AppTest, api: FakeApi) -> None:
    labelled = draw(page)
    api.trouble = TryLaterError("The recogniser is away just now.", 3)
    tap(page, 3)
    following = draw(page)
    api.trouble = None
    page.run()
    assert api.rows[labelled.id]["user_label"] == 3
    assert api.rows[following.id]["user_label"] is None
    assert 'class="digit">1<' in html(page)


def test_refused_feedback_is_said_and_dropped(page: AppTest, api: FakeApi) -> None:
    draw(page)
    api.trouble = RefusedError("An operator has already reviewed this prediction.")
    tap(page, 3)
    api.trouble = None
    for _ in range(2):  # the canvas, emptied, has the page run again at once
        assert "already reviewed" in shown(page)["said"]
        page.run()
    draw(page)
    assert 'class="digit">1<' in html(page)
    assert "already reviewed" in shown(page)["said"]
    tap(page, 1)
    assert "Thank you!" in shown(page)["said"]


def test_history_goes_on_and_can_be_deleted(page: AppTest, api: FakeApi) -> None:
    for _ in range(3):
        draw(page)
        tap(page, 3)
    assert html(page).count("<time>") == 2
    page.button(key="older").click().run()
    assert html(page).count("<time>") == 3
    page.button(key="delete").click().run()
    assert not api.rows
    assert html(page).count("<time>") == 0


@pytest.mark.parametrize(
    ("forget", "keep", "said"),
    [
        (7, 14, "erased, within 8 days. Backups are kept for 14 days."),
        (0, 1, "erased, within 1 day. Backups are kept for 1 day."),
        (30, 0, "erased, within 31 days."),
    ],
)
def test_visitors_are_told_what_the_operator_has_set(
    page: AppTest, monkeypatch: pytest.MonkeyPatch, forget: int, keep: int, said: str
) -> None:
    monkeypatch.setattr(client, "FORGET_DAYS", forget)
    monkeypatch.setattr(client, "KEEP_DAYS", keep)
    draw(page)
    tap(page, 8)
    assert any(text.value.endswith(said) for text in page.markdown)


def test_the_page_knows_what_django_does() -> None:
    assert client.FORGET_DAYS == settings.FORGET_DAYS


def test_figures_are_the_apis(page: AppTest) -> None:
    assert "Yours: 3 of 4 with feedback read right." in html(page)
    assert "Everyone’s: no feedback yet." in html(page)


@pytest.mark.parametrize("name", ["Etc/Unknown", "Local", "GMT+03:00", "", "../UTC", "Europe", None, 7])
def test_times_are_shown_whatever_the_browser_says_of_its_time_zone(name: object) -> None:
    noon = datetime(2026, 11, 25, 12, tzinfo=UTC)
    for behind, hour in ((-180, 15), (None, 12), ("x", 12), (10**12, 12)):
        assert noon.astimezone(history.find_zone(name, behind)).hour == hour


def test_time_zone_goes_by_its_name_where_that_is_known() -> None:
    noon = datetime(2026, 7, 25, 12, tzinfo=UTC)
    assert noon.astimezone(history.find_zone("Europe/Berlin", 0)).hour == 14


def test_stroke_is_curved_where_the_canvas_draws_a_curve() -> None:
    points = stroke([["M", 0, 100], ["Q", 0, 0, 100, 0], ["L", 140, 0]])
    assert points[0] == [0, 100] and points[-2:] == [[100, 0], [140, 0]]
    assert all(dist(one, other) <= 8 for one, other in pairwise(points[:-1]))
    for x, y in points[:-1]:
        assert x**0.5 + y**0.5 == pytest.approx(10, abs=0.2), "this curve's equation"


def test_stroke_stays_on_the_paper_and_a_dot_is_one() -> None:
    assert stroke([["M", -3, 290], ["L", -3, 290.001]]) == [[0, 280], [0, 280]]
    assert stroke([["M", 5, 5], ["Q", 5, 5, 5, 5], ["L", 5, 5]]) == [[5, 5]] * 3
