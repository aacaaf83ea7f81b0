"""The row that every server commits for a request, and the answer made of it."""

import os
import threading
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import numpy as np
import psycopg
from numpy.typing import NDArray

TABLE = """
create table reading (
    id uuid primary key,
    created_at timestamptz not null,
    digit smallint not null,
    probabilities float8[] not null,
    input bytea not null,
    image bytea,
    strokes jsonb
)"""
INSERT = "insert into reading values (%b, %b, %b, %b, %b, %b, %s)"

Inputs = NDArray[np.uint8]
Probabilities = NDArray[Any]


class Drawing(NamedTuple):
    """The (28, 28) input, and what came, as it is stored."""

    input: Inputs
    image: bytes | None
    strokes: str | None


class Row(NamedTuple):
    """In the order of the table's columns."""

    id: UUID
    created_at: datetime
    digit: int
    probabilities: list[float]
    input: bytes
    image: bytes | None
    strokes: str | None

    def answer(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "created_at": self.created_at.isoformat(),
            "digit": self.digit,
            "confidence": max(self.probabilities),
            "probabilities": self.probabilities,
        }


def to_row(drawing: Drawing, probabilities: Probabilities) -> Row:
    return Row(
        uuid4(),
        datetime.now(UTC),
        int(probabilities.argmax()),
        probabilities.tolist(),
        drawing.input.tobytes(),
        drawing.image,
        drawing.strokes,
    )


_held = threading.local()


def connection() -> psycopg.Connection:
    """This thread's own, kept open; every statement commits."""
    if not hasattr(_held, "connection"):
        _held.connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    kept: psycopg.Connection = _held.connection
    return kept


def insert(row: Row) -> None:
    connection().execute(INSERT, row, prepare=True)
