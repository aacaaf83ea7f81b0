"""The third tab: how the visitor's last drawing was read, and how good the model is."""

import streamlit as st

from streamlit_ui import client
from streamlit_ui.answer import picture
from streamlit_ui.session import current
from streamlit_ui.trouble import attempt, explain, retry


def show() -> None:
    session = current()
    st.html("<p>Soon</p>")
