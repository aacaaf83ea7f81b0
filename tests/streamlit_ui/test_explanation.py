"""What the third tab says of the part that an answer hangs on."""

from typing import Any

import pytest

from streamlit_ui.explanation import without


def words(**part: Any) -> str:
    reading = {"drawing": "iVBORw0KGgo=", "digit": 1, "confidence": 0.83, "reason": None} | part
    return without(6, 7, reading)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({}, "Without the orange part it would be read as 1, 83\N{NO-BREAK SPACE}% sure."),
        ({"digit": 7}, "No part decides alone. Without the orange one it is still read as 7"),
        ({"reason": "not_a_digit"}, "Without the orange part it would not look like a digit."),
        ({"reason": "low_confidence"}, "Without the orange part it would be read as 1"),
    ],
)
def test_it_says_what_would_be_read_without_the_part(part: dict[str, Any], said: str) -> None:
    shown = words(**part)
    assert shown.count(said) == 2, "as the caption, and as the picture's text"
    assert "<strong>6. What decided</strong>" in shown
