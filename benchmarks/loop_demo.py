"""The learning loop at work: people draw, an operator reviews, the model learns.

    make loop-demo
    python -m benchmarks.loop_demo benchmarks/data/strokes-dev.npz --unseen val [--reviews 300 1000]
        [--steps 600] [--picture curve.png] [--api http://localhost:8000]

Sends a stroke file's drawings to the running API, reviews them, fine-tunes after so many reviews, and
promotes what the gate lets pass. Needs a database of its own; prints a markdown table.
"""

import argparse
import base64
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np
import requests
from django.core.management import CommandError, call_command
from numpy.typing import NDArray
from PIL import Image

from benchmarks import site
from predictions.management.progress import show_progress

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from classifier.checkpoint import SetFigures
    from predictions.models import ModelVersion
    from training.compare import Check
    from training.dataset import Digits
    from training.drawings import Drawings

DRAWINGS_PER_VISITOR = 20
WRONG_CLAIMS = 0.05
SECONDS_TO_ANSWER_ANEW = 2


@dataclass(frozen=True)
class Standing:
    """The active version after so many reviews, and how it reads each set."""

    reviewed: int
    version: str
    figures: "dict[str, SetFigures]"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("drawings", type=Path, help="a stroke file (training/drawings.py has the format)")
    parser.add_argument("--unseen", nargs="+", required=True, metavar="SOURCE", help="people who only test")
    parser.add_argument("--reviews", type=int, nargs="+", default=[1000], help="train after so many reviews")
    parser.add_argument("--steps", type=int, default=600, help="of each training; default: %(default)s")
    parser.add_argument("--picture", type=Path, help="where to draw the learning curve")
    parser.add_argument("--api", help="where this database's API answers; without, one is started")
    options = parser.parse_args()
    if min(*options.reviews, options.steps) < 1:
        parser.error("--reviews and --steps must be at least 1.")
    site.set_up()
    try:
        demonstrate(**vars(options))
    except (CommandError, requests.RequestException) as problem:
        parser.error(str(problem))


def demonstrate(
    drawings: Path,
    unseen: list[str],
    reviews: list[int],
    steps: int,
    picture: Path | None = None,
    api: str | None = None,
) -> None:
    """Raises CommandError, as the commands do that it calls, where the demonstration can't go on."""
    people, sets = load(drawings, unseen)
    if len(people) < max(reviews):
        raise CommandError(f"Only {len(people)} drawings are left for {max(reviews)} reviews.")
    if api is None:
        call_command("setup")
        call_command("collectstatic", interactive=False, verbosity=0)
    refuse_log_in_use()
    with nullcontext(api) if api else run_api() as url:
        standings = list(go_round(people, sets, sorted(reviews), steps, url))
    print(table(standings))
    if picture:
        draw_curve(standings, picture)


def load(file: Path, unseen: list[str]) -> "tuple[Drawings, dict[str, Digits]]":
    """The drawings of the people who take part, and what measures: unseen people's, and MNIST's test set."""
    from django.conf import settings

    from training.dataset import DatasetError, Digits, load_mnist
    from training.drawings import load_drawings
    from training.evaluate import as_strokes

    try:
        everything, mnist = load_drawings(file), load_mnist(settings.MNIST_DIR)
    except (OSError, ValueError, DatasetError) as error:
        raise CommandError(str(error)) from error
    missing = set(unseen) - set(everything.sources)
    if missing:
        raise CommandError(f"Nobody of {', '.join(sorted(missing))} is in {file}.")
    held_out = np.isin(everything.sources, unseen)
    unseen_people = take(everything, held_out)
    test = Digits(as_strokes(unseen_people), unseen_people.labels.astype(np.int64))
    return take(everything, ~held_out), {"unseen people": test, "MNIST's test set": mnist.test}


def take(drawings: "Drawings", which: NDArray[np.bool_]) -> "Drawings":
    strokes = [drawings.strokes[at] for at in np.flatnonzero(which)]
    return type(drawings)(strokes, drawings.labels[which], drawings.sources[which])


def refuse_log_in_use() -> None:
    from predictions.models import Prediction

    if Prediction.objects.exists():
        raise CommandError("The log is not empty: the demo needs a database of its own.")


@contextmanager
def run_api() -> Iterator[str]:
    """A web server on this database, at WEB_PORT, until the block ends."""
    from mnistsite.management.commands import serve

    port = serve.check_port("WEB_PORT")
    url = f"http://127.0.0.1:{port}"
    child = serve.start("The web server", port, port)
    try:
        while not serve.is_healthy(f"{url}/readyz"):
            if child.poll() is not None:
                raise CommandError(f"The web server ended by itself with code {child.returncode}.")
            time.sleep(0.1)
        yield url
    finally:
        child.terminate()
        child.wait()


def go_round(
    people: "Drawings", sets: "dict[str, Digits]", reviews: list[int], steps: int, api: str
) -> Iterator[Standing]:
    """The version that answers before, and after each training; `reviews` grow."""
    yield measure(0, sets)
    drawn, reviewed = send(people, api), 0
    for count in reviews:
        review(islice(drawn, count - reviewed))
        look_again_at_doubts()
        train_and_promote(steps, api)
        yield measure(count, sets)
        reviewed = count


def measure(reviewed: int, sets: "dict[str, Digits]") -> Standing:
    from predictions.models import ModelVersion
    from training.evaluate import ask

    version = ModelVersion.objects.active()
    if version is None:
        raise CommandError("There is no active version: run manage.py setup.")
    predictor = version.predictor()
    figures = {name: ask(predictor, part.images, part.labels).figures() for name, part in sets.items()}
    return Standing(reviewed, version.name, figures)


def send(drawings: "Drawings", api: str) -> Iterator[tuple[UUID, int]]:
    """Send the drawings as the page does, each visitor's together, visitors in random order; give the id of
    each prediction and its true label. A file keeps one person's drawings together."""
    from training.drawings import draw
    from training.evaluate import any_hands

    chance, hands, session = np.random.default_rng(0), any_hands(), requests.Session()
    people = np.array_split(np.arange(len(drawings)), max(1, len(drawings) // DRAWINGS_PER_VISITOR))
    for person in chance.permutation(len(people)).tolist():
        visitor = uuid5(NAMESPACE_URL, f"simulated person {person}")
        for at in people[person]:
            strokes, label = drawings.strokes[at], int(drawings.labels[at])
            body = {
                "image": base64_png(draw(strokes, next(hands))),
                "strokes": [stroke.tolist() for stroke in strokes],
                "visitor": str(visitor),
                "source": "page",
            }
            key = post(session, f"{api}/api/predict", body)["id"]
            post(session, f"{api}/api/predictions/{key}/feedback", {"label": claim(label, chance)})
            yield UUID(key), label


def claim(label: int, chance: np.random.Generator) -> int:
    """The claim of a visitor, who slips now and then."""
    wrong = chance.random() < WRONG_CLAIMS
    return (label + int(chance.integers(1, 10))) % 10 if wrong else label


def base64_png(canvas: bytes) -> str:
    """A picture in any format as the page sends it."""
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


def review(drawn: Iterator[tuple[UUID, int]]) -> None:
    """The operator accepts the label that each of these drawings truly has, whatever was claimed."""
    from predictions.models import Prediction

    by, count, wrong = operator(), 0, 0
    for key, label in drawn:
        row = Prediction.objects.get(pk=key)
        row.review(by, row.ReviewStatus.ACCEPTED, label, expected_version=row.row_version)
        count, wrong = count + 1, wrong + (row.user_label != label)
    print(f"{count:,} drawings sent and reviewed; {wrong} claims were wrong.")


def look_again_at_doubts() -> None:
    """The operator keeps every label that the label check doubts."""
    from predictions.learning.label_check import check_labels
    from predictions.models import LabelDoubt

    with show_progress() as report:
        check_labels(report)
    by, doubts = operator(), list(LabelDoubt.objects.open().select_related("prediction"))
    for row in [doubt.prediction for doubt in doubts]:
        row.review(by, row.ReviewStatus.ACCEPTED, row.true_label, expected_version=row.row_version)
    print(f"{len(doubts)} labels were doubted; the operator looked again and kept them.")


def operator() -> "User":
    from django.contrib.auth.models import User

    return User.objects.get_or_create(username="operator", defaults={"is_staff": True})[0]


def train_and_promote(steps: int, api: str) -> None:
    from predictions.learning.pipeline import fine_tune
    from predictions.models import GateClosedError, ModelVersion

    with show_progress() as report:
        made = fine_tune(report, steps=steps)
    version = ModelVersion.objects.get(name=made["version"])
    for check in version.gate["checks"] if version.gate else []:
        print(f"  {'passed' if check['passed'] else 'FAILED'}  {in_words(check)}")
    try:
        version.promote(reason="loop_demo")
    except GateClosedError as closed:
        print(closed)
    else:
        print(f"{version} is promoted, and answers after {seconds_until_it_answers(api, version):.1f} s.")


def in_words(check: "Check") -> str:
    numbers = [
        f"{key.replace('_', ' ')} {value}" for key, value in check.items() if key not in ("name", "passed")
    ]
    return f"{check['name']}: {', '.join(numbers)}"


def seconds_until_it_answers(api: str, version: "ModelVersion") -> float:
    """CommandError after too many."""
    started = time.monotonic()
    while requests.get(f"{api}/api/model", timeout=30).json()["name"] != version.name:
        if time.monotonic() - started > SECONDS_TO_ANSWER_ANEW:
            raise CommandError(f"{version} does not answer {SECONDS_TO_ANSWER_ANEW} s after its promotion.")
        time.sleep(0.05)
    return time.monotonic() - started


def table(standings: list[Standing]) -> str:
    """Errors with the 95 % interval of the accuracy, as markdown."""
    names = list(standings[0].figures)
    lines = [
        f"| reviewed drawings | version | {' | '.join(f'error on {name}' for name in names)} |",
        f"|---|---|{'---|' * len(names)}",
    ]
    for standing in standings:
        cells = " | ".join(error(standing.figures[name]) for name in names)
        lines.append(f"| {standing.reviewed:,} | {standing.version} | {cells} |")
    return "\n".join(["", *lines])


def error(figures: "SetFigures") -> str:
    low, high = figures["interval"]
    count = f"{figures['errors']} of {figures['count']:,}"
    return f"{1 - figures['accuracy']:.2%} ({1 - high:.2%} to {1 - low:.2%}; {count})"


def draw_curve(standings: list[Standing], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    reviewed = [standing.reviewed for standing in standings]
    for name in standings[0].figures:
        parts = [standing.figures[name] for standing in standings]
        low, high = (100 * np.array([1 - part["interval"][end] for part in parts]) for end in (1, 0))
        errors = 100 * np.array([1 - part["accuracy"] for part in parts])
        axes.errorbar(
            reviewed, errors, np.array([errors - low, high - errors]), marker="o", capsize=3, label=name
        )
    axes.set(xlabel="reviewed drawings", ylabel="error, % (95 % interval)", ylim=(0, None))
    axes.legend()
    figure.savefig(file)


if __name__ == "__main__":
    main()
