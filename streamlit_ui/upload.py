"""The second tab: a photo or scan of one digit."""

import base64
import uuid

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from streamlit_ui import answer, client, feedback, history
from streamlit_ui.photo import prepared
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
        if file:
            st.image(file, width=200)
    with right:
        trouble = attempt(feedback.settle, session.upload, session) or attempt(read, file, session)
        with st.container(key="upload-answer"):
            answer.show(st.empty(), session.upload.answer, explain(trouble) or INVITATION)
        with st.container(key="upload-feedback"):
            feedback.show(
                session.upload, session, explain(trouble) if session.upload.answer else "", prefix="upload-"
            )
    retry(trouble)


def read(file: UploadedFile | None, session: Session) -> None:
    turn = session.upload
    if file is None:
        turn.answer = None
        return
    prediction = str(uuid.uuid5(uuid.UUID(session.visitor), file.file_id))  # the same file, the same id
    if turn.answer is None or turn.answer["id"] != prediction:
        turn.answer = None
        image = base64.b64encode(prepared(file.getvalue())).decode()
        turn.answer = client.predict(
            {"id": prediction, "image": image}, session.visitor, "upload", session.address
        )
        history.note(turn.answer, session)
