"""The page: draw a digit, see what the model reads, say what it was.

    python -m streamlit run streamlit_ui/app.py

API_URL says where the API is (http://localhost:8000).
"""

import base64
from pathlib import Path

import streamlit as st

from streamlit_ui import drawing, explanation, kept_uploads, upload

kept_uploads.install()

NAME = "Handwritten digits"
MARK = Path(__file__).with_name("mark.svg")

st.set_page_config(page_title=NAME, page_icon=str(MARK), layout="centered")
st.html(Path(__file__).with_name("app.css"))
mark = base64.b64encode(MARK.read_bytes()).decode()
st.html(f'<h1 class="title"><img src="data:image/svg+xml;base64,{mark}" alt=""> <span>{NAME}</span></h1>')

draw, photo, how = st.tabs(["Draw", "Upload", "How it works"], key="tab", on_change="rerun")
with draw:
    drawing.show()
with photo:
    upload.show()
with how:
    if how.open:
        explanation.show()
