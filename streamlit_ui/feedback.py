"""Feedback in one tap, and its way to the API."""

from pathlib import Path
from typing import Any

import streamlit as st

from streamlit_ui import client
from streamlit_ui.client import NOT_A_DIGIT
from streamlit_ui.session import Claim, Session, Turn

QUESTION = "Is that right? If not, which digit was it?"
# One component: as a widget each, twelve buttons were nearly half of the messages that a stroke sends.
_buttons = st.components.v2.component(
    "feedback",
    html=Path(__file__).with_suffix(".html").read_text("utf-8"),
    js=Path(__file__).with_suffix(".js").read_text("utf-8"),
    isolate_styles=False,
)


def say(turn: Turn, label: int, session: Session) -> None:
    """Note the visitor's word on the answer, for `settle` to send, and make room for the next digit at once:
    a visitor who draws on need not wait for the API. The second of two taps says nothing."""
    if turn.answer and not turn.claim:
        turn.claim = Claim(turn.answer, label, session.drawing if turn is session.drawn else None)
        turn.answer, turn.refusal = None, ""
        session.make_room(turn)


def take_back(turn: Turn, session: Session) -> None:
    """Take the last word back. Its drawing returns, unless another one was begun."""
    if turn.thanks and not turn.claim:
        turn.claim, turn.refusal = Claim(turn.thanks.answer, None), ""
        if turn.thanks.drawing and not session.drawing:
            session.new_paper(turn.thanks.drawing)


def settle(turn: Turn, session: Session) -> None:
    """Send what the visitor said, if that is still to be sent.

    Raises TryLaterError and keeps it for the next try. What is refused is dropped, and the reason shown until
    the visitor says something else: the page may run again before anybody has read it.
    """
    claim = turn.claim
    if claim is None:
        return
    try:
        _send(claim, session.address)
        turn.thanks = claim if claim.label is not None else None
    except client.RefusedError as refused:
        turn.thanks, turn.refusal = None, f"That was not noted. {refused}"
    turn.claim = None
    session.history = session.stats = None


def _send(claim: Claim, address: str | None) -> None:
    if claim.label is None:
        client.unlabel(claim.answer["id"], address)
    else:
        client.label(claim.answer["id"], claim.label, address)


def show(turn: Turn, session: Session, trouble: str, key: str) -> None:
    """The question or the thank-you, and the buttons. They are always there, so that nothing jumps."""
    answer = turn.answer
    _buttons(
        key=key,
        data={
            "prediction": answer["id"] if answer else None,
            "digit": answer["digit"] if answer else None,
            "said": trouble or turn.refusal or _thanks(turn) or QUESTION,
            "back": "" if trouble else _way_back(turn),
            "past": turn.thanks.answer["input"] if turn.thanks else "",
        },
        on_word_change=lambda: take_tap(turn, session, st.session_state[key]["word"]),
        on_back_change=lambda: take_back(turn, session),
    )


def take_tap(turn: Turn, session: Session, word: dict[str, Any]) -> None:
    """A tap that was meant for another answer says nothing."""
    if turn.answer and word["prediction"] == turn.answer["id"]:
        say(turn, word["label"], session)


def _thanks(turn: Turn) -> str:
    """For the last drawing. With the next one's answer on show, words are of that alone; what was said of the
    last one stands beside its picture."""
    if turn.thanks is None or turn.thanks.label is None:
        return ""
    if turn.answer:
        return f"Is this {_name(turn.answer['digit'])}?"
    return f"Thank you! Noted as {_name(turn.thanks.label)}."


def _way_back(turn: Turn) -> str:
    """The words on the button that takes the last drawing's label back; none without one."""
    if turn.thanks is None:
        return ""
    is_past = turn.answer and turn.thanks.label != NOT_A_DIGIT
    return f"Take the {turn.thanks.label} back" if is_past else "Take it back" if turn.answer else "Take back"


def _name(label: int) -> str:
    return "not a digit" if label == NOT_A_DIGIT else f"an {label}" if label == 8 else f"a {label}"
