"""What the page remembers of one visitor between two runs of its script."""

import uuid
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from streamlit_ui.client import Answer
from streamlit_ui.pad import Drawing, Replacement


@dataclass
class Claim:
    """The visitor's word on an answer: a digit, NOT_A_DIGIT, or None to take the last word back."""

    answer: Answer
    label: int | None
    drawing: Drawing | None = None


@dataclass
class Turn:
    """One round of draw (or upload), answer, feedback."""

    answer: Answer | None = None
    claim: Claim | None = None  # said by the visitor, not yet accepted by the API
    thanks: Claim | None = None  # the last one that was accepted


@dataclass
class Session:
    visitor: str
    address: str | None = None
    page: Turn = field(default_factory=Turn)
    upload: Turn = field(default_factory=Turn)
    drawing: Drawing | None = None  # what is on the pad
    following: Replacement | None = None  # what the pad was last told to show
    done: str | None = None  # a drawing to ignore, though the pad may still send it
    file: int = 0  # counts the files uploaded, to empty the uploader after each
    history: list[Answer] | None = None  # None: to be fetched
    older: str | None = None  # where the history goes on
    stats: dict[str, Any] | None = None


def current() -> Session:
    """This browser tab's session; its visitor comes from the cookie that the pad sets."""
    if "session" not in st.session_state:
        st.session_state.session = Session(visitor=_visitor(), address=st.context.ip_address)
    session = st.session_state.session
    assert isinstance(session, Session)  # noqa: S101  (for the type checker)
    return session


def _visitor() -> str:
    try:
        return str(uuid.UUID(st.context.cookies.get("visitor", "")))
    except ValueError:
        return str(uuid.uuid4())
