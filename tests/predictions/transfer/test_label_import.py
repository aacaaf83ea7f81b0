"""True labels from a CSV file."""

import io
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from predictions.models import LabelChange, Prediction
from predictions.transfer.export import CSV_COLUMNS, csv_values
from tests import rows
from tests.forms import hidden
from tests.meanwhile import meanwhile

pytestmark = pytest.mark.django_db
PAGE = "/admin/predictions/prediction/transfer/"


def load(tmp_path: Path, text: str, **options: object) -> str:
    file, out = tmp_path / "labels.csv", io.StringIO()
    file.write_text(text)
    call_command("import_labels", file, **{"operator": "olive"} | options, stdout=out)
    return out.getvalue()


def test_labels_are_stored_and_traced(tmp_path: Path) -> None:
    olive = rows.operator()
    one, other, done = rows.prediction(), rows.prediction(), rows.prediction()
    done.review(olive, "accepted", 3, expected_version=done.row_version)
    text = f"id,true_label\n{one.pk},7\n{other.pk},not a digit\n{done.pk},3\n"
    assert load(tmp_path, text) == "2 rows changed, 1 has its label already.\n"
    for row, label in ((one, 7), (other, 10)):
        row.refresh_from_db()
        assert (row.true_label, row.review_status, row.selected_by) == (label, "accepted", "import")
        assert [change.by for change in row.changes.all()] == [olive]
    assert done.changes.count() == 1


def test_files_of_other_programs_are_read(tmp_path: Path) -> None:
    rows.operator()
    row = rows.prediction()
    assert load(tmp_path, f"\ufeffid,true_label\r\n\r\n {row.pk} , 7\r\n\r\n") == (
        "1 row changed, 0 have their label already.\n"
    )


def test_a_dry_run_shows_what_would_change_and_changes_nothing(tmp_path: Path) -> None:
    rows.operator()
    row = rows.prediction()
    out = load(tmp_path, f"true_label,id\n7,{row.pk}\n", dry_run=True)
    assert out == f"Line 2: {row.pk} None -> 7\n1 row would change, 0 have their label already.\n"
    row.refresh_from_db()
    assert row.review_status == "pending"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{id},11", "Line 3: not an id with a label"),
        ("{id},", "Line 3: not an id with a label"),
        ("{id}", "Line 3: 1 field, where line 1 names 2"),
        ("{id},7,8", "Line 3: 3 fields, where line 1 names 2"),
        ("{id},7,", "Line 3: 3 fields, where line 1 names 2"),
        ("{id};7", "Line 3: 1 field, where line 1 names 2"),
        ("{id},07", "Line 3: not an id with a label"),
        ("{id},7.0", "Line 3: not an id with a label"),
        ("{id},٧", "Line 3: not an id with a label"),
        ("{{{id}}},7", "Line 3: not an id with a label"),
        ("urn:uuid:{id},7", "Line 3: not an id with a label"),
        ("{hex},7", "Line 3: not an id with a label"),
        (",", "Line 3: not an id with a label"),
        ('{id},"7"8', "Line 3: this is not CSV"),
        ('{id},"7', "Line 3: this is not CSV"),
        ("no id,7", "Line 3: not an id with a label"),
        (f"{uuid.UUID(int=1)},7", "Line 3: there is no prediction"),
        ("{good},8", "Line 3: .* stands in the file twice"),
    ],
)
def test_one_bad_line_is_named_and_nothing_is_imported(tmp_path: Path, line: str, problem: str) -> None:
    rows.operator()
    good, bad = rows.prediction(), rows.prediction()
    text = f"id,true_label\n{good.pk},7\n" + line.format(id=bad.pk, hex=bad.pk.hex, good=good.pk) + "\n"
    with pytest.raises(CommandError, match=problem):
        load(tmp_path, text)
    assert not Prediction.objects.exclude(review_status="pending").exists()


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_spreadsheets_of_other_countries_are_read(tmp_path: Path, delimiter: str) -> None:
    rows.operator()
    row = rows.prediction()
    load(tmp_path, f"id,true_label\n{row.pk},7\n".replace(",", delimiter))
    row.refresh_from_db()
    assert row.true_label == 7


def test_labels_of_an_export_are_read_whole(tmp_path: Path) -> None:
    olive, row = rows.operator(), rows.prediction()
    row.review(olive, "accepted", 7, expected_version=row.row_version)
    table = ",".join(CSV_COLUMNS), ",".join(map(str, ["7/x.png", *csv_values(row)]))
    assert "1 has its label already" in load(tmp_path, "\n".join(table))


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("", "the columns 'id' and 'true_label' must be named"),
        ("\n", "the columns 'id' and 'true_label' must be named"),
        ("a,b", "the columns 'id' and 'true_label' must be named"),
        ("sep=;", "the columns 'id' and 'true_label' must be named"),
        ("ID,true_label", "the columns 'id' and 'true_label' must be named"),
        ("id,true_label,true_label", "the column 'true_label' stands there twice"),
        ("id,true_label,id", "the column 'id' stands there twice"),
        ("id,true_label,label", "there is no column 'label' in an export"),
        ("id,true_label,", "there is no column '' in an export"),
    ],
)
def test_a_header_that_is_not_understood_is_refused(tmp_path: Path, header: str, problem: str) -> None:
    rows.operator()
    row = rows.prediction()
    with pytest.raises(CommandError, match=f"Line 1: {problem}"):
        load(tmp_path, f"{header}\n{row.pk},7,8\n")
    row.refresh_from_db()
    assert row.review_status == "pending"


def test_an_unknown_operator_or_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no account"):
        load(tmp_path, "", operator="nobody")
    rows.operator()
    with pytest.raises(CommandError, match="can't be read"):
        call_command("import_labels", tmp_path / "missing.csv", operator="olive")


def upload(client: Client, content: bytes, button: str, as_of: str = "") -> str:
    form = {"file": SimpleUploadedFile("labels.csv", content), button: ""}
    shown = {"as_of": as_of or hidden(client, PAGE)["as_of"]}
    return client.post(PAGE, form | shown, follow=True).content.decode()


def test_the_admin_shows_a_dry_run_and_then_imports(client: Client) -> None:
    client.force_login(rows.operator())
    row = rows.prediction()
    content = f"id,true_label\n{row.pk},7\n".encode()
    assert "1 would change" in upload(client, content, "dry_run")
    row.refresh_from_db()
    assert row.true_label is None
    assert "1 prediction accepted." in upload(client, content, "import")
    row.refresh_from_db()
    assert row.true_label == 7


def test_the_admin_writes_over_no_decision_that_is_newer_than_its_page(client: Client) -> None:
    olive = rows.operator()
    client.force_login(olive)
    row, other = rows.prediction(), rows.prediction()
    content, shown = f"id,true_label\n{row.pk},7\n{other.pk},7\n".encode(), hidden(client, PAGE)["as_of"]
    row.review(rows.operator("otto"), "accepted", 3, expected_version=row.row_version)
    page = upload(client, content, "import", shown)
    assert f"Line 2: somebody decided on {row.pk} after this page was shown" in page
    assert "nothing is imported" in page
    assert "2 predictions accepted" in upload(client, content, "import")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("roles")
def test_the_admin_writes_over_no_decision_that_is_made_at_that_moment(client: Client) -> None:
    client.force_login(rows.operator())
    row, otto = rows.prediction(), rows.operator("otto")
    content, shown = f"id,true_label\n{row.pk},7\n".encode(), hidden(client, PAGE)["as_of"]
    with meanwhile(partial(row.review, otto, "accepted", 3, expected_version=row.row_version)):
        page = upload(client, content, "import", shown)
    assert f"Line 2: somebody decided on {row.pk} after this page was shown" in page
    row.refresh_from_db()
    assert (row.true_label, row.reviewed_by) == (3, otto)


def test_the_admin_imports_in_the_hour_that_happens_twice(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    taken_back = {"old_review_status": "accepted", "old_true_label": 3, "review_status": "pending"}
    client.force_login(rows.operator())
    otto = rows.operator("otto")
    for hour in (0, 1):  # 02:30 in summer time, and again in winter time
        now = datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
        before, after = rows.prediction(), rows.prediction()
        for row, minutes in ((before, -20), (after, 20)):
            at = now + timedelta(minutes=minutes)
            LabelChange.objects.create(prediction=row, at=at, by=otto, **taken_back)
        with monkeypatch.context() as patch:
            patch.setattr(timezone, "now", lambda now=now: now)
            shown = hidden(client, PAGE)["as_of"]
        page = upload(client, f"id,true_label\n{after.pk},7\n".encode(), "import", shown)
        assert f"somebody decided on {after.pk} after this page was shown" in page
        page = upload(client, f"id,true_label\n{before.pk},7\n".encode(), "import", shown)
        assert "1 prediction accepted" in page


def test_the_admin_imports_a_file_that_is_sent_twice_once(client: Client) -> None:
    client.force_login(rows.operator())
    row, shown = rows.prediction(), hidden(client, PAGE)["as_of"]
    for accepted in ("1 prediction", "0 predictions"):
        page = upload(client, f"id,true_label\n{row.pk},7\n".encode(), "import", shown)
        assert f"{accepted} accepted" in page
    assert row.changes.count() == 1


def test_the_admin_names_bad_lines(client: Client) -> None:
    client.force_login(rows.operator())
    assert "Line 2: not an id" in upload(client, b"id,true_label\nx,7\n", "import")
    unclosed = b'id,true_label\n"' + 200_000 * b"x"
    assert "Line 2: this is not CSV" in upload(client, unclosed, "import")
    assert "not a text file" in upload(client, b"\xff\xfe\x00", "import")
