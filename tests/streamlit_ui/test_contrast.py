"""The page's colours: readable by WCAG 2.2 AA, in light and in dark."""

import re
import tomllib

import pytest

from tests.product import REPOSITORY

CSS = (REPOSITORY / "streamlit_ui" / "app.css").read_text()
THEME = tomllib.loads((REPOSITORY / ".streamlit" / "config.toml").read_text())["theme"]
# The least contrast: of text (success criterion 1.4.3) and of what is no text but says something (1.4.11).
LEAST = {"quiet": 4.5, "accent": 4.5, "doubt": 4.5, "wrong": 4.5, "bar": 3.0}


def luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    shares = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = [
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    ]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def colour(name: str, scheme: str) -> str:
    pair = re.search(rf"--{name}: light-dark\((#\w{{6}}), (#\w{{6}})\)", CSS)
    assert pair, name
    return pair[1 if scheme == "light" else 2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_stands_out_from_page_and_card(scheme: str) -> None:
    grounds = [THEME[scheme]["backgroundColor"], THEME[scheme]["secondaryBackgroundColor"]]
    colours = {name: (colour(name, scheme), least) for name, least in LEAST.items()}
    colours["text"] = (THEME[scheme]["textColor"], 4.5)
    for name, (value, least) in colours.items():
        assert min(contrast(value, ground) for ground in grounds) >= least, name


def test_black_and_white_are_as_far_apart_as_can_be() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
