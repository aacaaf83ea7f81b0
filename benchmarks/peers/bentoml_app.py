"""BentoML: one service, two workers of four threads."""

from typing import Any

import bentoml
import torch

from benchmarks.peers.pipelines import load_pipeline, read
from benchmarks.peers.row import insert


@bentoml.service(workers=2, threads=4, logging={"access": {"enabled": False}})
class Digits:
    def __init__(self) -> None:
        torch.set_num_threads(1)
        self.pipeline = load_pipeline()

    @bentoml.api
    def predict(
        self, image: str | None = None, strokes: list[list[tuple[float, float]]] | None = None
    ) -> dict[str, Any]:
        row = read(self.pipeline, {"image": image, "strokes": strokes})
        insert(row)
        return row.answer()
