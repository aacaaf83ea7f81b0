"""The answer card: the digit, how sure the model is, ten bars and what it saw. All as one piece of HTML."""

import html

import streamlit as st

from streamlit_ui.client import Answer

# Of which the confidence in the digit says nothing: it would be read as how sure that is.
REASONS = {
    "not_a_digit": "This does not look like a digit",
    "unclear_picture": "Not sure: the digit is not clear in this picture",
}


def per_cent(share: float) -> str:
    """Rounded, but never up to a certainty that no model has."""
    return f"{min(99, round(100 * share))}\N{NO-BREAK SPACE}%"


def in_words(answer: Answer) -> str:
    if answer["reason"] in REASONS:
        return REASONS[answer["reason"]]
    if answer["uncertain"]:
        return "Not sure"
    if answer["confidence"] < 0.8:
        return "Not very sure"
    return "Very sure" if answer["confidence"] >= 0.98 else "Quite sure"


def certainty(answer: Answer) -> str:
    return "" if answer["reason"] in REASONS else f"<span>{per_cent(answer['confidence'])}</span>"


def picture(file: str, text: str, css_class: str = "pixels") -> str:
    """An image from base64, which the browser decodes: a PNG, or a JPEG, which begins with "/9j/"."""
    source = f"data:image/{'jpeg' if file.startswith('/9j/') else 'png'};base64,{file}"
    return f'<img class="{css_class}" src="{html.escape(source)}" alt="{html.escape(text)}">'


def bars(probabilities: list[float]) -> str:
    """Ten bars; the highest is marked."""
    top = probabilities.index(max(probabilities))
    columns = "".join(
        f'<span class="bar{" top" if digit == top else ""}"><i style="height:{100 * share:.1f}%"></i>'
        f"<b>{digit}</b></span>"
        for digit, share in enumerate(probabilities)
    )
    best = sorted(range(10), key=lambda digit: -probabilities[digit])[:3]
    spoken = ", ".join(f"{digit}: {per_cent(probabilities[digit])}" for digit in best)
    return f'<div class="bars" role="img" aria-label="Most likely {spoken}">{columns}</div>'


def card(answer: Answer) -> str:
    doubt = " doubt" if answer["uncertain"] else ""
    return (
        f'<div class="card{doubt}" data-prediction="{html.escape(answer["id"])}">'
        f'<div class="digit">{answer["digit"]}</div>'
        f'<div class="sure"><strong>{in_words(answer)}</strong> '
        f"{certainty(answer)}</div>"
        f'<figure class="seen">{picture(answer["input"], "What the model saw")}'
        f"<figcaption>What the model saw</figcaption></figure>{bars(answer['probabilities'])}</div>"
    )


def empty_card(message: str) -> str:
    """The same card with nothing in it, so that the first answer moves nothing."""
    columns = '<span class="bar"><i></i><b>&nbsp;</b></span>' * 10
    return (
        f'<div class="card empty"><div class="digit">?</div><p class="message">{html.escape(message)}</p>'
        f'<div class="bars" aria-hidden="true">{columns}</div></div>'
    )


def show(answer: Answer | None, message: str) -> None:
    """The answer, or `message` in its place."""
    st.html(card(answer) if answer else empty_card(message))
