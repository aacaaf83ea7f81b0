"""The first tab: draw, see the answer with every stroke, say whether it was right."""

import streamlit as st

from streamlit_ui import answer, client, feedback, history
from streamlit_ui.pad import pad
from streamlit_ui.session import Session, current
from streamlit_ui.trouble import attempt, explain, retry

INVITATION = "The answer appears here, with every stroke."


@st.fragment  # a stroke runs this function again, not the whole page
def show() -> None:
    session = current()
    left, right = st.columns(2, gap="large")
    with left, st.container(key="pad"):
        pad(session, on_key, session.new_paper)
    with right:
        trouble = attempt(feedback.settle, session.page, session) or attempt(read, session)
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
    session, key = current(), st.session_state.companion["key"]
    if session.page.answer:
        feedback.say(session.page, session.page.answer["digit"] if key == "Enter" else int(key), session)


def read(session: Session) -> None:
    """Have the API read what is on the pad, unless this is the state that it answered last."""
    drawing, turn = session.drawing, session.page
    if not drawing:
        turn.answer = None
    elif not turn.answer or turn.answer["id"] != drawing.id:
        turn.answer = None
        body = {name: getattr(drawing, name) for name in ("id", "drawing", "strokes", "image")}
        turn.answer = client.predict(body, session.visitor, "page", session.address)
        history.note(turn.answer, session)
