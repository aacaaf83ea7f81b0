"""The forms in which accepted drawings leave the site."""

from collections.abc import Callable, Iterator

from predictions.transfer.export import File, idx, json_lines, png, tar
from predictions.transfer.parquet import parquet

FOLDERS: dict[str, Callable[[], Iterator[File]]] = {"idx": idx, "png": png, "parquet": parquet}
FORMATS: dict[str, tuple[str, Callable[[], Iterator[bytes]]]] = {
    "idx": ("digits.tar", lambda: tar(idx())),
    "png": ("pictures.tar", lambda: tar(png())),
    "parquet": ("dataset.tar", lambda: tar(parquet())),
    "jsonl": ("drawings.jsonl", json_lines),
}
