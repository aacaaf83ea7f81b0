"""Image files for tests: ordinary ones, and such as cost far more to decode than their size tells."""

import io
import struct
import zlib
from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image


def file(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 4)).astype(np.uint8)
    return Image.fromarray(values).convert(mode)


def photo(width: int, height: int) -> Image.Image:
    """Soft shapes and grain, which a JPEG compresses as it does a photograph."""
    rng = np.random.default_rng(0)
    shapes = Image.fromarray(rng.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3)).astype(np.uint8))
    return Image.blend(shapes.resize((width, height), Image.Resampling.BICUBIC), noise(width, height), 0.05)


def large_photo(width: int, height: int) -> Image.Image:
    """Of tiles, since grain is slow to make."""
    tile, image = photo(1_000, 1_000), Image.new("RGB", (width, height))
    for left in range(0, width, 1_000):
        for top in range(0, height, 1_000):
            image.paste(tile, (left, top))
    return image


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int, height: int, colours: int = 0, depth: int = 8, *, interlaced: bool = False, more: bytes = b"",
    rows: int | None = None, filled: int = 0,
) -> bytes:  # fmt: skip
    """A PNG of one value, its filter the slowest (Paeth); `more` are chunks before the pixels; `rows` may be
    fewer or more than the header says."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours]
    rows = height if rows is None else rows
    row = b"\x04" + bytes([filled]) * -(-width * channels * depth // 8) if rows else b""
    pixels = zlib.compress(row * rows, 1)
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, interlaced)
    palette = chunk(b"PLTE", bytes(768)) if colours == 3 else b""
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            palette,
            more,
            chunk(b"IDAT", pixels),
            chunk(b"IEND", b""),
        ]
    )


def in_pieces(data: bytes, size: int) -> bytes:
    """A PNG with one IDAT chunk, cut into chunks that hold so many bytes each."""
    start = data.index(b"IDAT") - 4
    (length,) = struct.unpack_from(">I", data, start)
    body = data[start + 8 : start + 8 + length]
    chunks = [chunk(b"IDAT", body[first : first + size]) for first in range(0, length, size)]
    return data[:start] + b"".join(chunks) + data[start + length + 12 :]


def jpeg_of_size(width: int, height: int, image: Image.Image | None = None, **options: object) -> bytes:
    """A small JPEG whose header says another size."""
    data = file(image or Image.new("RGB", (16, 16)), "JPEG", **options)
    frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return data[: frame + 5] + struct.pack(">HH", height, width) + data[frame + 9 :]


def many_scans(image: Image.Image, count: int) -> bytes:
    """A progressive JPEG that refines its pixels again and again."""
    data = file(image, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def segments(marker: int, bodies: Iterable[bytes]) -> bytes:
    return b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for body in bodies)


def with_segments(data: bytes, more: bytes) -> bytes:
    return data[:2] + more + data[2:]


def webp_of_size(width: int, height: int) -> bytes:
    """A WebP with a small frame on a canvas of this size."""
    still = file(noise(16, 16), "WEBP")[12:]
    frame = struct.pack("<3s3s3s3s3sB", *(n.to_bytes(3, "little") for n in (0, 0, 15, 15, 100)), 0) + still
    canvas = struct.pack("<B3x", 2) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + canvas + b"ANIM" + struct.pack("<I6x", 6)
    body += b"ANMF" + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif_of_size(width: int, height: int) -> bytes:
    data = file(Image.new("L", (8, 8), 99), "GIF")
    return data[:6] + struct.pack("<HH", width, height) + data[10:]


def gif_with_far_frame(blank: int, far: int) -> bytes:
    """Its second frame lies far outside the screen."""
    data = file(Image.new("L", (8, 8), blank), "GIF")
    start = data.index(b",", 13)
    frame = b"," + struct.pack("<HHHH", far, far, 8, 8) + data[start + 9 : -1]
    return data[:-1] + frame + b";"


def bmp(width: int, height: int, compression: int, body: bytes, bits: int = 8) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 0, 0, 256, 0)
    palette = b"".join(bytes([grey, grey, grey, 0]) for grey in range(256))
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + 1024) + header + palette + body


def animation(kind: str, frames: Iterable[Image.Image], **options: object) -> bytes:
    first, *others = frames
    return file(first, kind, save_all=True, append_images=others, **options)


def inflating(kind: bytes, before: bytes) -> bytes:
    """A chunk of a PNG whose text or profile inflates to 50 MB."""
    return chunk(kind, before + zlib.compress(bytes(50_000_000), 1))


def png_of_size(width: int, height: int) -> bytes:
    return png(width, height, 6, rows=0)


def _jpeg() -> bytes:
    return file(photo(64, 64), "JPEG")


def _frames(count: int, side: int = 40) -> list[Image.Image]:
    """All blank, and each of another grey."""
    return [Image.new("L", (side, side), 10 + number % 200) for number in range(count)]


# They would cost too much, which is known before they are decoded.
TOO_LARGE: dict[str, Callable[[], bytes]] = {
    "png-wide-and-high": lambda: png_of_size(65_500, 65_500),
    "png-largest": lambda: png_of_size(2**31 - 1, 2**31 - 1),
    "png-colours-21-megapixels": lambda: png(4_600, 4_600, 2),
    "png-colours-12-megapixels": lambda: png(4_000, 3_000, 6),
    "png-16-bits-and-alpha": lambda: png(3_000, 3_000, 6, 16),
    "png-one-row": lambda: png(4_000_000, 1),
    "png-many-chunks": lambda: png(40, 40, more=chunk(b"tEXt", b"a\0b") * 200_000),
    "apng-over-the-limit": lambda: png(4_000, 3_000, 6, more=chunk(b"acTL", struct.pack(">II", 9, 0))),
    "jpeg-largest": lambda: jpeg_of_size(65_500, 65_500),
    "jpeg-51-megapixels": lambda: jpeg_of_size(8_500, 6_000),
    "jpeg-progressive-24-megapixels": lambda: jpeg_of_size(6_000, 4_000, progressive=True),
    "jpeg-progressive-no-subsampling": lambda: jpeg_of_size(4_000, 3_000, progressive=True, subsampling=0),
    "jpeg-4500-scans": lambda: many_scans(Image.new("L", (1_000, 1_000), 90), 4_500),
    "jpeg-1000-scans": lambda: many_scans(Image.new("L", (800, 800), 90), 1_000),
    "jpeg-many-segments": lambda: with_segments(_jpeg(), segments(0xFE, [b"x"] * 200_000)),
    "webp-canvas": lambda: webp_of_size(16_000, 16_000),
    "webp-largest-canvas": lambda: webp_of_size(2**24, 255),
    "webp-4-megapixels": lambda: file(Image.new("RGB", (2_000, 2_000), "navy"), "WEBP"),
    "gif-screen": lambda: gif_of_size(65_535, 65_535),
    "gif-far-frame": lambda: gif_with_far_frame(99, 65_000),
    "gif-many-blocks": lambda: file(_frames(1)[0], "GIF")[:-1] + b"!\xfe" + b"\1x" * 200_000 + b"\0;",
    "bmp-largest": lambda: bmp(60_000, 60_000, 0, b""),
    "bmp-run-lengths": lambda: bmp(400, 400, 1, b"\0\0" * 500_000),
    "bmp-run-lengths-of-a-large-picture": lambda: bmp(3_000, 3_000, 1, b"\xff\7" * 40_000),
    "over-15-megabytes": lambda: png(40, 40, more=chunk(b"tEXt", b"a\0" + b"b" * 15_000_000)),
}

# They look as if they cost much, or are as large as may be, and are read or refused at a low cost.
AFFORDABLE: dict[str, Callable[[], bytes]] = {
    "png-grey-20-megapixels": lambda: png(5_000, 4_000),
    "png-grey-interlaced": lambda: png(4_600, 4_300, rows=8_700, interlaced=True),
    "png-bits-20-megapixels": lambda: png(5_000, 4_000, 0, 1),
    "png-palette-20-megapixels": lambda: png(5_000, 4_000, 3),
    "png-16-bits-9-megapixels": lambda: png(3_000, 3_000, 0, 16),
    "png-colours-7-megapixels": lambda: png(3_200, 2_200, 2, filled=1),
    "png-alpha-5-megapixels": lambda: png(2_600, 1_900, 6, filled=1),
    "png-alpha-1024": lambda: file(noise(1024, 1024, "RGBA")),
    "png-long-row": lambda: png(30_000, 100, 2),
    "png-inflates-further-than-it-says": lambda: png(40, 40, rows=2_000_000),
    "png-in-many-pieces": lambda: in_pieces(file(noise(400, 400, "L")), 9),
    "png-profiles": lambda: png(40, 40, more=inflating(b"iCCP", b"a\0\0") * 20),
    "png-texts": lambda: png(40, 40, more=inflating(b"zTXt", b"a\0\0") * 20),
    "png-unicode-texts": lambda: png(40, 40, more=inflating(b"iTXt", b"a\0\1\0\0\0") * 20),
    "apng-many-frames": lambda: animation("PNG", _frames(300)),
    "apng-invalid": lambda: png(40, 40, more=chunk(b"acTL", struct.pack(">II", 2**32 - 1, 0)) * 3),
    "jpeg-50-megapixels": lambda: file(large_photo(8_600, 5_800), "JPEG", quality=85),
    "jpeg-50-megapixels-of-nothing": lambda: jpeg_of_size(8_600, 5_800),
    "jpeg-progressive-12-megapixels": lambda: file(large_photo(4_000, 3_000), "JPEG", progressive=True),
    "jpeg-noise": lambda: file(noise(1_999, 1_999), "JPEG", quality=95, subsampling=0),
    "jpeg-cmyk": lambda: file(noise(1_999, 1_999, "CMYK"), "JPEG"),
    "jpeg-widest": lambda: file(Image.new("L", (65_500, 700), 99), "JPEG"),
    "jpeg-restarts": lambda: file(large_photo(4_000, 3_000), "JPEG", restart_marker_blocks=1),
    "jpeg-exif-in-many-segments": lambda: with_segments(
        _jpeg(), segments(0xE1, [b"Exif\0\0MM\0*\0\0\0\x08" + bytes(100)] * 19_000)
    ),
    "jpeg-many-tables": lambda: with_segments(
        _jpeg(), segments(0xDB, [(b"\0" + bytes([1] * 64)) * 900] * 200)
    ),
    "jpeg-garbage": lambda: with_segments(_jpeg(), segments(0xFE, [b"x"]) + bytes(10_000_000)),
    "mpo": lambda: animation("MPO", [photo(300, 200) for _ in range(40)]),
    "webp-animation": lambda: animation("WEBP", _frames(300), lossless=True),
    "webp-2-megapixels": lambda: file(photo(1_600, 1_200), "WEBP"),
    "webp-alpha-1024": lambda: file(noise(1024, 1024, "RGBA"), "WEBP", lossless=True, quality=0, method=0),
    "gif-2000-frames": lambda: animation("GIF", _frames(2_000, 8)),
    "gif-16-megapixels": lambda: file(Image.new("P", (4_500, 3_500)), "GIF"),
    "bmp-run-lengths-with-no-effect": lambda: bmp(200, 200, 1, b"\0\0" * 100_000),
    "bmp-5-megapixels": lambda: file(noise(2_500, 1_990), "BMP"),
}
