"""FastAPI with psycopg's asynchronous pool."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import torch
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from benchmarks.peers.pipelines import load_pipeline, read
from benchmarks.peers.row import INSERT

torch.set_num_threads(1)
pipeline = load_pipeline()
pool = AsyncConnectionPool(os.environ["DATABASE_URL"], open=False, kwargs={"autocommit": True})


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


class DrawingIn(BaseModel):
    image: str | None = None
    strokes: list[list[tuple[float, float]]] | None = None


@app.post("/predict")
async def predict(drawing: DrawingIn) -> dict[str, Any]:
    row = read(pipeline, drawing.model_dump())
    async with pool.connection() as connection:
        await connection.execute(INSERT, row, prepare=True)
    return row.answer()
