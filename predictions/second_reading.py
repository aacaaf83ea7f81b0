"""Where versions disagree: what another version reads in the drawings that wait for review."""

from itertools import islice

import numpy as np

from predictions import serving
from predictions.models import Prediction
from predictions.versions import ModelVersion

BATCH = 2000


def read_again(version: ModelVersion) -> int:
    """Note the version's digit in all reviewable rows that another version answered; how many differ."""
    predictor = serving.load(version)
    rows = Prediction.objects.all().reviewable().exclude(model_version=version).order_by()
    waiting = rows.only("pk", "input", "digit").iterator(chunk_size=BATCH)
    different = 0
    while batch := list(islice(waiting, BATCH)):
        inputs = np.frombuffer(bytearray().join(row.input for row in batch), np.uint8).reshape(-1, 28, 28)
        probabilities, _ = predictor.probabilities(inputs)
        for row, digit in zip(batch, probabilities.argmax(axis=1).tolist(), strict=True):
            row.second_digit = digit
            different += digit != row.digit
        Prediction.objects.bulk_update(batch, ["second_digit"], batch_size=BATCH)
    return different
