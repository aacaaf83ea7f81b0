"""True labels from a CSV file: all of them, or, where any line is wrong, none."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from django.db import transaction

from predictions.models import LABELS, Prediction
from predictions.transfer.export import CSV_COLUMNS

if TYPE_CHECKING:
    from _csv import Reader

    from predictions.models.label_change import Operator

BATCH = 1000  # lines that are looked up at a time
COLUMNS = {"id", "true_label"}
ID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")  # UUID() takes much else for one
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


@transaction.atomic
def import_labels(file: Iterable[str], by: "Operator", *, dry_run: bool) -> Plan:
    """Accept the rows that the file names, with its labels.

    Of the columns of an export's labels.csv, `id` and `true_label` are read. What is not exactly understood
    is an error.
    """
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
    lines = iter(file)
    first = next(lines, "")
    table = csv.reader(chain([first], lines), delimiter=delimiter(first), strict=True)
    try:
        if columns := read_header(next(table, []), errors):
            yield from sound_lines(table, columns, errors)
    except csv.Error as error:
        errors.append(f"Line {table.line_num}: this is not CSV: {error}.")


def delimiter(header: str) -> str:
    """A comma, or what spreadsheets write instead: a semicolon where the comma is the decimal sign; a tab."""
    return next((sign for sign in ";\t" if sign in header and "," not in header), ",")


def read_header(names: list[str], errors: list[str]) -> list[str]:
    """The columns; none where they can't all be understood."""
    columns = [name.strip() for name in names]
    if problem := misunderstanding(columns):
        errors.append(f"Line 1: {problem}.")
        return []
    return columns


def misunderstanding(columns: list[str]) -> str:
    if not COLUMNS.issubset(columns):
        return "the columns 'id' and 'true_label' must be named"
    for name in columns:
        if name not in CSV_COLUMNS:
            return f"there is no column {name!r} in an export"
        if columns.count(name) > 1:
            return f"the column {name!r} stands there twice"
    return ""


def sound_lines(table: "Reader", columns: list[str], errors: list[str]) -> Iterator[Line]:
    for fields in table:
        if not fields:  # an empty line
            continue
        entry = dict(zip(columns, (text.strip() for text in fields), strict=False))
        if len(fields) != len(columns):
            problem = f"{len(fields)} fields, where line 1 names {len(columns)}"
        elif not ID.fullmatch(entry["id"]) or entry["true_label"] not in VALUES:
            problem = (
                f"not an id with a label of 0 to 10: id {entry['id']!r}, true_label {entry['true_label']!r}"
            )
        else:
            yield Line(table.line_num, UUID(entry["id"]), VALUES[entry["true_label"]])
            continue
        errors.append(f"Line {table.line_num}: {problem}.")
