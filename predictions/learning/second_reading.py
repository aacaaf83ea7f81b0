"""The second reading: another version reads the drawings that wait for review."""

from itertools import islice

from predictions import pictures
from predictions.models import ModelVersion, Prediction

BATCH = 2000


def give_second_reading(version: ModelVersion) -> int:
    """Note the version's digit in all reviewable rows that another version answered; how many differ."""
    predictor = version.predictor()
    rows = Prediction.objects.all().reviewable().exclude(model_version=version).order_by()
    waiting = rows.only("pk", "input", "digit").iterator(chunk_size=BATCH)
    different = 0
    while batch := list(islice(waiting, BATCH)):
        probabilities, _ = predictor.probabilities(pictures.stack(row.input for row in batch))
        for row, digit in zip(batch, probabilities.argmax(axis=1).tolist(), strict=True):
            row.second_reading = digit
            different += digit != row.digit
        Prediction.objects.bulk_update(batch, ["second_reading"], batch_size=BATCH)
    return different
