"""The second tab: a photo or scan of one digit."""

import html
import uuid
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from streamlit_ui import answer, client, feedback, history
from streamlit_ui.answer import picture
from streamlit_ui.session import Session, current
from streamlit_ui.trouble import attempt, explain, retry, show_banner

INVITATION = "The answer appears here."
WANTED = (
    "A photo or a scan of one digit, pen on paper, close up: PNG, JPEG, WebP, GIF or BMP with at most 15 MB."
)
READABLE = ["png", "jpg", "jpeg", "jfif", "webp", "gif", "bmp"]
EXPLAINED = ["heic", "heif"]  # go to the API for its advice
_companion = st.components.v2.component(
    "upload", js=Path(__file__).with_suffix(".js").read_text("utf-8"), isolate_styles=False
)


@st.fragment
def show() -> None:
    session = current()
    left, right = st.columns(2, gap="large")
    with left, st.container(key="upload-file"):
        file = st.file_uploader(WANTED, type=[*READABLE, *EXPLAINED], key=f"file-{session.file}")
        _companion(key="upload-companion")
        place = st.empty()
    with right:
        trouble = attempt(feedback.settle, session.upload, session) or attempt(read, file, session)
        with st.container(key="upload-answer"):
            answer.show(session.upload.answer, explain(trouble) or INVITATION)
        feedback.show(
            session.upload, session, explain(trouble) if session.upload.answer else "", "upload-feedback"
        )
    missing = attempt(load_pictures, session)
    place.html(
        compare(session.pictures)
        if session.pictures
        else f'<p class="quiet">{html.escape(explain(missing))}</p>'
    )
    show_banner(trouble)
    retry(trouble or missing)


def read(file: UploadedFile | None, session: Session) -> None:
    """Have the API read the file, unless that is the one that it answered last."""
    turn = session.upload
    if file is None:
        turn.answer = None
        return
    prediction = str(uuid.uuid5(uuid.UUID(session.visitor), file.file_id))  # the same file, the same id
    if turn.answer is None or turn.answer["id"] != prediction:
        turn.answer = None
        turn.answer = client.predict_file(file.getvalue(), prediction, session.visitor, session.address)
        history.note(turn.answer, session)


def load_pictures(session: Session) -> None:
    """Fetch how the answer on show came about, unless it is known. The file itself is never opened here."""
    shown = session.upload.answer
    if not shown:
        session.pictures = None
    elif not session.pictures or session.pictures["id"] != shown["id"]:
        session.pictures = None
        session.pictures = client.explanation(shown["id"], session.address)


def compare(pictures: dict[str, Any]) -> str:
    """The picture, and beside it what was taken for the digit."""
    figures = "".join(
        f"<figure>{picture(pictures[name], text, 'sent')}<figcaption>{text}</figcaption></figure>"
        for name, text in (("drawing", "As it is kept"), ("mask", "In red: taken for the digit"))
        if pictures[name]
    )
    return f'<div class="compared">{figures}</div>'
