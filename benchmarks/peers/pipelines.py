"""From a request's body to probabilities: the product's own way, and the way of tutorials."""

import base64
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import orjson
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

import classifier
from benchmarks.peers.row import Drawing, Inputs, Probabilities, Row, to_row
from classifier.predictor import Predictor
from classifier.preprocess import read_drawing, to_input

if TYPE_CHECKING:
    from training.dataset import Digits

SHIPPED = Path(classifier.__file__).with_name("shipped.safetensors")
BATCH = 100  # in training

Body = dict[str, Any]  # {"image": a data URL} or {"strokes": lists of [x, y]}


class Pipeline(Protocol):
    def prepare(self, body: Body) -> Drawing: ...

    def probabilities(self, inputs: Inputs) -> Probabilities:
        """(n, 28, 28) → (n, 10)."""


class OurPipeline:
    """The product's own decoding, preprocessing and network."""

    def __init__(self) -> None:
        self.predictor = Predictor.from_bytes(SHIPPED.read_bytes())

    def prepare(self, body: Body) -> Drawing:
        image, strokes = body.get("image"), body.get("strokes")
        drawing = read_drawing(decode_url(image) if image else None, strokes)
        kept = orjson.dumps(strokes).decode() if strokes else None
        return Drawing(to_input(drawing.ink), drawing.file, kept)

    def probabilities(self, inputs: Inputs) -> Probabilities:
        return self.predictor.probabilities(inputs)[0]


class PlainPipeline:
    """Decoding, preprocessing and network as tutorials of PyTorch and Pillow have them; reads no strokes."""

    def __init__(self) -> None:
        self.network = SmallNet()
        self.network.load_state_dict(torch.load(os.environ["PLAIN_WEIGHTS"], weights_only=True))
        self.network.eval()

    def prepare(self, body: Body) -> Drawing:
        data = decode_url(body["image"])
        grey = Image.open(io.BytesIO(data)).convert("L")
        digit = ImageOps.pad(grey.crop(grey.getbbox()), (20, 20))
        return Drawing(np.asarray(ImageOps.expand(digit, 4)), data, None)

    def probabilities(self, inputs: Inputs) -> Probabilities:
        with torch.no_grad():
            probabilities: Tensor = self.network(to_tensor(inputs)).softmax(dim=1)
            return probabilities.numpy()


class SmallNet(nn.Sequential):
    """68,000 weights."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(32 * 7 * 7, 40), nn.ReLU(), nn.Linear(40, 10)),
        )


def to_tensor(inputs: Inputs) -> Tensor:
    return torch.from_numpy(inputs).unsqueeze(1).float() / 255


def train(digits: "Digits", weights: Path) -> None:
    """For one epoch."""
    torch.manual_seed(1)
    network = SmallNet()
    optimizer = torch.optim.Adam(network.parameters(), 0.002)
    for part in torch.randperm(len(digits)).split(BATCH):
        images, labels = digits.images[part.numpy()], digits.labels[part.numpy()]
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(to_tensor(images)), torch.from_numpy(labels)).backward()
        optimizer.step()
    torch.save(network.state_dict(), weights)


def decode_url(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2])


def load_pipeline() -> Pipeline:
    """The one that the environment names."""
    return OurPipeline() if os.environ["PIPELINE"] == "ours" else PlainPipeline()


def read(pipeline: Pipeline, body: Body) -> Row:
    return read_batch(pipeline, [body])[0]


def read_batch(pipeline: Pipeline, bodies: Sequence[Body]) -> list[Row]:
    drawings = [pipeline.prepare(body) for body in bodies]
    probabilities = pipeline.probabilities(np.stack([drawing.input for drawing in drawings]))
    return [to_row(*pair) for pair in zip(drawings, probabilities, strict=True)]
