"""The drawing pad: a Streamlit component of its own (pad.html, pad.css, pad.js).

It sends a stroke as soon as the pen is lifted; streamlit-drawable-canvas waits 200 ms first, and its
toolbar swallows strokes that start in the canvas's top right corner.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, cast

import streamlit as st

Stroke = list[list[float]]


class Drawing(TypedDict):
    """One state of a drawing.

    `id` names this state and `drawing` all states of it (both UUIDs); strokes are lists of [x, y] in
    0 to 280, y down; `image` is a data URL of 280×280 pixels, white on black. `id` and `image` are None
    while there is no ink.
    """

    drawing: str
    id: str | None
    strokes: list[Stroke]
    image: str | None


class Replacement(TypedDict):
    """What the pad shows next, unless the visitor has left the drawing `after` meanwhile."""

    after: str
    drawing: str
    id: str | None
    strokes: list[Stroke]


def _asset(suffix: str) -> str:
    return Path(__file__).with_suffix(suffix).read_text("utf-8")


_component = st.components.v2.component("pad", html=_asset(".html"), css=_asset(".css"), js=_asset(".js"))


def pad(visitor: str, following: Replacement | None, on_key: Callable[[], None]) -> Drawing | None:
    """Show the pad and return what is on it; None before the first stroke.

    `visitor` is kept in a cookie for the next visit. `on_key` is called when a key from 0 to 9 or Enter
    was pressed while there is ink: `st.session_state.canvas["key"]` says which.
    """
    result = _component(
        key="canvas",
        data={"visitor": visitor, "next": following},
        default={"drawing": None},
        on_drawing_change=lambda: None,
        on_key_change=on_key,
    )
    return cast("Drawing | None", result.drawing)
