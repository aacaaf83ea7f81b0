"""The quick way to read a canvas's PNG against the plain one."""

import struct
import zlib
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from classifier import image_file
from classifier.grey_png import BYTES, read_grey_png
from classifier.image_file import DrawingError, Pixels, decode
from tests.pictures import chunk

KINDS = {1: 0, 3: 2, 4: 6}  # of colours, by the bytes of a pixel
many = settings(max_examples=300, deadline=None)


def filtered(pixels: Pixels, filters: list[int]) -> bytes:
    """The rows of (H, W, channels) pixels, each with its filter (the PNG specification, section 9)."""
    lines, above = [], np.zeros(pixels.shape[1:], np.int16)
    for row, number in zip(pixels.astype(np.int16), filters, strict=True):
        left, corner = (np.concatenate([np.zeros_like(line[:1]), line[:-1]]) for line in (row, above))
        nearness = np.stack([np.abs(left + above - corner - value) for value in (left, above, corner)])
        paeth = np.choose(nearness.argmin(axis=0), [left, above, corner])
        expected = (np.zeros_like(row), left, above, (left + above) // 2, paeth)[number]
        lines.append(bytes([number]) + ((row - expected) % 256).astype(np.uint8).tobytes())
        above = row
    return b"".join(lines)


def png_of(pixels: Pixels, filters: list[int], piece: int = 2**20, key: bytes = b"") -> bytes:
    """`key` is the colour that is transparent."""
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, KINDS[channels], 0, 0, 0)
    packed = zlib.compress(filtered(pixels, filters))
    parts = [chunk(b"IDAT", packed[start : start + piece]) for start in range(0, len(packed), piece)]
    first = chunk(b"IHDR", header) + (chunk(b"tRNS", key) if key else b"")
    return b"\x89PNG\r\n\x1a\n" + first + b"".join(parts) + chunk(b"IEND", b"")


@st.composite
def pictures(draw: st.DrawFn) -> tuple[Pixels, bytes]:
    """Grey and opaque ones, of one, three or four bytes a pixel, or nearly so, with any filters."""
    height, width, channels = (
        draw(st.integers(1, 9)),
        draw(st.integers(1, 9)),
        draw(st.sampled_from([*KINDS])),
    )
    pixels = np.repeat(draw(arrays(np.uint8, (height, width, 1))), channels, axis=2)
    if channels == 4:
        pixels[..., 3] = 255
    for place in draw(st.lists(st.tuples(*(st.integers(0, side - 1) for side in pixels.shape)), max_size=2)):
        pixels[place] = draw(st.integers(0, 255))
    filters = draw(st.lists(st.integers(0, 4), min_size=height, max_size=height))
    return pixels, png_of(pixels, filters, draw(st.integers(1, 40)))


def outcome(data: bytes) -> tuple[object, ...]:
    try:
        pixels = decode(data)
    except DrawingError as error:
        return error.code, str(error)
    return pixels.shape, pixels.tobytes()


def plain_outcome(data: bytes) -> tuple[object, ...]:
    with patch.object(image_file, "read_grey_png", lambda data: None):
        return outcome(data)


@many
@given(pictures())
def test_it_reads_what_is_grey_and_opaque_and_nothing_else(picture: tuple[Pixels, bytes]) -> None:
    pixels, data = picture
    is_grey = (pixels[..., :3] == pixels[..., :1]).all()
    is_opaque = pixels.shape[2] < 4 or (pixels[..., 3] == 255).all()
    read = read_grey_png(data)
    assert (read is not None) == (is_grey and is_opaque)
    assert read is None or np.array_equal(read, pixels[..., 0])
    assert outcome(data) == plain_outcome(data)


def test_a_chunk_that_says_it_is_longer_than_the_file_is_left_to_the_plain_way() -> None:
    data = png_of(np.zeros((1, 1, 1), np.uint8), [0], piece=5)
    second = data.rindex(b"IDAT")
    lying = data[: second - 4] + struct.pack(">I", 2**24 + 5) + data[second : second + 9]
    assert outcome(lying) == plain_outcome(lying)


@many
@given(pictures(), st.data())
def test_damage_is_answered_as_by_the_plain_way(picture: tuple[Pixels, bytes], data: st.DataObject) -> None:
    damaged = bytearray(picture[1])
    for place in data.draw(st.lists(st.integers(8, len(damaged) - 1), max_size=3)):
        damaged[place] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(20, len(damaged)))]
    assert outcome(bytes(damaged)) == plain_outcome(bytes(damaged))


@many
@given(pictures(), st.integers(0, 255))
def test_a_transparent_colour_is_left_to_the_plain_way(picture: tuple[Pixels, bytes], value: int) -> None:
    pixels, _ = picture
    if pixels.shape[2] == 4:
        return  # which has a channel for that
    data = png_of(pixels, [0] * len(pixels), key=bytes([0, value]) * pixels.shape[2])
    assert read_grey_png(data) is None
    assert outcome(data) == plain_outcome(data)


def test_every_kind_of_colours_has_its_bytes() -> None:
    assert {colours: count for count, colours in KINDS.items()} == BYTES
