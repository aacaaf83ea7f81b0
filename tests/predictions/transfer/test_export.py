"""Accepted drawings as files."""

import csv
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from django.core.management import CommandError, call_command
from django.test import Client
from PIL import Image

from predictions.models import Prediction
from tests import rows
from training.dataset import _torchvision_mnist

# The export asks for a snapshot of the database, which a test's own transaction cannot give.
pytestmark = pytest.mark.django_db(transaction=True)
EXPORT = "/admin/predictions/prediction/export"


@pytest.fixture
def accepted() -> list[Prediction]:
    """Three digits, one of them of the random sample; one drawing that is none; and two that are left out."""
    olive = rows.operator()
    pictures = np.zeros((4, 28, 28), np.uint8)
    pictures[:, 5:20, 10:14] = [[[50]], [[100]], [[150]], [[200]]]
    strokes = [[[0.0, 1.0], [2.5, 3.0]]]
    made = [rows.prediction(input=picture.tobytes(), strokes=strokes) for picture in pictures]
    for row, label, chosen in zip(made, [3, 1, 4, 10], ["list", "grid", "random", "list"], strict=True):
        row.review(olive, "accepted", label, selected_by=chosen, expected_version=row.row_version)
    rows.prediction()
    row = rows.prediction()
    row.review(olive, "rejected", expected_version=row.row_version)
    return made


def export(format: str, output: Path) -> None:
    call_command("export_labels", format=format, output=output, stdout=io.StringIO())


def test_idx_is_read_by_torchvision(accepted: list[Prediction], tmp_path: Path) -> None:
    export("idx", tmp_path / "digits")
    mnist = _torchvision_mnist()
    train, test = (mnist(tmp_path / "digits", train=train) for train in (True, False))
    assert train.targets.tolist() == [3, 1]
    assert test.targets.tolist() == [4]
    assert train.data.numpy().tobytes() == bytes(accepted[0].input) + bytes(accepted[1].input)
    assert test.data.numpy().tobytes() == accepted[2].input


def test_png_has_a_folder_a_label_and_a_table(accepted: list[Prediction], tmp_path: Path) -> None:
    export("png", tmp_path / "pictures")
    with (tmp_path / "pictures/labels.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [(line["id"], line["true_label"]) for line in table] == [
        (str(row.pk), str(row.true_label)) for row in accepted
    ]
    for row, line in zip(accepted, table, strict=True):
        picture = Image.open(tmp_path / "pictures" / line["file"])
        assert line["file"].startswith(f"{row.true_label}/")
        assert picture.tobytes() == row.input


def test_json_lines_have_the_strokes(accepted: list[Prediction], tmp_path: Path) -> None:
    export("jsonl", tmp_path / "drawings.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "drawings.jsonl").read_text().splitlines()]
    assert [line["true_label"] for line in lines] == [3, 1, 4, 10]
    assert lines[0]["strokes"] == [[[0.0, 1.0], [2.5, 3.0]]]
    assert bytes.fromhex(lines[0]["input"]) == accepted[0].input


def test_what_exists_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="exists already"):
        export("idx", tmp_path)


def test_an_empty_log_gives_no_files(tmp_path: Path) -> None:
    export("idx", tmp_path / "digits")
    assert not list((tmp_path / "digits").rglob("*ubyte"))


@pytest.mark.parametrize("chosen", ["list", "random"])
@pytest.mark.parametrize(("count", "tenth"), [(2, 1), (10, 1), (19, 1), (20, 2)])
def test_torchvision_reads_both_sets_where_the_random_sample_is_empty_or_all(
    tmp_path: Path, count: int, tenth: int, chosen: str
) -> None:
    olive = rows.operator()
    for number in range(count):
        row = rows.prediction(lottery=number / count)
        row.review(olive, "accepted", number % 10, selected_by=chosen, expected_version=row.row_version)
    export("idx", tmp_path / "digits")
    train, test = (_torchvision_mnist()(tmp_path / "digits", train=train) for train in (True, False))
    assert test.targets.tolist() == list(range(tenth))
    assert len(train) + len(test) == count


@pytest.mark.parametrize("format", ["idx", "png", "parquet", "jsonl"])
def test_the_admin_streams_what_the_command_writes(
    accepted: list[Prediction], tmp_path: Path, client: Client, format: str
) -> None:
    client.force_login(rows.operator("tina", "export_prediction"))
    answer: Any = client.get(f"{EXPORT}/{format}/")
    sent = b"".join(answer.streaming_content)
    export(format, tmp_path / "written")
    if format == "jsonl":
        assert sent == (tmp_path / "written").read_bytes()
        return
    with tarfile.open(fileobj=io.BytesIO(sent)) as archive:
        archive.extractall(tmp_path / "sent", filter="data")
    written = {
        path.relative_to(tmp_path / "written"): path.read_bytes() for path in files(tmp_path / "written")
    }
    assert written == {
        path.relative_to(tmp_path / "sent"): path.read_bytes() for path in files(tmp_path / "sent")
    }


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_who_may_not_export_is_refused(client: Client) -> None:
    client.force_login(rows.operator())
    assert client.get(f"{EXPORT}/idx/").status_code == 403
    client.force_login(rows.operator("tina", "export_prediction"))
    assert client.get(f"{EXPORT}/exe/").status_code == 404


def test_second_export_at_a_time_is_told_to_come_back(
    accepted: list[Prediction], admin_client: Client
) -> None:
    first = admin_client.get(f"{EXPORT}/jsonl/")
    refused = [admin_client.get(f"{EXPORT}/{name}/") for name in ("jsonl", "idx", "png")]
    assert {(answer.status_code, answer["Retry-After"]) for answer in refused} == {(503, "30")}
    assert admin_client.head(f"{EXPORT}/idx/").status_code == 200
    assert b"".join(first).count(b"\n") == 4
    first.close()
    assert admin_client.get(f"{EXPORT}/jsonl/").status_code == 200


def test_export_whose_client_hangs_up_makes_room_for_the_next(
    accepted: list[Prediction], admin_client: Client
) -> None:
    for _ in range(3):
        answer = admin_client.get(f"{EXPORT}/png/")
        assert answer.status_code == 200
        next(iter(answer))
        answer.close()


def test_parquet_holds_pictures_and_labels_as_hugging_face_writes_them(
    accepted: list[Prediction], tmp_path: Path
) -> None:
    """The columns, their types and the metadata are those of `datasets`' own files."""
    export("parquet", tmp_path / "dataset")
    train, test = (pq.read_table(tmp_path / f"dataset/data/{name}.parquet") for name in ("train", "test"))
    assert (train["label"].to_pylist(), test["label"].to_pylist()) == ([3, 1, 10], [4])
    [line] = test.to_pylist()
    assert (line["id"], line["selected_by"], line["claimed"]) == (str(accepted[2].pk), "random", None)
    picture = Image.open(io.BytesIO(line["image"]["bytes"]))
    assert picture.tobytes() == bytes(accepted[2].input)
    features = json.loads(test.schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == test.column_names
    assert features["image"] == {"_type": "Image"}
    assert features["label"]["names"][10] == "not a digit"


def test_the_data_card_names_every_file_and_column(accepted: list[Prediction], tmp_path: Path) -> None:
    export("parquet", tmp_path / "dataset")
    _, head, text = (tmp_path / "dataset/README.md").read_text().split("---\n")
    card = yaml.safe_load(head)
    [config] = card["configs"]
    for part in config["data_files"]:
        assert (tmp_path / "dataset" / part["path"]).is_file()
    columns = [feature["name"] for feature in card["dataset_info"]["features"]]
    assert columns == pq.read_schema(tmp_path / "dataset/data/test.parquet").names
    names = card["dataset_info"]["features"][2]["dtype"]["class_label"]["names"]
    assert (names["4"], names["10"]) == ("4", "not a digit")
    assert "3 for train, 1 for test" in text


def test_a_log_without_a_decision_gives_an_empty_training_set(tmp_path: Path) -> None:
    export("parquet", tmp_path / "dataset")
    assert pq.read_table(tmp_path / "dataset/data/train.parquet").num_rows == 0


def test_a_web_process_does_without_pyarrow() -> None:
    code = """
import django, sys
django.setup()
import mnistsite.urls
print(sorted({'pyarrow', 'scipy.stats', 'torch'} & sys.modules.keys()))
"""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "mnistsite.settings", "SECRET_KEY": "x"}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
