"""The page: draw a digit, see what the model reads, say what it was.

    python -m streamlit run streamlit_ui/app.py

API_URL says where the API is (http://localhost:8000).
"""

from pathlib import Path

import streamlit as st

from streamlit_ui import drawing, explanation, kept_uploads, upload

kept_uploads.install()

st.set_page_config(page_title="Handwritten digits", page_icon="✍️", layout="centered")
st.html(Path(__file__).with_name("app.css"))
st.html('<h1 class="title"><span>Handwritten </span>digits</h1>')

draw, photo, how = st.tabs(["Draw", "Upload", "How it works"], key="tab", on_change="rerun")
with draw:
    drawing.show()
with photo:
    upload.show()
with how:
    if how.open:
        explanation.show()
