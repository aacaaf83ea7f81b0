"""The one statement that logs a prediction: prepared once, sent in binary, committed by itself.

Every answer waits for it. The ORM's way, a transaction of four statements, takes ten times as long.
"""

from typing import Any

import orjson
import psycopg
from django.db import connection
from psycopg.types.json import Jsonb

# Where a row of that id is there already, or was, nothing changes, the drawing's newest included. Earlier
# states are marked first: the new row is made from their count. `drawing` comes by a SELECT, so that a plan
# for one value is no cheaper than one for all: else PostgreSQL plans anew for each row without a drawing.
INSERT = """
    WITH earlier AS (
        UPDATE predictions_prediction SET superseded = true
        WHERE drawing = (SELECT %(drawing)s::uuid) AND visitor IS NOT DISTINCT FROM %(visitor)s::uuid
            AND NOT superseded AND review_status = 'pending'
            AND NOT EXISTS (SELECT FROM predictions_prediction WHERE id = %(id)s)
            AND NOT EXISTS (SELECT FROM predictions_erasedid WHERE id = %(id)s)
        RETURNING id
    )
    INSERT INTO predictions_prediction (
        id, created_at, source, visitor, drawing, superseded, image, strokes, input, model_version_id, digit,
        confidence, probabilities, uncertain, reason, latency_ms, request_id, review_status, selected_by,
        lottery
    )
    SELECT
        %(id)s, %(created_at)s, %(source)s, %(visitor)s::uuid, %(drawing)s::uuid, false, %(image)s::bytea,
        %(strokes)s::jsonb, %(input)s, %(model_version_id)s, %(digit)s, %(confidence)s, %(probabilities)s,
        %(uncertain)s, %(reason)s, %(latency_ms)s, %(request_id)s, 'pending', '', %(lottery)s
    FROM (SELECT count(*) FROM earlier) AS marked
    WHERE NOT EXISTS (SELECT FROM predictions_erasedid WHERE id = %(id)s)
    ON CONFLICT DO NOTHING
"""
VALUES = (
    "id",
    "created_at",
    "source",
    "visitor",
    "drawing",
    "image",
    "input",
    "model_version_id",
    "digit",
    "confidence",
    "probabilities",
    "uncertain",
    "reason",
    "latency_ms",
    "request_id",
    "lottery",
)


def insert(strokes: list[Any] | None, **values: object) -> bool:
    """Whether the row of these VALUES was inserted: not if its id is there already or was deleted, or if
    another state of the same drawing came at the same time. Raises Django's database errors."""
    values["strokes"] = None if strokes is None else Jsonb(strokes, dumps=orjson.dumps)
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        try:
            cursor.execute(INSERT, values, prepare=True, binary=True)
        except psycopg.errors.UniqueViolation:  # by a trigger: the row of that id was deleted at this moment
            return False
        return cursor.rowcount == 1
