"""The third tab: how the visitor's last drawing was read, and how good the model is."""

import html
from datetime import datetime
from typing import Any

import streamlit as st

from streamlit_ui import client
from streamlit_ui.answer import REASONS, per_cent, picture
from streamlit_ui.client import Answer
from streamlit_ui.history import figure, load
from streamlit_ui.session import Session, current
from streamlit_ui.trouble import attempt, explain, retry

# Title, words, and how the picture is shown.
STEPS = {
    "drawing": ("Drawing", "As it is kept.", "smooth photo"),
    "mask": ("Found", "In red: what was taken for the digit.", "smooth photo"),
    "ink": ("Ink", "Paper and colour are dropped; strokes get one pen width.", "smooth cropped"),
    "scaled": ("Scaled", "Cut to the ink, the longer side 20 pixels, like MNIST.", "cropped"),
    "input": ("Centred", "The centre of mass in the middle of 28×28 pixels: all that the model sees.", ""),
}
# A drawing of the pad, which sends white on black, in the colours of the pad's paper.
DRAWN = ("Drawing", "As you drew it.", "smooth drawn")


def show() -> None:
    session = current()
    with st.spinner("One moment …"):
        trouble = attempt(load, session) or attempt(show_steps, session) or attempt(show_model, session)
    if trouble:
        st.html(f'<p class="quiet">{html.escape(explain(trouble))}</p>')
    retry(trouble)


def show_steps(session: Session) -> None:
    st.html('<h2 class="heading">Your last drawing, step by step</h2>')
    if session.history:
        answer = session.history[0]
        try:
            st.html(steps(answer, client.explanation(answer["id"], session.address)))
        except client.RefusedError:  # deleted elsewhere: the list is to be fetched again
            session.history = None
            raise
    else:
        st.html('<p class="quiet">Draw a digit first; then its way through the model is shown here.</p>')


def steps(answer: Answer, pictures: dict[str, Any]) -> str:
    """A step for each picture that there is, the answer, and what it hangs on."""
    taken = [name for name in STEPS if pictures[name]]
    figures = "".join(step(number, name, pictures) for number, name in enumerate(taken, 1))
    last = without(len(taken) + 2, answer["digit"], pictures["without"]) if pictures["without"] else ""
    sure = REASONS.get(answer["reason"] or "") or f"{per_cent(answer['confidence'])} sure"
    words = f"{sure}. Read by model {html.escape(answer['model_version'])}."
    return (
        f'<div class="steps">{figures}<figure><div class="read">{answer["digit"]}</div>'
        f"<figcaption><strong>{len(taken) + 1}. Answer</strong>{words}</figcaption></figure>{last}</div>"
    )


def without(number: int, digit: int, part: dict[str, Any]) -> str:
    """The part that the answer hangs on most, and what would be read had it not been drawn."""
    sure = f"{per_cent(part['confidence'])} sure"
    if part["reason"] == "not_a_digit":
        words = "Without the orange part it would not look like a digit."
    elif part["digit"] == digit:
        words = f"No part decides alone. Without the orange one it is still read as {part['digit']}, {sure}."
    else:
        words = f"Without the orange part it would be read as {part['digit']}, {sure}."
    return (
        f'<figure><div class="paper">{picture(part["drawing"], words, "pixels large smooth cropped")}</div>'
        f"<figcaption><strong>{number}. What decided</strong>{words}</figcaption></figure>"
    )


def step(number: int, name: str, pictures: dict[str, Any]) -> str:
    is_drawn = name == "drawing" and not pictures["mask"]
    title, text, look = DRAWN if is_drawn else STEPS[name]
    return (
        f'<figure><div class="paper">{picture(pictures[name], title, f"pixels large {look}")}</div>'
        f"<figcaption><strong>{number}. {title}</strong>{text}</figcaption></figure>"
    )


def show_model(session: Session) -> None:
    version = client.model()
    made = datetime.fromisoformat(version["created_at"])
    st.html('<h2 class="heading">How good it is</h2>')
    st.html(f'<p class="quiet">Model {html.escape(version["name"])}, made on {made:%-d %b %Y}.</p>')
    st.html(tabulate(version["metrics"]["sets"]))
    if session.stats:
        here = figure("On this page", session.stats["everyone"])
        st.html(f'<p class="quiet">MNIST is neater than what people draw. {here}</p>')


def tabulate(sets: dict[str, Any]) -> str:
    """The figures of each set of digits that were measured when the version was made."""
    rows = "".join(
        f"<tr><td>{html.escape(name.replace('_', ' ').replace('mnist', 'MNIST'))}</td>"
        f"<td>{measured['count']:,}</td><td>{_share(measured['accuracy'])}</td><td>{_share(measured['refused'])}</td></tr>"
        for name, measured in sets.items()
    )
    head = "<tr><th>Measured on</th><th>Digits</th><th>Read right</th><th>Not sure</th></tr>"
    return f'<table class="history"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _share(share: float) -> str:
    return f"{100 * share:.2f}\N{NO-BREAK SPACE}%"
