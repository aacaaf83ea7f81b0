"""The learning loop at work: people draw, an operator reviews, the model learns to read them.

    make loop-demo
    python -m benchmarks.loop_demo FILE.npz … [--only SOURCE …] [--rounds 100 300 1000]
        [--picture curve.png] [--json loop-demo.json] [--api http://localhost:8000]

Of each source of the stroke files a random half is drawn on the running API and reviewed in the queue's
order; the other half, of the same people, only measures. A version is trained after so many reviews, and
after all; the gate decides which answers. What nobody can read (`simulated_people.is_readable`) is rejected
in one half and left out of the other. Needs a database of its own; prints a markdown table.
"""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import requests
from django.core.management import CommandError, call_command
from numpy.typing import NDArray

from benchmarks import site
from benchmarks.simulated_people import (
    WRONG_REVIEWS,
    Truth,
    err,
    halve,
    is_readable,
    look_again_at_doubts,
    review_queue,
    send,
)
from predictions.management.progress import show_progress

if TYPE_CHECKING:
    from classifier.predictor import Predictor
    from predictions.models import ModelVersion
    from training.compare import Check
    from training.dataset import Digits, Mnist
    from training.drawings import Drawings

SECONDS_TO_ANSWER_ANEW = 2


@dataclass(frozen=True)
class Measured:
    """The half that measures: as inputs, with each drawing's source; and MNIST."""

    digits: "Digits"
    sources: NDArray[np.str_]
    mnist: "Mnist"

    def wrong(self, predictor: "Predictor") -> NDArray[np.bool_]:
        return np.not_equal(read(predictor, self.digits), self.digits.labels)


@dataclass(frozen=True)
class Round:
    """What came of so many reviews. `wrong` says of each measured drawing whether the active version misreads
    it, `at_random` how many a version misreads that learned from as many drawings in random order."""

    reviewed: int
    version: str
    promoted: bool
    wrong: NDArray[np.bool_]
    mnist_errors: int
    seconds: float
    at_random: int | None = None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("drawings", type=Path, nargs="+", help="stroke files (training/drawings.py)")
    parser.add_argument("--only", nargs="+", metavar="SOURCE", help="only these sources are reviewed")
    parser.add_argument("--rounds", type=int, nargs="+", default=[100, 300, 1000], help="train after so many")
    parser.add_argument("--steps", type=int, help="of each training, in place of the usual number")
    parser.add_argument("--picture", type=Path, help="where to draw the learning curve")
    parser.add_argument("--json", type=Path, dest="figures", help="where to write the figures")
    parser.add_argument("--api", help="where this database's API answers; without, one is started")
    options = parser.parse_args()
    if min(options.rounds) < 1 or (options.steps is not None and options.steps < 1):
        parser.error("--rounds and --steps must be at least 1.")
    site.set_up()
    try:
        demonstrate(**vars(options))
    except (CommandError, requests.RequestException) as problem:
        parser.error(str(problem))


def demonstrate(
    drawings: list[Path],
    rounds: list[int],
    only: list[str] | None = None,
    steps: int | None = None,
    picture: Path | None = None,
    figures: Path | None = None,
    api: str | None = None,
) -> None:
    """Raises CommandError, as the commands do that it calls, where the demonstration can't go on."""
    people, measured = load(drawings, only)
    if api is None:
        call_command("setup")
        call_command("collectstatic", interactive=False, verbosity=0)
    refuse_log_in_use()
    with nullcontext(api) if api else run_api() as url:
        done = list(go_round(people, measured, sorted(rounds), steps, url))
    print(table(done, measured))
    if figures:
        figures.write_text(as_json(done, measured))
    if picture:
        draw_curve(done, picture)


def load(files: list[Path], only: list[str] | None) -> "tuple[Drawings, Measured]":
    """The drawings of the half that is reviewed, and what measures."""
    from django.conf import settings

    from training.dataset import DatasetError, Digits, load_mnist
    from training.drawings import load_drawings
    from training.evaluate import as_strokes

    try:
        first, *more = map(load_drawings, files)
        everything, mnist = sum(more, start=first), load_mnist(settings.MNIST_DIR)
    except (OSError, ValueError, DatasetError) as error:
        raise CommandError(str(error)) from error
    if missing := set(only or []) - set(everything.sources):
        raise CommandError(f"Nobody of {', '.join(sorted(missing))} is in {', '.join(map(str, files))}.")
    reviewed = halve(everything.sources) & np.isin(everything.sources, only or everything.sources)
    readable = np.array(list(map(is_readable, everything.strokes, everything.labels)))
    others = everything[~reviewed & readable]
    digits = Digits(as_strokes(others), others.labels.astype(np.int64))
    return everything[reviewed], Measured(digits, others.sources, mnist)


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
    child = serve.start(serve.WEB, port, port)
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
    people: "Drawings", measured: Measured, rounds: list[int], steps: int | None, api: str
) -> Iterator[Round]:
    """The version that answers before, and after each training."""
    from predictions.models import ModelVersion

    first = ModelVersion.objects.active()
    if first is None:
        raise CommandError("There is no active version: run manage.py setup.")
    yield measure(0, first, measured)
    truth, chance, reviewed = send(people, api), np.random.default_rng(1), 0
    print(f"{len(truth):,} drawings are sent.")
    for count in [*(count for count in rounds if count < len(truth)), len(truth)]:
        review_queue(truth, count - reviewed, chance)
        reviewed, started = count, time.monotonic()
        doubts = check_labels(truth, chance)
        print(f"{count:,} drawings are reviewed; {doubts} labels were doubted, and looked at again.")
        train_and_promote(steps, api)
        seconds = time.monotonic() - started
        at_random = learn_at_random(count, truth, measured, steps, chance) if count < len(truth) else None
        yield measure(count, ModelVersion.objects.all()[0], measured, seconds, at_random)


def measure(
    reviewed: int,
    made: "ModelVersion",
    measured: Measured,
    seconds: float = 0.0,
    at_random: int | None = None,
) -> Round:
    """By the version that answers, whether it is the one that was made or the gate has kept that out."""
    from predictions.models import ModelVersion

    predictor = ModelVersion.objects.get(active=True).predictor()
    test = measured.mnist.test
    mnist_errors = int((read(predictor, test) != test.labels).sum())
    made.refresh_from_db(fields=["active"])
    return Round(
        reviewed, made.name, made.active, measured.wrong(predictor), mnist_errors, seconds, at_random
    )


def read(predictor: "Predictor", digits: "Digits") -> NDArray[np.int64]:
    digit: NDArray[np.int64] = predictor.probabilities(digits.images)[0].argmax(axis=1)
    return digit


def check_labels(truth: Truth, chance: np.random.Generator) -> int:
    from predictions.learning import label_check

    with show_progress() as report:
        label_check.check_labels(report)
    return look_again_at_doubts(truth, chance)


def train_and_promote(steps: int | None, api: str) -> None:
    from predictions.learning.pipeline import Changes, fine_tune
    from predictions.models import GateClosedError, ModelVersion

    changes: Changes = {"steps": steps} if steps else {}
    with show_progress() as report:
        made = fine_tune(report, **changes)
    version = ModelVersion.objects.get(name=made["version"])
    for check in version.gate["checks"] if version.gate else []:
        print(f"  {'passed' if check['passed'] else 'FAILED'}  {in_words(check)}")
    try:
        version.promote(reason="loop_demo")
    except GateClosedError as closed:
        print(closed)
    else:
        print(f"{version} is promoted, and answers after {seconds_until_it_answers(api, version):.1f} s.")


def learn_at_random(
    count: int, truth: Truth, measured: Measured, steps: int | None, chance: np.random.Generator
) -> int:
    """Errors of a version that is made in the same way, from as many drawings in random order."""
    from classifier.checkpoint import dump
    from classifier.predictor import Predictor
    from predictions import pictures
    from predictions.models import SIDES, ModelVersion, Prediction
    from predictions.models.split import side_of
    from training.dataset import Digits
    from training.finetune import FineTuning
    from training.recipe import make_checkpoint, split

    keys = chance.choice(sorted(truth), count, replace=False)
    labels = {key: err(label, WRONG_REVIEWS, chance) for key in keys if (label := truth[key]) is not None}
    rows = Prediction.objects.filter(pk__in=labels).order_by("pk").only("visitor", "input")
    sides = np.array([side_of(row.visitor) for row in rows])
    everything = Digits(pictures.stack(row.input for row in rows), np.array([labels[row.pk] for row in rows]))
    start, tuning = ModelVersion.objects.start(), FineTuning.for_drawings(len(rows))
    assert start
    checkpoint = make_checkpoint(
        split(measured.mnist, {side: everything[sides == side] for side in SIDES}),
        start.checkpoint().network(),
        replace(tuning, steps=steps or tuning.steps),
    )
    return int(measured.wrong(Predictor.from_bytes(dump(checkpoint))).sum())


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


def table(rounds: list[Round], measured: Measured) -> str:
    """As markdown: errors with the 95 % interval of their share, by source as well."""
    from training.evaluate import interval

    sources = np.unique(measured.sources)
    lines = [
        f"| reviewed | version | errors of {len(measured.sources):,} | p | at random | MNIST | "
        f"{' | '.join(sources)} | seconds |",
        f"|---:|---|---|---|---:|---:|{'---:|' * len(sources)}---:|",
    ]
    for at in rounds:
        low, high = interval(int(at.wrong.sum()), len(at.wrong))
        errors = f"{at.wrong.sum()} ({at.wrong.mean():.2%}, {low:.2%} to {high:.2%})"
        version = at.version if at.promoted else f"{at.version}, refused"
        cells = [f"{at.reviewed:,}", version, errors, f"{p_value(rounds[0], at):.2g}"]
        cells += ["" if at.at_random is None else f"{at.at_random}", f"{at.mnist_errors}"]
        cells += [f"{at.wrong[measured.sources == source].sum()}" for source in sources]
        lines.append(f"| {' | '.join([*cells, f'{at.seconds:.0f}'])} |")
    return "\n".join(["", *lines])


def p_value(first: Round, later: Round) -> float:
    """The exact McNemar test, two-sided: would as many be lost as won, by chance?"""
    from scipy.stats import binomtest

    lost, won = (int((a & ~b).sum()) for a, b in ((later.wrong, first.wrong), (first.wrong, later.wrong)))
    return float(binomtest(lost, lost + won).pvalue) if lost + won else 1.0


def as_json(rounds: list[Round], measured: Measured) -> str:
    def figures(at: Round) -> dict[str, Any]:
        by_source = {
            str(source): {
                "errors": int(at.wrong[measured.sources == source].sum()),
                "measured": int((measured.sources == source).sum()),
            }
            for source in np.unique(measured.sources)
        }
        return {
            "reviewed": at.reviewed,
            "version": at.version,
            "promoted": at.promoted,
            "errors": int(at.wrong.sum()),
            "measured": len(at.wrong),
            "p_value": p_value(rounds[0], at),
            "errors_at_random": at.at_random,
            "mnist_errors": at.mnist_errors,
            "by_source": by_source,
            "seconds": round(at.seconds, 1),
        }

    return json.dumps({"rounds": [figures(at) for at in rounds]}, indent=2)


def draw_curve(rounds: list[Round], file: Path) -> None:
    from matplotlib.figure import Figure

    from training.evaluate import interval

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    reviewed = [at.reviewed for at in rounds]
    shares = np.array([at.wrong.mean() for at in rounds])
    bounds = np.array([interval(int(at.wrong.sum()), len(at.wrong)) for at in rounds])
    spread = np.abs(bounds.T - shares)
    axes.errorbar(reviewed, 100 * shares, 100 * spread, marker="o", capsize=3, label="the queue's order")
    at_random = [np.nan if at.at_random is None else at.at_random / len(at.wrong) for at in rounds]
    axes.plot(reviewed, 100 * np.array(at_random), "s", fillstyle="none", label="random order")
    axes.set(xlabel="reviewed drawings", ylabel="error on the other half, % (95 % interval)", ylim=(0, None))
    axes.legend()
    figure.savefig(file)


if __name__ == "__main__":
    main()
