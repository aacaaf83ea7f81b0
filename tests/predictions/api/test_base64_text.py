"""Base64 in every spelling that programs use, and nothing else."""

import base64
import re
import textwrap
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from predictions.api.base64_text import PIECE, decode_base64

Spelling = Callable[[str], str]
URL_SAFE = str.maketrans("+/", "-_")
SPELLINGS: dict[str, Spelling] = {
    "plain": lambda text: text,
    "as `base64 file` prints it": lambda text: "".join(f"{line}\n" for line in textwrap.wrap(text, 76)),
    "lines of MIME": lambda text: "\r\n".join(textwrap.wrap(text, 64)),
    "between spaces": lambda text: f" \t{text} \n",
    "url-safe": lambda text: text.translate(URL_SAFE),
    "without padding": lambda text: text.rstrip("="),
    "url-safe without padding": lambda text: text.translate(URL_SAFE).rstrip("="),
    "data URL": lambda text: f"data:image/png;base64,{text}",
    "data URL without a type": lambda text: f"data:;base64,{text}",
    "data URL with parameters": lambda text: f"data:image/png;charset=utf-8;name=x.png;base64,{text}",
    "data URL in upper case": lambda text: f"DATA:IMAGE/PNG;BASE64,{text}",
    "data URL between spaces": lambda text: f"\n data:image/svg+xml;base64, {text} ",
    "data URL in percent escapes": lambda text: f"data:image/png;base64,{quote(text, safe='')}",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@given(data=st.binary(max_size=300))
@example(data=b"\xff\xef\xbe" * (PIECE // 4))  # letters that need escapes, in more pieces than one
@example(data=b"\xfb" * (PIECE + 1))
def test_every_spelling_is_the_same_bytes(spelling: Spelling, data: bytes) -> None:
    assert decode_base64(spelling(base64.b64encode(data).decode())) == data


RFC_4648 = re.compile(r"([AQ+/]{4})*([AQ+/]{2}==|[AQ+/]{3}=)?")


@given(text=st.text(alphabet="AQ+/-_= \n%é\ud800!", max_size=12), before=st.sampled_from([0, PIECE]))
@example(text="QQ==QQ==", before=0)
@example(text="QQ=Q", before=0)
@example(text="QQ==QQ==", before=PIECE - 4)  # its first padding ends a piece
def test_all_else_is_refused(text: str, before: int) -> None:
    """Nothing but letters in fours is whole; the last may lack some of their padding."""
    spelled = "A" * before + text
    letters = spelled.translate(str.maketrans("-_", "+/", " \n"))
    padded = letters + "=" * (-len(letters) % 4)
    if RFC_4648.fullmatch(padded):
        assert decode_base64(spelled) == base64.b64decode(padded)
    else:
        with pytest.raises(ValueError, match="is not base64"):
            decode_base64(spelled)


@pytest.mark.parametrize(
    "text", ["data:image/png,QQ==", "data:image/png;base64", "data;base64,QQ==", "QQ%3D%3D"]
)
def test_other_urls_are_no_base64(text: str) -> None:
    with pytest.raises(ValueError, match="is not base64"):
        decode_base64(text)


def test_escapes_may_be_in_small_letters() -> None:
    assert decode_base64("data:image/png;base64,%2b%2f%2b%3d") == decode_base64("+/+=")
