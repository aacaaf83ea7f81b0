"""How one drawing was read: the steps of preprocessing, and the part that the answer hangs on most."""

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from classifier.deciding_part import find_part
from classifier.image_file import decode
from classifier.ink import Ink
from classifier.parts import Mask
from classifier.stored_picture import encode
from predictions import pictures, serving
from predictions.models import Prediction, Weights

if TYPE_CHECKING:
    from classifier.predictor import Predictor

FOUND = np.array([230, 60, 0])
# Against white ink and black paper, apart for every kind of colour vision.
LEFT_OUT = np.array([255, 130, 0])


def explain(prediction: Prediction) -> dict[str, Any]:
    """The steps from the drawing to the model's input, and what would be read without a part of it: pictures
    in base64.

    `drawing` is the picture as it is stored, None where none is kept; `mask` what was taken for its ink, None
    also where strokes were read.
    """
    model_input, ink, picture = pictures.as_array(prediction.input), prediction.ink(), prediction.image
    is_read = not prediction.strokes  # the picture beside strokes is only kept
    return {
        "id": prediction.id,
        "drawing": base64.b64encode(picture).decode() if picture else None,
        "mask": show_mask(bytes(picture), ink) if picture and is_read and ink is not None else None,
        "ink": None if ink is None else pictures.base64_png(crop(ink)),
        "scaled": pictures.base64_png(crop(model_input)),
        "input": pictures.base64_png(model_input),
        "without": without_part(prediction, model_input if ink is None else ink),
    }


def show_mask(file: bytes, ink: Ink) -> str:
    """The ink coloured, on the picture that it was found in, which is made pale."""
    height, width = ink.shape
    picture = Image.fromarray(decode(file)).convert("L").resize((width, height))
    pale = 128 + np.asarray(picture, np.float32)[..., None] / 2
    share = ink[..., None] / 255
    marked = np.rint(pale * (1 - share) + FOUND * share).astype(np.uint8)
    return base64.b64encode(encode(marked)).decode()


def crop(ink: Ink) -> Ink:
    """The ink's own box."""
    left, top, right, bottom = Image.fromarray(ink).getbbox() or (0, 0, ink.shape[1], ink.shape[0])
    return ink[top:bottom, left:right]


def without_part(prediction: Prediction, ink: Ink) -> dict[str, Any] | None:
    """The part that the answer hangs on most, and the answer without it; None where the ink has no parts, or
    the weights that gave the answer are erased."""
    predictor = find_predictor(prediction)
    part = find_part(predictor, ink, prediction.strokes, prediction.digit) if predictor else None
    if part is None:
        return None
    return {
        "drawing": pictures.base64_png(crop(colour(ink, part.mask))),
        "input": pictures.base64_png(part.rest),
        "digit": part.reading.digit,
        "confidence": part.reading.confidence,
        "uncertain": part.reading.uncertain,
        "reason": part.reading.reason or None,
    }


def find_predictor(prediction: Prediction) -> "Predictor | None":
    """Of the version that gave the answer, which need not be the active one; None where its weights are
    erased, since they had learned from a drawing that was deleted."""
    active, version = serving.active(), prediction.model_version
    if active.version.pk == version.pk:
        return active.predictor
    return version.predictor() if Weights.objects.filter(version=version).exists() else None


def colour(ink: Ink, mask: Mask) -> Ink:
    """(H, W, 3): the ink, coloured where it is left out."""
    hue = np.where(mask[..., None], LEFT_OUT, 255)
    mixed: Ink = np.rint(ink[..., None] / 255 * hue).astype(np.uint8)
    return mixed
