"""Base64 as programs write it (RFC 4648), and data URLs (RFC 2397)."""

import binascii
import re
from collections.abc import Iterator
from io import BytesIO

PIECE = 60_000  # characters decoded at a time, so that no third copy of a large picture is made
DATA_URL = re.compile(r"\s*data:[^,]{0,1000};base64\s*,", re.IGNORECASE)
STANDARD = bytes.maketrans(b"-_", b"+/")
WHITESPACE = b" \t\r\n\f\v"
# What clients escape in a data URL. To read all 256 would be as easy, and cost two seconds in a long text.
ESCAPES = {b"%2B": b"+", b"%2F": b"/", b"%3D": b"=", b"%0A": b"\n", b"%0D": b"\r", b"%20": b" "}
ESCAPES |= {escape.lower(): meant for escape, meant in ESCAPES.items()}


def decode_base64(text: str) -> bytes:
    """The bytes that `text` spells, as a data URL or bare: broken into lines or not, in the standard or the
    url-safe alphabet, with its padding or without. Raises ValueError for anything else.
    """
    prefix = DATA_URL.match(text)
    decoded, letters = BytesIO(), b""
    try:
        for piece in _pieces(text, prefix.end() if prefix else 0):
            letters += (_unescape(piece) if prefix else piece).translate(STANDARD, WHITESPACE)
            whole = max(0, len(letters) - 1) // 4 * 4  # the last letters wait: they alone may be padded
            if letters.find(b"=", 0, whole) >= 0:
                raise ValueError("is not base64")
            decoded.write(binascii.a2b_base64(letters[:whole], strict_mode=True))
            letters = letters[whole:]
        decoded.write(binascii.a2b_base64(letters + b"=" * (-len(letters) % 4), strict_mode=True))
    except binascii.Error:
        raise ValueError("is not base64") from None
    return decoded.getvalue()


def _pieces(text: str, start: int) -> Iterator[bytes]:
    """Cut where no escape is torn; what is not ASCII becomes a letter that base64 does not have."""
    while start < len(text):
        end = start + PIECE
        escape = text.rfind("%", end - 2, end)
        end = escape if escape >= 0 else end
        yield text[start:end].encode("ascii", errors="replace")
        start = end


def _unescape(piece: bytes) -> bytes:
    if b"%" in piece:
        for escape, meant in ESCAPES.items():
            piece = piece.replace(escape, meant)
    return piece
