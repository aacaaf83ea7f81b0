"""What is stored of a picture is never the file that was sent."""

import base64
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from PIL import Image

from classifier.image_file import LONGEST_SIDE, decode
from classifier.preprocess import read_stored, to_input
from classifier.stored_picture import MOST_STORED
from predictions.models import ModelVersion, Prediction
from tests import samples
from tests.pictures import file, photo
from training.drawings import Hand, draw

PLACE = "52.5163 N 13.3777 E"


def large_photograph() -> bytes:
    """3,000 × 2,000 pixels of a digit on soft paper, the camera held on its side; it says where."""
    canvas = decode(draw(samples.strokes().strokes[2], Hand(black=True)))
    paper = np.asarray(photo(3000, 2000), np.float32) / 8 + 200
    ink = np.asarray(Image.fromarray(canvas).resize((2000, 2000)), np.float32) / 255
    paper[:, 500:2500] *= ink[..., None]
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = PLACE
    exif.get_ifd(0x8825)[0x001B] = PLACE.encode()
    turned = Image.fromarray(paper.astype(np.uint8)).transpose(Image.Transpose.ROTATE_90)
    return file(turned, "JPEG", exif=exif, comment=PLACE.encode())


def send(client: Client, data: bytes) -> Any:
    return client.post("/api/predict", data, content_type="image/jpeg").json()


def test_place_where_it_was_taken_is_nowhere(client: Client, version: ModelVersion) -> None:
    data = large_photograph()
    assert data.count(PLACE.encode()) == 3
    key = send(client, data)["id"]
    steps = client.get(f"/api/predictions/{key}/explanation").json()
    with connection.cursor() as cursor:
        cursor.execute("SELECT image FROM predictions_prediction")
        (stored,) = cursor.fetchone()
    assert base64.b64decode(steps["drawing"]) == bytes(stored)
    for picture in (bytes(stored), *map(base64.b64decode, filter(None, map(steps.get, ("mask", "ink"))))):
        assert PLACE.encode() not in picture
        assert b"Exif" not in picture


def test_stored_picture_is_small_upright_and_reads_as_it_did(client: Client, version: ModelVersion) -> None:
    answer = send(client, large_photograph())
    assert answer["digit"] == samples.strokes().labels[2]
    row = Prediction.objects.get()
    stored = bytes(row.image or b"")
    assert decode(stored).shape == (683, LONGEST_SIDE, 3)
    assert len(stored) <= MOST_STORED
    assert to_input(read_stored(stored)).tobytes() == bytes(row.input)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_no_format_is_stored_as_it_came(client: Client, version: ModelVersion, kind: str) -> None:
    image = Image.fromarray(decode(draw(samples.strokes().strokes[2], Hand())))
    data = file(image, kind)
    send(client, data)
    row = Prediction.objects.get()
    assert row.image
    assert bytes(row.image) != data
    assert np.array_equal(decode(bytes(row.image)), decode(data))
    assert to_input(read_stored(bytes(row.image))).tobytes() == bytes(row.input)
