"""The second tab: a photo or scan of one digit."""

import base64
import io
import uuid

import streamlit as st
from PIL import Image, ImageOps, UnidentifiedImageError
from streamlit.runtime.uploaded_file_manager import UploadedFile

from streamlit_ui import answer, client, feedback, history
from streamlit_ui.client import RefusedError
from streamlit_ui.session import Session, current
from streamlit_ui.trouble import attempt, explain, retry

LONGEST_SIDE = 1024  # a digit needs no more, and the API takes no more than 1 MB
MOST_PIXELS = 100_000_000
INVITATION = "The answer appears here."


@st.fragment
def show() -> None:
    session = current()
    trouble = attempt(settle, session)
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
        trouble = trouble or attempt(lambda session: read(file, session), session)
        with st.container(key="upload-answer"):
            answer.show(st.empty(), session.upload.answer, explain(trouble) or INVITATION)
        with st.container(key="upload-feedback"):
            feedback.show(
                session.upload, session, explain(trouble) if session.upload.answer else "", prefix="upload-"
            )
    retry(trouble)


def settle(session: Session) -> None:
    """Send the visitor's feedback; then the uploader is emptied for the next file."""
    claim = feedback.settle(session.upload, session)
    if claim and claim.label is not None:
        session.file += 1


def read(file: UploadedFile | None, session: Session) -> None:
    turn = session.upload
    if file is None:
        turn.answer = None
        return
    prediction = str(uuid.uuid5(uuid.UUID(session.visitor), file.file_id))  # the same file, the same id
    if turn.answer is None or turn.answer["id"] != prediction:
        turn.answer = None
        image = base64.b64encode(scaled_down(file.getvalue())).decode()
        turn.answer = client.predict(
            {"id": prediction, "image": image}, session.visitor, "upload", session.address
        )
        history.note(turn.answer, session)


def scaled_down(data: bytes) -> bytes:
    """The picture upright (its rotation tag applied), at most LONGEST_SIDE a side, as a grey JPEG.

    Raises RefusedError for what is no picture or has too many pixels to be one.
    """
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise RefusedError("This picture has too many pixels.")
            picture.draft("L", (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))  # JPEG: decodes no more than it needs
            upright = ImageOps.exif_transpose(picture)
            grey = on_white(upright)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as problem:
        raise RefusedError("This file cannot be read as a picture.") from problem
    grey.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BOX, reducing_gap=None)
    file = io.BytesIO()
    grey.save(file, "JPEG", quality=90)
    return file.getvalue()


def on_white(picture: Image.Image) -> Image.Image:
    """Grey; what is transparent becomes paper."""
    if not picture.has_transparency_data:
        return picture.convert("L")
    layered = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("L")
