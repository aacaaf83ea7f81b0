"""True labels from a CSV file: all of them, or, where any line is wrong, none."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from predictions.database.base import take_time
from predictions.models import LABELS, Prediction

if TYPE_CHECKING:
    from predictions.models.label_change import Operator

BATCH = 1000  # lines that are looked up at a time
COLUMNS = {"id", "true_label"}
VALUES = {str(value): value for value, _ in LABELS} | {name: value for value, name in LABELS}


class Line(NamedTuple):
    number: int
    id: UUID
    label: int


class Change(NamedTuple):
    """One row that would get another label."""

    line: Line
    old_label: int | None
    old_status: str


@dataclass
class Plan:
    """The changes of an import. With errors there are none."""

    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0
    errors: list[str] = field(default_factory=list)


@take_time()
def import_labels(file: Iterable[str], by: "Operator", *, dry_run: bool) -> Plan:
    """Accept the rows that the file names, with its labels; of its columns `id` and `true_label` are read."""
    plan = make_plan(file)
    if not dry_run and not plan.errors:
        by_label = sorted(plan.changes, key=lambda change: change.line.label)
        for label, changes in groupby(by_label, key=lambda change: change.line.label):
            rows = Prediction.objects.filter(pk__in=[change.line.id for change in changes])
            rows.review(by, Prediction.ReviewStatus.ACCEPTED, label, selected_by=Prediction.SelectedBy.IMPORT)
    return plan


def make_plan(file: Iterable[str]) -> Plan:
    """Compare the file with the log; the rows stay locked until the transaction ends."""
    plan = Plan()
    seen: set[UUID] = set()
    sound = read(file, plan.errors)
    while lines := list(islice(sound, BATCH)):
        rows = Prediction.objects.filter(pk__in=[line.id for line in lines]).select_for_update(no_key=True)
        stored = {
            pk: (label, status) for pk, label, status in rows.values_list("pk", "true_label", "review_status")
        }
        for line in lines:
            compare(line, stored, seen, plan)
    return plan


def compare(line: Line, stored: dict[UUID, tuple[int | None, str]], seen: set[UUID], plan: Plan) -> None:
    if line.id in seen:
        plan.errors.append(f"Line {line.number}: {line.id} stands in the file twice.")
    elif line.id not in stored:
        plan.errors.append(f"Line {line.number}: there is no prediction {line.id}.")
    elif stored[line.id] == (line.label, "accepted"):
        plan.unchanged += 1
    else:
        plan.changes.append(Change(line, *stored[line.id]))
    seen.add(line.id)


def read(file: Iterable[str], errors: list[str]) -> Iterator[Line]:
    """The sound lines; complaints about the others go into `errors`."""
    table = csv.DictReader(file)
    try:
        yield from sound_lines(table, errors)
    except csv.Error as error:
        errors.append(f"Line {table.reader.line_num}: this is not CSV: {error}.")


def sound_lines(table: "csv.DictReader[str]", errors: list[str]) -> Iterator[Line]:
    if not set(table.fieldnames or []) >= COLUMNS:
        errors.append("Line 1: the columns 'id' and 'true_label' must be named.")
        return
    for entry in table:
        try:
            yield Line(table.line_num, UUID(entry["id"].strip()), VALUES[entry["true_label"].strip()])
        except (KeyError, ValueError, AttributeError, TypeError):
            problem = f"id {entry['id']!r}, true_label {entry['true_label']!r}"
            errors.append(f"Line {table.line_num}: not an id with a label of 0 to 10: {problem}.")
