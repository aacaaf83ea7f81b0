"""True labels from a CSV file: all of them, or, where any line is wrong, none."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.template.defaultfilters import pluralize
from django.utils import timezone

from predictions.database.base import take_time
from predictions.models import LABELS, LabelChange, Prediction
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


class Stored(NamedTuple):
    """A row as it is; `is_newer` where somebody has decided about it since the import was asked for."""

    label: int | None
    status: str
    is_newer: bool


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
def import_labels(
    file: Iterable[str], by: "Operator", *, dry_run: bool, as_of: datetime | None = None
) -> Plan:
    """Accept the rows that the file names, with its labels.

    Of the columns of an export's labels.csv, `id` and `true_label` are read. What is not exactly understood
    is an error, and so is a row of which somebody has decided otherwise after `as_of`.
    """
    plan = make_plan(file, as_of or timezone.now())
    if not dry_run and not plan.errors:
        by_label = sorted(plan.changes, key=lambda change: change.line.label)
        for label, changes in groupby(by_label, key=lambda change: change.line.label):
            rows = Prediction.objects.filter(pk__in=[change.line.id for change in changes])
            rows.review(by, Prediction.ReviewStatus.ACCEPTED, label, selected_by=Prediction.SelectedBy.IMPORT)
    return plan


def make_plan(file: Iterable[str], as_of: datetime) -> Plan:
    """Compare the file with the log; the rows stay locked until the transaction ends."""
    plan = Plan()
    seen: set[UUID] = set()
    sound = read(file, plan.errors)
    while lines := list(islice(sound, BATCH)):
        # Locked first: the next statement sees what whoever had to be waited for has decided.
        there = Prediction.objects.all().still_there(line.id for line in lines)
        rows = Prediction.objects.filter(pk__in=there)
        decided = LabelChange.objects.filter(prediction=OuterRef("pk"), at__gt=as_of, by__isnull=False)
        values = rows.annotate(is_newer=Exists(decided)).values_list(
            "pk", "true_label", "review_status", "is_newer"
        )
        stored = {key: Stored(label, status, is_newer) for key, label, status, is_newer in values}
        for line in lines:
            compare(line, stored, seen, plan)
    return plan


def compare(line: Line, rows: dict[UUID, Stored], seen: set[UUID], plan: Plan) -> None:
    stored = rows.get(line.id)
    if line.id in seen:
        plan.errors.append(f"Line {line.number}: {line.id} stands in the file twice.")
    elif stored is None:
        plan.errors.append(f"Line {line.number}: there is no prediction {line.id}.")
    elif (stored.label, stored.status) == (line.label, "accepted"):
        plan.unchanged += 1
    elif stored.is_newer:
        plan.errors.append(f"Line {line.number}: somebody decided on {line.id} after this page was shown.")
    else:
        plan.changes.append(Change(line, stored.label, stored.status))
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
            count = len(fields)
            problem = f"{count} field{pluralize(count)}, where line 1 names {len(columns)}"
        elif not ID.fullmatch(entry["id"]) or entry["true_label"] not in VALUES:
            problem = (
                f"not an id with a label of 0 to 10: id {entry['id']!r}, true_label {entry['true_label']!r}"
            )
        else:
            yield Line(table.line_num, UUID(entry["id"]), VALUES[entry["true_label"]])
            continue
        errors.append(f"Line {table.line_num}: {problem}.")
