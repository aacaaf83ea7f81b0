"""The drawing pad: streamlit-drawable-canvas, its toolbar laid below it (pad.css), and pad.js beside it."""

import base64
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
from streamlit_drawable_canvas import st_canvas

from streamlit_ui.session import Drawing, Session
from streamlit_ui.strokes import SIZE, stroke

_CANVAS = "streamlit-drawable-canvas.streamlit_drawable_canvas"


def _asset(suffix: str) -> str:
    return Path(__file__).with_suffix(suffix).read_text("utf-8")


# The package registered once more under its own name, with our style: without a mouse its toolbar is
# unseen, and still takes the taps on the canvas's top right corner. The names in there are the package's
# own, so its version is pinned; a browser test starts a stroke in that corner.
get_bidi_component_manager().unregister(_CANVAS)
st.components.v2.component(
    _CANVAS,
    html=f"<style>{_asset('.css')}</style>{_asset('.html')}",
    css="index-*.css",
    js="index-*.js",
)
_companion = st.components.v2.component("pad", js=_asset(".js"), isolate_styles=False)


def pad(session: Session, on_clear: Callable[[], None]) -> None:
    """Show the pad and note in the session what is on it. `on_clear` is called when a drawing that came back
    is to go."""
    # Another colour has the package empty the canvas, and every state says which colour it is drawn on.
    # An opacity above 1 is 1: so there is a new black for every new paper.
    black = f"rgba(0, 0, 0, {session.paper})"
    result = st_canvas(
        key="canvas",
        initial_drawing=session.returned,
        width=SIZE,
        height=SIZE,
        stroke_width=18,
        stroke_color="#ffffff",
        background_color=black,
        return_image_data=True,
    )
    if result.json_data["background"] == black:
        session.drawing = _following(session.drawing, result.json_data, result.image_bytes)
    _companion(
        key="companion",
        data={"visitor": session.visitor, "returned": session.returned is not None, "paper": session.paper},
        on_clear_change=on_clear,
    )


def _following(before: Drawing | None, canvas: dict[str, Any], image: bytes | None) -> Drawing | None:
    """The drawing on the canvas. The same state keeps its id, so that a retry is the same prediction."""
    strokes = [stroke(drawn["path"]) for drawn in canvas["objects"]]
    if before and before.strokes == strokes:
        return before
    if not strokes or not image:
        return None
    return Drawing(
        drawing=before.drawing if before else str(uuid.uuid4()),
        id=str(uuid.uuid4()),
        strokes=strokes,
        image=base64.b64encode(image).decode(),
        canvas=canvas,
    )
