"""The first tab: draw, see the answer with every stroke, say whether it was right."""

import streamlit as st

from streamlit_ui import answer, client, feedback, history
from streamlit_ui.pad import pad
from streamlit_ui.session import Session, current
from streamlit_ui.trouble import attempt, explain, retry, show_banner

INVITATION = "The answer appears here, with every stroke."


@st.fragment  # a stroke runs this function again, not the whole page
def show() -> None:
    session = current()
    left, right = st.columns(2, gap="large")
    with left, st.container(key="pad"):
        pad(session, session.new_paper)
    with right:
        trouble = attempt(feedback.settle, session.drawn, session) or attempt(read, session)
        missing = trouble or attempt(history.load, session)
        with st.container(key="answer"):
            answer.show(session.drawn.answer, explain(missing) or INVITATION)
        feedback.show(session.drawn, session, explain(missing) if session.drawn.answer else "", "feedback")
    with st.container(key="history"):
        history.show(session)
    show_banner(missing)
    retry(missing)


def read(session: Session) -> None:
    """Have the API read what is on the pad, unless this is the state that it answered last."""
    drawing, turn = session.drawing, session.drawn
    if not drawing:
        turn.answer = None
    elif not turn.answer or turn.answer["id"] != drawing.id:
        turn.answer = None
        body = {name: getattr(drawing, name) for name in ("id", "drawing", "strokes", "image")}
        turn.answer = client.predict(body, session.visitor, session.address)
        history.note(turn.answer, session)
