"""The page's memory of one visitor between two runs of its script."""

import random
import uuid
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from streamlit_ui.client import Answer

Stroke = list[list[float]]


@dataclass(frozen=True)
class Drawing:
    """One state of a drawing: `id` names this state and `drawing` all states of it (both UUIDs)."""

    drawing: str
    id: str
    strokes: list[Stroke]  # lists of [x, y] in 0 to 280, y down
    image: str  # 280×280 pixels, white on black: a PNG in base64
    canvas: dict[str, Any]  # all that the canvas needs to show it again


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
    refusal: str = ""  # why the last one was not


def _number() -> int:
    return random.randrange(1, 10**9)  # noqa: S311  (no secret)


@dataclass
class Session:
    visitor: str
    address: str | None = None
    drawn: Turn = field(default_factory=Turn)
    upload: Turn = field(default_factory=Turn)
    drawing: Drawing | None = None  # what is on the canvas
    paper: int = field(default_factory=_number)  # another one whenever the page empties the canvas
    returned: dict[str, Any] | None = None  # the strokes that the page then put on the canvas
    pictures: dict[str, Any] | None = None  # how the upload on show was read
    file: int = 0  # counts the files uploaded, to empty the uploader after each
    history: list[Answer] | None = None  # None: to be fetched
    older: str | None = None  # where the history goes on
    stats: dict[str, Any] | None = None

    def make_room(self, turn: Turn) -> None:
        """Empty the canvas, or the uploader, for the next digit."""
        if turn is self.drawn:
            self.new_paper()
        else:
            self.file += 1

    def new_paper(self, drawing: Drawing | None = None) -> None:
        """Empty the canvas, or have a drawing come back."""
        self.paper, self.drawing = _number(), drawing
        self.returned = drawing.canvas if drawing else None


def current() -> Session:
    """This browser tab's session; its visitor comes from the cookie that pad.js sets."""
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
