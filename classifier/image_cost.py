"""What an image file is, and what decoding it takes at most, read from its header and markers.

Nothing is decoded here. Pillow is given only what the pixels need: profiles, texts, thumbnails and the like
are left out, since their parsers could cost more than the picture. The constants are what Pillow 13 takes for
the most expensive pictures of each format, with a margin.
"""

import contextlib
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LONGEST_SIDE = 1024  # pixels, to which larger pictures are reduced; a digit needs no more
ENOUGH = 1000  # pixels on the longer side, to which a JPEG may be reduced while it is decoded
STRIP = 500_000  # pixels that are reduced at once
MOST_FRAMES = 16  # of an animation are looked at
MOST_FRAME_PIXELS = 2_000_000  # in all frames together, unless the first one alone has more
MOST_PARTS = 20_000  # chunks or segments of a file
MOST_BLOCKS = 65_000  # of a GIF, which has 60,000 in 15 MB


class TooManyPartsError(ValueError):
    """To read the structure of the file would take too long already."""


@dataclass(frozen=True)
class Header:
    format: str  # Pillow's name
    width: int
    height: int
    memory: int  # bytes that decoding takes at most, the file itself among them
    seconds: float  # of one core that decoding takes at most
    data: bytes  # as much of the file as Pillow needs
    frames: int = 1  # that are looked at
    orientation: int = 1  # as EXIF counts; 1 is upright
    reduction: int = 1  # of a JPEG while it is decoded

    @property
    def pixels(self) -> int:
        return self.width * self.height


def read_header(kind: str, data: bytes) -> Header:
    """Raises TooManyPartsError, and whatever a damaged file leads to."""
    read = {"PNG": _png, "JPEG": _jpeg, "WEBP": _webp, "GIF": _gif, "BMP": _bmp}
    header = read[kind](data)
    if not header.pixels:
        raise ValueError("a side of the image is 0")
    return header


def strip_rows(width: int, height: int) -> int:
    """The rows of the result that are reduced at once."""
    return max(1, int(STRIP / width * LONGEST_SIDE / max(width, height)))


def _memory(width: int, height: int, decoded: int, transparent: bool) -> int:
    """Bytes at most while a picture that takes `decoded` bytes is made into an array."""
    longest = max(width, height)
    array = (21 if transparent else 14) * min(width * height, LONGEST_SIDE**2)
    if longest <= LONGEST_SIDE:
        return decoded + array
    source_rows = min(height, strip_rows(width, height) * longest // LONGEST_SIDE + 2)
    return max(decoded + 14 * width * source_rows + 4 * LONGEST_SIDE**2, array)


def _frames(number: int, pixels: int) -> int:
    return max(1, min(number, MOST_FRAMES, MOST_FRAME_PIXELS // max(pixels, 1)))


def _orientation(exif: bytes) -> int:
    exif = exif.removeprefix(b"Exif\0\0")
    order = ">" if exif.startswith(b"MM") else "<"
    with contextlib.suppress(struct.error):  # damaged, or there is none
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, start)
        for entry in range(count):
            tag, _type, _count, value = struct.unpack_from(order + "HHIH", exif, start + 2 + 12 * entry)
            if tag == 0x0112:
                return int(value) if 1 <= value <= 8 else 1
    return 1


# PNG (W3C, "Portable Network Graphics (PNG) Specification", third edition)

_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_PIXELS = {b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_PNG_ANIMATION = {b"acTL", b"fcTL", b"fdAT"}


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The kind, start and end of every chunk."""
    start = 8
    for _ in range(MOST_PARTS):
        if start + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, start)
        yield kind, start, start + length + 12
        if kind == b"IEND":
            return
        start += length + 12
    raise TooManyPartsError


def _png(data: bytes) -> Header:
    (first, start, end), *others = _png_chunks(data)
    width, height, depth, colours = struct.unpack_from(">IIBB", data, start + 8)
    if first != b"IHDR":
        raise ValueError("a PNG begins with its IHDR chunk")
    frames = _frames(_apng_frames(data, others), width * height)
    needed = _PNG_PIXELS | _PNG_ANIMATION if frames > 1 else _PNG_PIXELS
    chunks = [(start, end), *((start, end) for kind, start, end in others if kind in needed)]
    exif = next((data[start + 8 : end - 4] for kind, start, end in others if kind == b"eXIf"), b"")
    clean = data[:8] + b"".join([data[start:end] for start, end in chunks])
    transparent = colours in (4, 6) or any(kind == b"tRNS" for kind, _, _ in others)
    raw = height * (width * _PNG_CHANNELS[colours] * depth // 8 + 2)
    pixel = 20 if frames > 1 else 4 if colours in (2, 4, 6) else 2 if depth == 16 else 1
    each = 20e-9 if frames > 1 else 12e-9 if transparent else 3e-9 if colours == 0 else 5e-9
    return Header(
        "PNG",
        width,
        height,
        memory=len(data) + len(clean) + _memory(width, height, pixel * width * height, transparent),
        seconds=frames * (5.5e-9 * raw + each * width * height) + 17e-9 * len(clean) + 3e-6 * len(chunks),
        data=clean,
        frames=frames,
        orientation=_orientation(exif),
    )


def _apng_frames(data: bytes, chunks: Sequence[tuple[bytes, int, int]]) -> int:
    """1 where it is no animation, or where Pillow would warn of it."""
    controls = [start for kind, start, _ in chunks if kind == b"acTL"]
    if len(controls) != 1:
        return 1
    (frames,) = struct.unpack_from(">I", data, controls[0] + 8)
    return int(frames) + 1 if 0 < frames <= 0x80000000 else 1  # one more: the still picture before it


# JPEG (ITU-T T.81)

_EOI, _SOS, _APP1 = 0xD9, 0xDA, 0xE1
_TABLES = {0xC4, 0xDB, 0xDD}  # of codes, of quantization, and how often coding restarts
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")  # restarts are part of the coded data
MOST_TABLES = 200_000  # bytes in the segments before the first scan; usual tables take 600


def _segments(data: bytes, end: int) -> Iterator[tuple[int, int, int]]:
    """The marker, start and end of every segment from `end` to the end of the first picture. Coded data
    between them is passed over as libjpeg does."""
    for _ in range(MOST_PARTS):
        found = _MARKER.search(data, end)
        if found is None or data[found.start() + 1] == _EOI:
            return
        start = found.start()
        (length,) = struct.unpack_from(">H", data, start + 2)
        end = start + 2 + length
        yield data[start + 1], start, end
    raise TooManyPartsError


@dataclass(frozen=True)
class _Frame:
    width: int
    height: int
    names: list[int]  # of the components
    blocks: list[int]  # of 8 × 8, in each of them
    is_progressive: bool

    @classmethod
    def read(cls, marker: int, segment: bytes) -> "_Frame":
        if marker != _PROGRESSIVE and marker not in _SEQUENTIAL:
            raise ValueError("a kind of JPEG that browsers don't read either")
        height, width, count = struct.unpack_from(">HHB", segment, 5)
        names, factors, _tables = zip(*struct.iter_unpack("BBB", segment[10 : 10 + 3 * count]), strict=True)
        across, down = max(both >> 4 for both in factors), max(both & 15 for both in factors)
        units = -(-width // (8 * across)) * -(-height // (8 * down))
        blocks = [units * (both >> 4) * (both & 15) for both in factors]
        return cls(width, height, list(names), blocks, marker == _PROGRESSIVE)

    def blocks_in(self, scan: bytes) -> int:
        """At most, for the segment that begins a scan."""
        if scan[4] > 1:
            return sum(self.blocks)
        named = [blocks for name, blocks in zip(self.names, self.blocks, strict=True) if name == scan[5]]
        return max(named, default=0)


def _jpeg(data: bytes) -> Header:
    frame, head, exif, body = _jpeg_head(data)
    clean = data[:2] + b"".join(head) + data[body:]
    longest = max(frame.width, frame.height)
    reduction = next(scale for scale in (8, 4, 2, 1) if longest // scale >= ENOUGH or scale == 1)
    width, height = -(-frame.width // reduction), -(-frame.height // reduction)
    decoded = (1 if len(frame.blocks) == 1 else 4) * width * height + 192 * frame.width
    memory = _memory(width, height, decoded, transparent=False)
    seconds = 30e-9 * sum(frame.blocks) + 7.5e-9 * len(clean)
    if frame.is_progressive or data[body + 4] < len(frame.blocks):  # then libjpeg keeps every coefficient
        memory = max(memory, decoded + 128 * sum(frame.blocks))
        scans = [data[start:end] for marker, start, end in _segments(data, body) if marker == _SOS]
        seconds = 65e-9 * sum(map(frame.blocks_in, scans)) + 22e-9 * len(clean)
    return Header(
        "JPEG",
        frame.width,
        frame.height,
        memory=len(data) + len(clean) + memory,
        seconds=seconds + 25e-9 * width * height,
        data=clean,
        orientation=_orientation(exif),
        reduction=reduction,
    )


def _jpeg_head(data: bytes) -> tuple[_Frame, list[bytes], bytes, int]:
    """The frame, the segments that Pillow needs, EXIF, and where the first scan begins."""
    frame, needed, exif = None, [], b""
    for marker, start, end in _segments(data, 2):
        if marker == _SOS:
            break
        segment = data[start:end]
        if marker in _FRAMES:
            if frame:
                raise ValueError("a JPEG with two frames")
            frame = _Frame.read(marker, segment)
        if marker == _APP1 and segment.startswith(b"Exif\0\0", 4):
            exif = exif or segment[4:]
        if marker in _FRAMES | _TABLES or segment[4:9] in (b"JFIF\0", b"Adobe"):
            needed.append(segment)
    else:
        raise ValueError("a JPEG without a scan")
    if not frame or sum(map(len, needed)) > MOST_TABLES:
        raise ValueError("a JPEG without a frame, or with more tables than there can be")
    return frame, needed, exif, start


# WebP (RFC 9649)


def _webp(data: bytes) -> Header:
    width, height = _webp_size(data)
    chunks = list(_webp_chunks(data))
    kinds = [kind for kind, _, _ in chunks]
    exif = next((data[start:end] for kind, start, end in chunks if kind == b"EXIF"), b"")
    frames = _frames(kinds.count(b"ANMF"), width * height)
    # Pillow copies the file, and keeps two canvases beside the frame in every WebP.
    decoding = 2 * len(data) + 17 * width * height
    decoded = len(data) + 13 * width * height
    each_byte = 75e-9 if {b"VP8 ", b"ANMF"} & {*kinds} else 16e-9  # lossy or lossless
    return Header(
        "WEBP",
        width,
        height,
        memory=len(data) + max(decoding, _memory(width, height, decoded, transparent=kinds[0] != b"VP8 ")),
        seconds=30e-9 * width * height * frames + each_byte * len(data),
        data=data,
        frames=frames,
        orientation=_orientation(exif),
    )


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        across, down = (int.from_bytes(data[start : start + 3], "little") + 1 for start in (24, 27))
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        across, down = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        across, down = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    return across, down


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The kind of every chunk, and where what it contains starts and ends."""
    start = 20
    for _ in range(MOST_PARTS):
        if start > len(data):
            return
        kind, length = struct.unpack_from("<4sI", data, start - 8)
        yield kind, start, start + length
        start += length + length % 2 + 8
    raise TooManyPartsError


# GIF (CompuServe, GIF89a) and BMP


_GIF_BLOCK = re.compile(rb"[!,;]")  # an extension, a frame, or the end


def _gif(data: bytes) -> Header:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    screen = 13 + _gif_table(flags)
    kept, number = [data[:screen]], 0
    for start, end in _gif_blocks(data, screen):
        if data[start] == ord(","):
            left, top, across, down = struct.unpack_from("<HHHH", data, start + 1)
            width, height = max(width, left + across), max(height, top + down)  # as Pillow widens the screen
            number += 1
        elif data[start + 1 : start + 3] != b"\xf9\4":  # which says what is transparent
            continue
        kept.append(data[start:end])
        if number == MOST_FRAMES:
            break
    clean = b"".join(kept)
    frames = _frames(number, width * height)
    decoded = (20 if frames > 1 else 1) * width * height
    return Header(
        "GIF",
        width,
        height,
        memory=len(data) + len(clean) + _memory(width, height, decoded, transparent=True),
        seconds=frames * (20e-9 if frames > 1 else 11e-9) * width * height + 10e-9 * len(clean),
        data=clean,
        frames=frames,
    )


def _gif_table(flags: int) -> int:
    """Bytes in a table of colours."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _gif_blocks(data: bytes, end: int) -> Iterator[tuple[int, int]]:
    """The start and end of every extension and frame. A last one that can't be whole is left out."""
    blocks = 0
    while (found := _GIF_BLOCK.search(data, end)) and found[0] != b";" and found.end() + 9 < len(data):
        start = found.start()
        end = start + (2 if found[0] == b"!" else 11 + _gif_table(data[start + 9]))
        while end < len(data) and data[end]:
            end += data[end] + 1
            blocks += 1
            if blocks > MOST_BLOCKS:
                raise TooManyPartsError
        end += 1
        yield start, end


def _bmp(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 14)
    if size == 12:
        width, height, _planes, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _planes, bits, compression = struct.unpack_from("<IIHHI", data, 18)
        height = 2**32 - height if data[25] == 0xFF else height  # from the top down
    runs = len(data) + width * height if compression in (1, 2) else 0  # which Pillow reads in Python
    decoded = (1 if bits <= 8 else 4) * width * height + 3 * runs
    return Header(
        "BMP",
        width,
        height,
        memory=len(data) + _memory(width, height, decoded, transparent=bits == 32),
        seconds=12e-9 * width * height + 0.6e-6 * runs,
        data=data,
    )
