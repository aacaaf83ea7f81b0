"""The second tab: a photo or scan of one digit."""

import base64
import uuid

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from streamlit_ui import answer, client, feedback, history
from streamlit_ui.photo import prepare
from streamlit_ui.session import Session, current
from streamlit_ui.trouble import attempt, explain, retry

INVITATION = "The answer appears here."


@st.fragment
def show() -> None:
    session = current()
    left, right = st.columns(2, gap="large")
    with left, st.container(key="upload-file"):
        file = st.file_uploader(
            "A photo or a scan of one digit: pen on paper, close up.",
            type=["png", "jpg", "jpeg", "webp", "bmp", "gif"],
            key=f"file-{session.file}",
        )
        sent = st.empty()
    with right:
        trouble = attempt(feedback.settle, session.upload, session) or attempt(read, file, session)
        if session.photo:
            sent.image(session.photo, "As it was sent", width=200)
        with st.container(key="upload-answer"):
            answer.show(session.upload.answer, explain(trouble) or INVITATION)
        feedback.show(
            session.upload, session, explain(trouble) if session.upload.answer else "", "upload-feedback"
        )
    retry(trouble)


def read(file: UploadedFile | None, session: Session) -> None:
    """Have the API read the file, unless that is the one that it answered last."""
    turn = session.upload
    if file is None:
        turn.answer = session.photo = None
        return
    prediction = str(uuid.uuid5(uuid.UUID(session.visitor), file.file_id))  # the same file, the same id
    if turn.answer is None or turn.answer["id"] != prediction:
        turn.answer = session.photo = None
        session.photo = prepare(file.getvalue())
        image = base64.b64encode(session.photo).decode()
        turn.answer = client.predict(
            {"id": prediction, "image": image}, session.visitor, "upload", session.address
        )
        history.note(turn.answer, session)
