"""Reviewed drawings as files that other programs read; streamed, so memory does not grow with the log."""

import csv
import io
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson
from django.db import connection
from django.db.models import Q

from classifier.stored_picture import encode_png
from predictions import pictures
from predictions.database.base import take_time
from predictions.models import BLOBS, NOT_A_DIGIT, Prediction, PredictionQuerySet

BATCH = 2000  # rows that are in memory at a time
CHUNK = 1 << 16  # bytes
CSV_COLUMNS = ["file", "id", "true_label", "digit", "user_label", "created_at", "reviewed_at", "selected_by"]


class File(NamedTuple):
    """A file of an archive. Its `size` in bytes comes first there, before its content is known."""

    name: str
    size: int
    content: Iterator[bytes]


@contextmanager
def snapshot() -> Iterator[None]:
    """Counts and rows of several queries agree inside the block, whatever is reviewed meanwhile."""
    with take_time(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def accepted() -> PredictionQuerySet:
    return Prediction.objects.all().may_teach().order_by("created_at", "pk")


def idx() -> Iterator[File]:
    """Four files in MNIST's format (yann.lecun.com/exdb/mnist, "File formats"), as torchvision reads them.

    Drawings that are no digit have no place there. Of fewer than two digits there are no files: torchvision
    refuses those that hold nothing.
    """
    digits = accepted().exclude(true_label=NOT_A_DIGIT)
    for name, rows in zip(("train", "t10k"), split(digits), strict=False):
        count = rows.count()
        images = (bytes(pixels) for pixels in values(rows, "input"))
        labels = (bytes([label]) for label in values(rows, "true_label"))
        folder = "MNIST/raw"
        header = idx_header(count, 28, 28)
        yield File(f"{folder}/{name}-images-idx3-ubyte", len(header) + 784 * count, after(header, images))
        header = idx_header(count)
        yield File(f"{folder}/{name}-labels-idx1-ubyte", len(header) + count, after(header, labels))


def split(rows: PredictionQuerySet) -> tuple[PredictionQuerySet, ...]:
    """Training set and test set: the random sample is the test set, since it alone is unbiased. Where one of
    the two would be empty, the lot chooses a tenth; of fewer than two rows there are no sets."""
    random = Prediction.SelectedBy.RANDOM
    train, test = rows.exclude(selected_by=random), rows.filter(selected_by=random)
    if train.exists() and test.exists():
        return train, test
    if (count := rows.count()) < 2:
        return ()
    last = max(count // 10, 1) - 1
    lot, key = rows.order_by("lottery", "pk").values_list("lottery", "pk")[last]
    lowest = Q(lottery__lt=lot) | Q(lottery=lot, pk__lte=key)
    return rows.exclude(lowest), rows.filter(lowest)


def idx_header(*shape: int) -> bytes:
    """Magic number for bytes of that many dimensions, then each dimension as a big-endian integer."""
    return bytes([0, 0, 8, len(shape)]) + b"".join(length.to_bytes(4, "big") for length in shape)


def values(rows: PredictionQuerySet, column: str) -> Iterator[Any]:
    return rows.values_list(column, flat=True).iterator(chunk_size=BATCH)


def after(header: bytes, parts: Iterator[bytes]) -> Iterator[bytes]:
    yield header
    yield from parts


def png() -> Iterator[File]:
    """The inputs as PNG, one folder a label, and labels.csv, which names them all."""
    with tempfile.TemporaryFile() as table:
        text = io.TextIOWrapper(table, newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow(CSV_COLUMNS)
        for row in accepted().defer(*BLOBS).iterator(chunk_size=BATCH):
            name, picture = f"{row.true_label}/{row.pk}.png", encode_png(pictures.as_array(row.input))
            writer.writerow([name, *csv_values(row)])
            yield File(name, len(picture), iter([picture]))
        text.detach()
        yield File("labels.csv", table.tell(), chunks(table))


def csv_values(row: Prediction) -> list[Any]:
    """The columns after the file's name in labels.csv."""
    reviewed_at = row.reviewed_at.isoformat() if row.reviewed_at else None
    return [
        row.pk,
        row.true_label,
        row.digit,
        row.user_label,
        row.created_at.isoformat(),
        reviewed_at,
        row.selected_by,
    ]


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(CHUNK):
        yield chunk


def json_lines() -> Iterator[bytes]:
    """A line a drawing: its labels, its strokes where it came with strokes, and what the model saw."""
    rows = accepted().select_related("model_version").defer("image")
    for row in rows.iterator(chunk_size=BATCH):
        line = {
            "id": row.pk,
            "created_at": row.created_at,
            "true_label": row.true_label,
            "user_label": row.user_label,
            "digit": row.digit,
            "confidence": row.confidence,
            "model_version": row.model_version.name,
            "selected_by": row.selected_by,
            "strokes": row.strokes,
            "input": bytes(row.input).hex(),
        }
        yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def tar(files: Iterator[File]) -> Iterator[bytes]:
    """The files as one archive, written as it is made; tarfile's own writer remembers every member."""
    for file in files:
        info = tarfile.TarInfo(file.name)
        info.size = file.size
        yield info.tobuf(tarfile.USTAR_FORMAT)
        yield from file.content
        yield bytes(-file.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def write(files: Iterator[File], folder: Path) -> None:
    """Write the files below a folder. Raises OSError."""
    folder.mkdir(parents=True)
    for file in files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as target:
            target.writelines(file.content)


def streamed(parts: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    """Stream an export: in one snapshot, in pieces worth sending."""
    buffer = bytearray()
    with snapshot():
        for part in parts():
            buffer += part
            if len(buffer) >= CHUNK:
                yield bytes(buffer)
                buffer.clear()
    yield bytes(buffer)
