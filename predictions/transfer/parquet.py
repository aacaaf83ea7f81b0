"""Accepted drawings as a data set that Hugging Face's `datasets` reads: Parquet files and a data card.

pyarrow is imported where somebody exports and not before: it would cost every web process 40 MB.
"""

import json
import tempfile
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from django.template.loader import render_to_string

from classifier.stored_picture import encode_png
from predictions import pictures
from predictions.models import BLOBS, LABELS, Prediction, PredictionQuerySet
from predictions.transfer.export import BATCH, File, accepted, chunks, split

if TYPE_CHECKING:
    import pyarrow

NAMES = [name for _, name in LABELS]
# As `datasets` writes them into a file: https://huggingface.co/docs/datasets/about_dataset_features
FEATURES = {
    "id": {"dtype": "string", "_type": "Value"},
    "image": {"_type": "Image"},
    "label": {"names": NAMES, "_type": "ClassLabel"},
    "read": {"dtype": "int64", "_type": "Value"},
    "confidence": {"dtype": "float64", "_type": "Value"},
    "claimed": {"dtype": "int64", "_type": "Value"},
    "selected_by": {"dtype": "string", "_type": "Value"},
    "model_version": {"dtype": "string", "_type": "Value"},
    "created_at": {"dtype": "timestamp[us, tz=UTC]", "_type": "Value"},
}


def parquet() -> Iterator[File]:
    """A file for each set that has drawings, and the card. The random sample is the test set."""
    sets = split(accepted()) or (accepted(),)
    sizes: dict[str, int] = {}
    for name, rows in zip(("train", "test"), sets, strict=False):
        with tempfile.TemporaryFile() as file:
            sizes[name] = write_rows(rows, file)
            yield File(f"data/{name}.parquet", file.tell(), chunks(file))
    card = render_to_string("predictions/data_card.md", {"sizes": sizes, "names": NAMES}).encode()
    yield File("README.md", len(card), iter([card]))


def write_rows(rows: PredictionQuerySet, file: IO[bytes]) -> int:
    """Write them a batch at a time; how many there were."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, count = schema_of(pa), 0
    with pq.ParquetWriter(file, schema) as writer:
        batch: list[dict[str, Any]] = []
        for row in rows.select_related("model_version").defer(*BLOBS).iterator(BATCH):
            batch.append(values_of(row))
            count += 1
            if len(batch) == BATCH:
                writer.write_table(pa.Table.from_pylist(batch, schema))
                batch = []
        writer.write_table(pa.Table.from_pylist(batch, schema))
    return count


def values_of(row: Prediction) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "image": {"bytes": encode_png(pictures.as_array(row.input)), "path": None},
        "label": row.true_label,
        "read": row.digit,
        "confidence": row.confidence,
        "claimed": row.user_label,
        "selected_by": row.selected_by,
        "model_version": row.model_version.name,
        "created_at": row.created_at,
    }


def schema_of(pa: Any) -> "pyarrow.Schema":  # noqa: ANN401  (a module)
    types = {
        "image": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        "label": pa.int64(),
        "read": pa.int64(),
        "confidence": pa.float64(),
        "claimed": pa.int64(),
        "created_at": pa.timestamp("us", tz="UTC"),
    }
    fields = [(name, types.get(name, pa.string())) for name in FEATURES]
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": FEATURES}})})
