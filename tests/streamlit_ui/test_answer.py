"""The answer card of the page."""

import pytest

from streamlit_ui.answer import card, picture
from streamlit_ui.client import Answer

PER_CENT = "\N{NO-BREAK SPACE}%"


def answer(confidence: float, reason: str | None) -> Answer:
    return {
        "id": "0",
        "digit": 7,
        "confidence": confidence,
        "probabilities": [(1 - confidence) / 9] * 7 + [confidence] + [(1 - confidence) / 9] * 2,
        "uncertain": reason is not None,
        "reason": reason,
        "model_version": "v1",
        "input": "iVBORw0KGgo=",
        "created_at": "2026-11-23T12:00:00Z",
        "drawing": None,
        "user_label": None,
        "true_label": None,
    }


@pytest.mark.parametrize(
    ("confidence", "reason", "words"),
    [
        (0.999, None, f"Very sure</strong> <span>99{PER_CENT}"),  # never 100
        (0.9, None, f"Quite sure</strong> <span>90{PER_CENT}"),
        (0.7, None, f"Not very sure</strong> <span>70{PER_CENT}"),
        (0.3, "low_confidence", f"Not sure</strong> <span>30{PER_CENT}"),
    ],
)
def test_the_digit_comes_with_how_sure_the_model_is(
    confidence: float, reason: str | None, words: str
) -> None:
    assert words in card(answer(confidence, reason))


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("not_a_digit", "This does not look like a digit"),
        ("unclear_picture", "Not sure: the digit is not clear in this picture"),
    ],
)
def test_no_per_cent_stands_beside_another_reason_to_be_unsure(reason: str, words: str) -> None:
    unsure = card(answer(0.24, reason))
    assert words in unsure
    assert "<span>24" not in unsure
    assert f"7: 24{PER_CENT}" in unsure  # the bars still tell


@pytest.mark.parametrize(("file", "kind"), [("iVBORw0KGgo=", "png"), ("/9j/4AAQ", "jpeg")])
def test_picture_goes_to_the_browser_as_it_is(file: str, kind: str) -> None:
    assert f'src="data:image/{kind};base64,{file}"' in picture(file, "A picture")
