"""The first tab: draw, see the answer with every stroke, say whether it was right."""

import streamlit as st

from streamlit_ui import answer, client, feedback, history
from streamlit_ui.pad import Drawing, Replacement, pad
from streamlit_ui.session import Session, current
from streamlit_ui.trouble import attempt, explain, retry

INVITATION = "The answer appears here, with every stroke."


@st.fragment  # a stroke runs this function again, not the whole page
def show() -> None:
    session = current()
    trouble = attempt(settle, session)
    left, right = st.columns(2, gap="large")
    with left, st.container(key="pad"):
        session.drawing = pad(session.visitor, session.following, on_key)
    with right:
        trouble = trouble or attempt(read, session)
        with st.container(key="answer"):
            card = st.empty()
            answer.show(card, session.page.answer, explain(trouble) or INVITATION)
        with st.container(key="feedback"):
            feedback.show(session.page, session, explain(trouble) if session.page.answer else "")
    with st.container(key="history"):
        missing = attempt(history.load, session)
        history.show(session)
    if missing and not trouble and not session.page.answer:
        answer.show(card, None, explain(missing))
    retry(trouble or missing)


def on_key() -> None:
    """0 to 9 say which digit it was, Enter that the answer is right."""
    session, key = current(), st.session_state.canvas["key"]
    if session.page.answer:
        feedback.say(session.page, session.page.answer["digit"] if key == "Enter" else int(key), session)


def settle(session: Session) -> None:
    """Send the visitor's feedback; then the pad is emptied for the next digit."""
    claim = feedback.settle(session.page, session)
    if claim and claim.drawing and claim.label is not None:
        session.following = history.empty_pad(claim.drawing["drawing"], session)
    elif claim and claim.drawing and (empty := without_ink(session)):
        session.done = None
        session.following = refilled(empty, claim.drawing)


def without_ink(session: Session) -> str | None:
    """The drawing on the pad, where nothing is drawn yet (though the pad may not have said so)."""
    drawing, following = session.drawing, session.following
    if drawing and following and drawing["drawing"] == session.done:
        return following["drawing"]
    return drawing["drawing"] if drawing and not drawing["strokes"] else None


def refilled(after: str, drawing: Drawing) -> Replacement:
    """What brings a drawing back whose feedback was taken back."""
    return {
        "after": after,
        "drawing": drawing["drawing"],
        "id": drawing["id"],
        "strokes": drawing["strokes"],
    }


def read(session: Session) -> None:
    """Have the API read what is on the pad, unless this is the state that it answered last."""
    drawing, turn = session.drawing, session.page
    if not drawing or not drawing["strokes"] or drawing["drawing"] == session.done:
        turn.answer = None
    elif not turn.answer or turn.answer["id"] != drawing["id"]:
        turn.answer = None
        turn.answer = client.predict(dict(drawing), session.visitor, "page", session.address)
        history.note(turn.answer, session)
