"""Feedback in one tap, and its way to the API."""

import html
from collections.abc import Callable
from typing import Literal

import streamlit as st

from streamlit_ui import client
from streamlit_ui.client import NOT_A_DIGIT
from streamlit_ui.session import Claim, Session, Turn

Kind = Literal["primary", "secondary"]


def say(turn: Turn, label: int, session: Session) -> None:
    """Note the visitor's word on the answer, for `settle` to send, and make room for the next digit at once:
    who draws on is not to wait for the API. The second of two taps says nothing."""
    if turn.answer and not turn.claim:
        turn.claim = Claim(turn.answer, label, session.drawing if turn is session.page else None)
        turn.answer = None
        session.make_room(turn)


def take_back(turn: Turn, session: Session) -> None:
    """Take the last word back. Its drawing returns, unless another one was begun."""
    if turn.thanks and not turn.claim:
        turn.claim = Claim(turn.thanks.answer, None)
        if turn.thanks.drawing and not session.drawing:
            session.new_paper(turn.thanks.drawing)


def settle(turn: Turn, session: Session) -> None:
    """Send what the visitor said, if that is still to be sent.

    Raises TryLaterError and keeps it for the next try, or RefusedError and drops it.
    """
    claim = turn.claim
    if claim is None:
        return
    try:
        _send(claim, session.address)
    except client.RefusedError:
        turn.claim = turn.thanks = None
        raise
    turn.claim = None
    turn.thanks = claim if claim.label is not None else None
    session.history = session.stats = None


def _send(claim: Claim, address: str | None) -> None:
    if claim.label is None:
        client.unlabel(claim.answer["id"], address)
    else:
        client.label(claim.answer["id"], claim.label, address)


def show(turn: Turn, session: Session, trouble: str, prefix: str = "") -> None:
    """The question, the buttons and the thank-you. They are always there, so that nothing jumps."""
    answer = turn.answer if not turn.claim else None
    st.html('<p class="quiet">Is that right? If not, tap the digit that it was.</p>')
    with st.container(key=f"{prefix}verdict", horizontal=True, gap="small"):
        digit = answer["digit"] if answer else None
        # The key names the digit: a tap that was meant for another answer finds no button.
        _button("Yes, right", f"{prefix}right-{digit}", answer, say, turn, digit, session, kind="primary")
        _button("Not a digit", f"{prefix}label-{NOT_A_DIGIT}", answer, say, turn, NOT_A_DIGIT, session)
    with st.container(key=f"{prefix}digits", horizontal=True, gap="small"):
        for label in range(10):
            _button(str(label), f"{prefix}label-{label}", answer, say, turn, label, session)
    with st.container(key=f"{prefix}thanks", horizontal=True, vertical_alignment="center", gap="small"):
        _thank(turn, session, trouble, prefix)


def _button(
    text: str, key: str, answer: object, do: Callable[..., None], *args: object, kind: Kind = "secondary"
) -> None:
    st.button(text, key=key, on_click=do, args=args, disabled=answer is None, type=kind, width="stretch")


def _thank(turn: Turn, session: Session, trouble: str, prefix: str) -> None:
    text = html.escape(trouble) if trouble else _thanks(turn)
    st.html(f'<p class="thanks" role="status">{text or "&nbsp;"}</p>', width="content")
    if turn.thanks and not trouble:
        st.button("Undo", key=f"{prefix}undo", on_click=take_back, args=(turn, session), type="tertiary")


def _thanks(turn: Turn) -> str:
    if turn.thanks is None:
        return ""
    word = "not a digit" if turn.thanks.label == NOT_A_DIGIT else f"a {turn.thanks.label}"
    return f"Thank you! Noted as {word}."
