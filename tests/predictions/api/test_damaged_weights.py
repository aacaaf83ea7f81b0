"""Damaged weights never answer: the last good version does, or else it is 503, and /readyz says so."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from classifier.checkpoint import dump, load
from predictions import serving
from predictions.models import GateClosedError, ModelVersion, Prediction, Promotion, Weights
from tests import samples
from tests.conftest import ONE, Post

Damage = Callable[[bytes], bytes]


def cut_short(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip_bits(data: bytes) -> bytes:
    """400 of them, anywhere in the weights, which a checkpoint's header does not notice."""
    random, bits = np.random.default_rng(0), np.unpackbits(np.frombuffer(data, np.uint8))
    bits[random.integers(len(bits) // 2, len(bits), 400)] ^= 1
    return np.packbits(bits).tobytes()


def with_nan(data: bytes) -> bytes:
    """A checkpoint, and a sound one but for one weight."""
    checkpoint = load(data)
    weights = {name: tensor.clone() for name, tensor in checkpoint.weights.items()}
    weights["head.bias"][3] = float("nan")
    return dump(replace(checkpoint, weights=weights))


def with_digits_exchanged(data: bytes) -> bytes:
    """Numbers all through, and each digit is read as another."""
    checkpoint = load(data)
    weights = dict(checkpoint.weights)
    for name in ("head.weight", "head.bias"):
        weights[name] = weights[name].roll(1, 0)
    return dump(replace(checkpoint, weights=weights))


def empty(data: bytes) -> bytes:
    return b""


damages = pytest.mark.parametrize("damage", [cut_short, flip_bits, with_nan, with_digits_exchanged, empty])


def harm(version: ModelVersion, damage: Damage, *, hashed: bool = False) -> None:
    """Change the stored bytes behind everybody's back; `hashed`, as if they had come so."""
    row = Weights.objects.get(version=version)
    row.checkpoint = damage(bytes(row.checkpoint))
    if hashed:
        row.sha256 = hashlib.sha256(row.checkpoint).hexdigest()
    row.save()


def activate(version: ModelVersion) -> None:
    """Promoted while it was sound."""
    version.promote(reason="for the test", override=True)


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has loaded nothing yet."""
    monkeypatch.setattr(serving, "_active", None)
    monkeypatch.setattr(serving, "_unreadable", None)


@pytest.fixture
def newer(version: ModelVersion) -> ModelVersion:
    return ModelVersion.objects.register(samples.SMALL.read_bytes())


@pytest.mark.parametrize("hashed", [False, True])
@damages
def test_last_good_version_goes_on_answering(
    client: Client, post: Post, version: ModelVersion, newer: ModelVersion, damage: Damage, hashed: bool
) -> None:
    assert post("predict", {"strokes": ONE}).json()["model_version"] == version.name
    activate(newer)
    harm(newer, damage, hashed=hashed)
    for _ in range(2):
        answer = post("predict", {"strokes": ONE})
        assert (answer.status_code, answer.json()["digit"]) == (201, 1)
        assert answer.json()["model_version"] == version.name
    ready = {"status": "ready", "model_version": version.name, "unreadable": newer.name}
    assert client.get("/readyz").json() == ready
    assert client.get("/api/model").json()["name"] == version.name


def test_new_process_answers_with_the_version_before(
    client: Client, post: Post, version: ModelVersion, newer: ModelVersion
) -> None:
    activate(newer)
    harm(newer, flip_bits)
    assert post("predict", {"strokes": ONE}).json()["model_version"] == version.name
    assert client.get("/readyz").json()["unreadable"] == newer.name


@pytest.mark.parametrize("hashed", [False, True])
@damages
def test_without_any_good_version_it_is_503(
    client: Client, post: Post, version: ModelVersion, damage: Damage, hashed: bool
) -> None:
    harm(version, damage, hashed=hashed)
    for answer in (post("predict", {"strokes": ONE}), client.get("/api/model"), client.get("/readyz")):
        assert answer.status_code == 503
        assert answer["Retry-After"]
    assert client.get("/readyz").json()["error"]["code"] == "unreadable_model"
    assert client.get("/livez").status_code == 200
    assert not Prediction.objects.exists()


def test_version_that_was_rolled_back_does_not_stand_in(
    post: Post, version: ModelVersion, newer: ModelVersion
) -> None:
    activate(newer)
    Promotion.objects.all().roll_back()
    harm(version, cut_short)
    assert post("predict", {"strokes": ONE}).status_code == 503


def test_next_good_version_takes_over(
    client: Client, post: Post, version: ModelVersion, newer: ModelVersion
) -> None:
    activate(newer)
    harm(newer, cut_short)
    assert post("predict", {"strokes": ONE}).json()["model_version"] == version.name
    Promotion.objects.all().roll_back(reason="its weights are damaged")
    assert client.get("/readyz").json() == {"status": "ready", "model_version": version.name}


@pytest.mark.parametrize("hashed", [False, True])
@damages
def test_damaged_version_is_neither_promoted_nor_rolled_back_to(
    version: ModelVersion, newer: ModelVersion, damage: Damage, hashed: bool
) -> None:
    activate(newer)
    harm(version, damage, hashed=hashed)
    with pytest.raises(GateClosedError, match=f"{version} could not answer"):
        Promotion.objects.all().roll_back()
    with pytest.raises(GateClosedError, match=f"{version} could not answer"):
        activate(version)
    assert ModelVersion.objects.active() == newer


def test_explanation_of_an_answer_whose_version_is_damaged_is_503(
    client: Client, post: Post, version: ModelVersion, newer: ModelVersion
) -> None:
    row = post("predict", {"strokes": ONE}).json()["id"]
    activate(newer)
    harm(version, flip_bits)
    assert client.get(f"/api/predictions/{row}/explanation").status_code == 503


def test_damaged_weights_are_not_exported(version: ModelVersion, tmp_path: Any) -> None:
    harm(version, flip_bits)
    with pytest.raises(CommandError, match="SHA-256"):
        call_command("export_model", version.name, str(tmp_path / "weights"))
    assert not (tmp_path / "weights").exists()


def test_weights_that_were_erased_are_not_exported(version: ModelVersion, tmp_path: Any) -> None:
    Weights.objects.filter(version=version).delete()
    with pytest.raises(CommandError, match="is not exported"):
        call_command("export_model", version.name, str(tmp_path / "weights"))
    assert not (tmp_path / "weights").exists()


def test_weights_without_a_hash_are_read(post: Post, version: ModelVersion) -> None:
    """As the release before registers them, where it runs again after a rollback."""
    Weights.objects.update(sha256="")
    assert post("predict", {"strokes": ONE}).status_code == 201
