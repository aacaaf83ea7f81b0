"""The learning loop as one command: people draw, an operator reviews, the model learns."""

import base64
import io
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np
import requests
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from PIL import Image

from predictions import serving
from predictions.learning.label_check import check_labels
from predictions.learning.pipeline import measured, retrain
from predictions.management.commands import serve
from predictions.models import GateClosedError, LabelDoubt, ModelVersion, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.dataset import Digits
    from training.drawings import Drawings

DRAWINGS_PER_VISITOR = 20
WRONG_CLAIMS = 0.05
SECONDS_TO_ANSWER_ANEW = 2


class Command(BaseCommand):
    help = "Shows what reviewed drawings teach: sends, reviews, retrains, compares, promotes, measures."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("drawings", type=Path, help="a stroke file (training/drawings.py has the format)")
        parser.add_argument("--api", help="where this database's API answers; without, one is started")
        parser.add_argument("--unseen", nargs="+", required=True, metavar="SOURCE", help="who only tests")
        parser.add_argument(
            "--reviews", type=int, nargs="+", default=[1000], help="train after so many reviews"
        )
        parser.add_argument("--steps", type=int, default=600, help="of each training; default: %(default)s")
        parser.add_argument("--picture", type=Path, help="where to draw the learning curve")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        if options["api"] is None:
            call_command("setup", stdout=self.stdout)
            call_command("collectstatic", interactive=False, verbosity=0)
        if Prediction.objects.exists():
            raise CommandError("The log is not empty: the demo needs a database of its own.")
        drawings, sets = load(options["drawings"], options["unseen"])
        if len(drawings) < max(options["reviews"]):
            raise CommandError(
                f"Only {len(drawings)} drawings are left for {max(options['reviews'])} reviews."
            )
        with nullcontext(options["api"]) if options["api"] else running_api() as api:
            rows = self.loop(options, drawings, sets, api)
        self.stdout.write(table(rows))
        if options["picture"]:
            draw_curve(rows, options["picture"])

    def loop(
        self, options: dict[str, Any], drawings: "Drawings", sets: "dict[str, Digits]", api: str
    ) -> list[dict[str, Any]]:
        """One row before, and one after each training."""
        rows = [self.row(0, sets)]
        people = simulated_people(drawings, api)
        for count in options["reviews"]:
            self.review(people, count - rows[-1]["reviewed"])
            self.train_and_promote(options["steps"], api)
            rows.append(self.row(count, sets))
        return rows

    def review(self, people: "Iterator[tuple[UUID, int]]", count: int) -> None:
        """An operator accepts the label that each of the next drawings truly has, whatever was claimed;
        labels that are doubted then get a second look."""
        operator, _ = get_user_model().objects.get_or_create(username="operator", defaults={"is_staff": True})
        claims = 0
        truth = {}
        for _, (key, label) in zip(range(count), people, strict=False):
            row = Prediction.objects.get(pk=key)
            claims += row.user_label != label
            truth[key] = label
            row.review(operator, Prediction.ReviewStatus.ACCEPTED, label)
        self.stdout.write(f"{len(truth):,} drawings sent and reviewed; {claims} claims were wrong.")
        check_labels(lambda progress, message: None)
        doubted = LabelDoubt.objects.open().values_list("prediction_id", flat=True)
        again = [Prediction.objects.get(pk=key) for key in doubted]
        for row in again:
            row.review(operator, Prediction.ReviewStatus.ACCEPTED, row.true_label)
        self.stdout.write(f"{len(again)} labels were doubted; the operator looked again and kept them.")

    def train_and_promote(self, steps: int, api: str) -> None:
        result = retrain(lambda progress, message: None, steps=steps)
        version = ModelVersion.objects.get(name=result["version"])
        for check in (version.gate or {"checks": []})["checks"]:
            self.stdout.write(f"  {'passed' if check['passed'] else 'FAILED'}  {facts(check)}")
        try:
            version.promote(reason="loop_demo")
        except GateClosedError as closed:
            self.stdout.write(str(closed))
            return
        seconds = answers_after(api, version)
        self.stdout.write(f"{version} is promoted, and answers after {seconds:.1f} s.")

    def row(self, reviewed: int, sets: "dict[str, Digits]") -> dict[str, Any]:
        version = ModelVersion.objects.active()
        if version is None:
            raise CommandError("There is no active version: run manage.py setup.")
        predictor = serving.load(version)
        figures = {name: measured(predictor, digits) for name, digits in sets.items()}
        return {"reviewed": reviewed, "version": version.name, **figures}


@contextmanager
def running_api() -> Iterator[str]:
    """A web server on this database, at WEB_PORT, until the block ends."""
    port = serve.port("WEB_PORT", "8000")
    child = serve.start([sys.executable, "-m", "gunicorn", "--log-level", "warning"], port, port)
    try:
        while not serve.is_healthy(f"http://127.0.0.1:{port}/readyz"):
            if child.poll() is not None:
                raise CommandError("The web server ended by itself.")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait()


def load(file: Path, unseen: list[str]) -> "tuple[Drawings, dict[str, Digits]]":
    """The drawings of the people who take part, and what measures: unseen people's, and MNIST's test set."""
    from training.dataset import DatasetError, Digits, load_mnist
    from training.drawings import load_drawings
    from training.evaluate import as_strokes

    try:
        everything, mnist = load_drawings(file), load_mnist(settings.MNIST_DIR)
    except (OSError, ValueError, DatasetError) as error:
        raise CommandError(str(error)) from error
    held_out = np.isin(everything.sources, unseen)
    missing = set(unseen) - set(everything.sources)
    if missing:
        raise CommandError(f"Nobody of {', '.join(sorted(missing))} is in {file}.")
    unseen_people = at_places(everything, held_out)
    test = Digits(as_strokes(unseen_people), unseen_people.labels.astype(np.int64))
    return at_places(everything, ~held_out), {"unseen people": test, "MNIST test": mnist.test}


def at_places(drawings: "Drawings", chosen: "NDArray[np.bool_]") -> "Drawings":
    strokes = [drawings.strokes[at] for at in np.flatnonzero(chosen)]
    return type(drawings)(strokes, drawings.labels[chosen], drawings.sources[chosen])


def simulated_people(drawings: "Drawings", api: str) -> Iterator[tuple[UUID, int]]:
    """Send the drawings as the page does, each visitor's together, visitors in random order; give the id of
    each prediction and its true label. A file keeps one person's drawings together."""
    from training.drawings import draw
    from training.evaluate import any_hands

    random = np.random.default_rng(0)
    session, hands = requests.Session(), any_hands()
    people = np.array_split(np.arange(len(drawings)), max(1, len(drawings) // DRAWINGS_PER_VISITOR))
    for person in random.permutation(len(people)).tolist():
        visitor = uuid5(NAMESPACE_URL, f"simulated person {person}")
        for at in people[person]:
            strokes, label = drawings.strokes[at], int(drawings.labels[at])
            body = {
                "image": png(draw(strokes, next(hands))),
                "strokes": [stroke.tolist() for stroke in strokes],
                "visitor": str(visitor),
                "source": "page",
            }
            wrong = random.random() < WRONG_CLAIMS
            claim = (label + int(random.integers(1, 10))) % 10 if wrong else label
            key = post(session, f"{api}/api/predict", body)["id"]
            post(session, f"{api}/api/predictions/{key}/feedback", {"true_label": claim})
            yield UUID(key), label


def png(canvas: bytes) -> str:
    file = io.BytesIO()
    Image.open(io.BytesIO(canvas)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def post(session: requests.Session, url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Wait where the API says so; CommandError where it does not answer as it should."""
    answer = session.post(url, json=body, timeout=30)
    while answer.status_code in (429, 503):
        time.sleep(float(answer.headers["Retry-After"]))
        answer = session.post(url, json=body, timeout=30)
    if not answer.ok:
        raise CommandError(f"{url} answered {answer.status_code}: {answer.text[:200]}")
    result: dict[str, Any] = answer.json()
    return result


def answers_after(api: str, version: ModelVersion) -> float:
    """Seconds until the running API answers with a version; CommandError after too many."""
    started = time.monotonic()
    while requests.get(f"{api}/api/model", timeout=30).json()["name"] != version.name:
        if time.monotonic() - started > SECONDS_TO_ANSWER_ANEW:
            raise CommandError(f"{version} does not answer {SECONDS_TO_ANSWER_ANEW} s after its promotion.")
        time.sleep(0.05)
    return time.monotonic() - started


def facts(check: dict[str, Any]) -> str:
    numbers = [
        f"{key.replace('_', ' ')} {value}" for key, value in check.items() if key not in ("name", "passed")
    ]
    return f"{check['name']}: {', '.join(numbers)}"


def table(rows: list[dict[str, Any]]) -> str:
    """Errors with the 95 % interval of the accuracy, as markdown."""
    lines = [
        "| reviewed drawings | version | error on unseen people | error on MNIST's test set |",
        "|---|---|---|---|",
    ]
    for row in rows:
        cells = [error(row[name]) for name in ("unseen people", "MNIST test")]
        lines.append(f"| {row['reviewed']:,} | {row['version']} | {' | '.join(cells)} |")
    return "\n".join(["", *lines])


def error(figures: dict[str, Any]) -> str:
    low, high = figures["interval"]
    count = f"{figures['errors']} of {figures['count']:,}"
    return f"{1 - figures['accuracy']:.2%} ({1 - high:.2%} to {1 - low:.2%}; {count})"


def draw_curve(rows: list[dict[str, Any]], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    reviewed = [row["reviewed"] for row in rows]
    for name in ("unseen people", "MNIST test"):
        low, high = (np.array([1 - row[name]["interval"][end] for row in rows]) for end in (1, 0))
        errors = np.array([1 - row[name]["accuracy"] for row in rows])
        axes.errorbar(
            reviewed,
            100 * errors,
            100 * np.array([errors - low, high - errors]),
            marker="o",
            capsize=3,
            label=name,
        )
    axes.set(xlabel="reviewed drawings", ylabel="error, % (95 % interval)", ylim=(0, None))
    axes.legend()
    figure.savefig(file)
