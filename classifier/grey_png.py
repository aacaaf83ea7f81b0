"""Reads a PNG whose pixels are grey and opaque, though its file has three or four bytes for each.

That is what a canvas makes of a drawing in black and white. A PNG's filters work on each channel by itself
(W3C, "Portable Network Graphics (PNG) Specification", third edition, section 9), so channels that are the
same before the filters are undone are the same after, and one is enough.
"""

import struct
from collections import defaultdict

import deflate
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Rows = NDArray[np.uint8]  # (H, 1 + bytes of a row): the number of the filter, and what it left

BYTES = {0: 1, 2: 3, 6: 4}  # of a pixel, by the kind of colours: grey, colours, colours with alpha
# What each filter (none, sub, up, average, Paeth) leaves of a channel that is 255 everywhere.
LEFT_OF_OPAQUE = np.array([255, 0, 0, 0, 0], np.uint8)
LEFT_IN_FIRST_COLUMN = np.array([255, 255, 0, 128, 0], np.uint8)
LEFT_IN_FIRST_ROW = np.array([255, 0, 255, 128, 0], np.uint8)


def read_grey_png(data: bytes) -> NDArray[np.uint8] | None:
    """(H, W) pixels of a file that holds one picture; None where it is not grey and opaque with 8 bits a
    channel, or where anything about it is unusual: other decoders tell what it is."""
    width, height, depth, colours, *unusual, checksum = struct.unpack_from(">IIBBBBBI", data, 16)
    if depth != 8 or colours not in BYTES or any(unusual) or checksum != deflate.crc32(data[12:29]):
        return None
    bodies = _bodies(data)
    if bodies is None or b"tRNS" in bodies:
        return None
    rows = _inflate(b"".join(bodies[b"IDAT"]), height, 1 + width * BYTES[colours])
    if rows is None or rows[:, 0].max() > 4:
        return None
    grey = rows if colours == 0 else _drop_channels(rows, BYTES[colours])
    return None if grey is None else _undo_filters(grey)


def _inflate(packed: bytes, height: int, length: int) -> Rows | None:
    """None unless there are exactly as many bytes as the rows need."""
    try:
        raw = deflate.zlib_decompress(packed, height * length)
    except deflate.DeflateError:
        return None
    return np.frombuffer(raw, np.uint8).reshape(height, length) if len(raw) == height * length else None


def _bodies(data: bytes) -> dict[bytes, list[bytes]] | None:
    """What the chunks of each kind hold; None where the last one is cut."""
    bodies = defaultdict(list)
    start = 8
    while start + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        bodies[kind].append(data[start + 8 : start + 8 + length])
        start += length + 12
    return bodies if start == len(data) else None


def _drop_channels(rows: Rows, channels: int) -> Rows | None:
    """One channel, with the numbers of the filters; None where the channels differ, or are not opaque."""
    if not _are_same(rows, channels) or (channels == 4 and not _is_opaque(rows[:, 4::4], rows[:, 0])):
        return None
    return np.concatenate([rows[:, :1], rows[:, 1::channels]], axis=1)


def _are_same(rows: Rows, channels: int) -> bool:
    if channels == 3:
        return np.array_equal(rows[:, 1::3], rows[:, 2::3]) and np.array_equal(rows[:, 1::3], rows[:, 3::3])
    pixels = rows[:, 1:].copy().view("<u4")
    pixels ^= pixels >> 8
    return not (pixels & 0xFFFF).any()  # red and green differ, or green and blue


def _is_opaque(left: Rows, filters: NDArray[np.uint8]) -> bool:
    expected = np.repeat(LEFT_OF_OPAQUE[filters][:, None], left.shape[1], axis=1)
    expected[:, 0] = LEFT_IN_FIRST_COLUMN[filters]
    expected[0] = LEFT_IN_FIRST_ROW[filters[0]]
    expected[0, 0] = 255
    return np.array_equal(left, expected)


def _undo_filters(rows: Rows) -> NDArray[np.uint8]:
    """By Pillow, which wants its bytes packed: without compression, that is little more than a copy."""
    height, length = rows.shape
    packed = deflate.zlib_compress(np.ascontiguousarray(rows), 0)
    return np.asarray(Image.frombytes("L", (length - 1, height), bytes(packed), "zip", "L", 0))
