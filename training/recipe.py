"""The whole way from digits to a checkpoint: train, close, calibrate, evaluate. What `train_model` runs."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import classifier
import training
from classifier.checkpoint import Checkpoint
from classifier.model import DigitNet
from classifier.predictor import Predictor
from training.calibrate import calibrate
from training.dataset import Digits, Mnist, without_copies
from training.evaluate import ask
from training.finetune import FineTuning, Step, finetune
from training.train import Progress, Settings, train

# A training ends as a fine-tuning is done: at a low rate, on hardly bent images, with few and new made-up
# drawings. Fewer errors on MNIST, on drawings and on wide pens (docs/experiments.md).
CLOSING = FineTuning(steps=800)


def make_checkpoint(
    mnist: Mnist,
    settings: Settings,
    report: Callable[[Progress], None] = lambda progress: None,
    extra: Digits | None = None,
    device: str = "cpu",
) -> Checkpoint:
    """Train on MNIST, made-up drawings and `extra` ones: reviewed drawings, where a label of 10 is "not a
    digit". Near copies of test digits are left out everywhere; the test set is only measured on."""
    digits = without_copies(mnist.train if extra is None else mnist.train + extra, mnist.test)
    validation = without_copies(mnist.validation, mnist.test)
    network = train(digits, validation, settings, report, device)
    network = _closed(network, digits, validation, settings, report)
    checkpoint = Checkpoint(settings.config, network.state_dict(), calibrate(network, validation))
    predictor = Predictor(checkpoint.network(), checkpoint.calibration)
    metrics = {
        "mnist_test": ask(predictor, mnist.test.images, mnist.test.labels).figures(),
        "mnist_validation": ask(predictor, validation.images, validation.labels).figures(),
    }
    return replace(checkpoint, metrics={**metrics, **_origin(digits, settings)})


def _closed(
    network: DigitNet,
    digits: Digits,
    validation: Digits,
    settings: Settings,
    report: Callable[[Progress], None],
) -> DigitNet:
    """The closing counts as one more epoch."""

    def on_step(step: Step) -> None:
        report(Progress(settings.epochs, step.step, step.steps, step.loss, step.accuracy))

    closing = replace(CLOSING, seed=settings.seed)
    return finetune(network, digits, digits[:0], validation, closing, on_step)


def _origin(digits: Digits, settings: Settings) -> dict[str, Any]:
    """What the weights come from: with the same of all this, training gives the same weights."""
    return {
        "data_fingerprint": digits.fingerprint(),
        "trained_on": len(digits),
        "seed": settings.seed,
        "settings": asdict(settings),
        "closing": asdict(CLOSING),
        "code_version": code_version(),
    }


def code_version() -> str:
    """SHA-256 of the code that makes a model, which an installation without git has too."""
    folders = [Path(package.__path__[0]) for package in (classifier, training)]
    code = b"".join(path.read_bytes() for folder in folders for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(code).hexdigest()
