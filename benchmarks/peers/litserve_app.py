"""LitServe: requests that wait are read as one batch, and stored in one transaction."""

import os
from typing import Any

import litserve
import torch

from benchmarks.peers.pipelines import Body, load_pipeline, read_batch
from benchmarks.peers.row import INSERT, Row, connection


class DigitsAPI(litserve.LitAPI):
    def setup(self, device: str) -> None:
        torch.set_num_threads(1)
        self.pipeline = load_pipeline()

    def predict(self, bodies: list[Body]) -> list[Row]:
        rows = read_batch(self.pipeline, bodies)
        with connection().transaction(), connection().cursor() as cursor:
            cursor.executemany(INSERT, rows)
        return rows

    def encode_response(self, row: Row) -> dict[str, Any]:
        return row.answer()


if __name__ == "__main__":
    api = DigitsAPI(max_batch_size=8, batch_timeout=0.002)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=2)
    server.run(
        host="127.0.0.1", port=int(os.environ["PORT"]), generate_client_file=False, log_level="warning"
    )
