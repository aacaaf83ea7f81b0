"""Flask as the usual student project has it: a connection for each request, torch's threads as they come."""

import os
from typing import Any

import psycopg
from flask import Flask, request

from benchmarks.peers.pipelines import load_pipeline, read
from benchmarks.peers.row import INSERT

app = Flask(__name__)
pipeline = load_pipeline()


@app.post("/predict")
def predict() -> dict[str, Any]:
    row = read(pipeline, request.get_json())
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute(INSERT, row)
    return row.answer()
