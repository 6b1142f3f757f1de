# SPDX-License-Identifier: Apache-2.0
"""Exports as shops have them, from the file to the import, by the settings that `local map` proposes."""

import csv
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from functions.validate_drop.app import handler
from local.cli import mapping
from local.cli.main import parser
from local.cloud.folders import read_folder
from local.terminal.output import Terminal
from tests.exports.makers import EXPORTS, Imported
from tests.handlers.samples import BUCKET

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "personalize")
DOCUMENT = Path(__file__).parents[2] / "docs" / "exports.md"
SETTINGS = "drops/shop/settings.yaml"


def dropped(bucket: "S3Client", path: Path) -> str:
    """Put a file, or a folder of parts, where a shop drops it; the key that starts the run."""
    if path.is_dir():
        folder = read_folder("shop", "interactions", path, incremental=False)
        folder.upload(bucket, BUCKET, lambda _text, _share: None)
        return folder.key
    key = f"drops/shop/interactions/{path.name}"
    bucket.upload_file(str(path), BUCKET, key)
    return key


def imported(bucket: "S3Client") -> Counter[Imported]:
    """What the import copy has."""
    imported_rows = Counter[Imported]()
    for content in bucket.list_objects_v2(Bucket=BUCKET, Prefix="imports/shop/run-1/interactions/")["Contents"]:
        lines = bucket.get_object(Bucket=BUCKET, Key=content["Key"])["Body"].read().decode().splitlines()
        for row in csv.DictReader(lines, escapechar="\\", doublequote=False):
            imported_rows[row["USER_ID"], row["ITEM_ID"], int(row["TIMESTAMP"]), row["EVENT_TYPE"]] += 1
    return imported_rows


def proposed(path: Path, *options: str) -> Path:
    """The settings that the operator's command writes for an export."""
    settings = path.parent / "settings.yaml"
    assert mapping.main(parser().parse_args(["map", str(path), "--write", str(settings), *options]), Terminal()) == 0
    return settings


@pytest.mark.parametrize(("name", "options"), [("exports.md", ()), ("exports.ko.md", ("--language", "ko"))])
def test_the_document_shows_the_proposal_as_it_is(name: str, options: tuple[str, ...], tmp_path: Path) -> None:
    text = proposed(EXPORTS["Korean ERP"].made(tmp_path), *options).read_text()
    assert f"```yaml\n{text}```\n" in DOCUMENT.with_name(name).read_text()


def test_the_documents_count_the_programs() -> None:
    number = len(EXPORTS)
    assert f"## {number} programs\n" in DOCUMENT.read_text()
    told = "".join((DOCUMENT.parent / page).read_text() for page in ("my-shop.md", "settings/files.md"))
    assert told.lower().count(f"exports of {number} programs") == 2


def test_settings_name_the_file_of_a_dropped_zip(bucket: "S3Client", tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(proposed(EXPORTS["pandas"].made(tmp_path)), "readme.yaml")
        archive.write(tmp_path / "frame.csv", "2026/orders-01.csv")
    settings = (tmp_path / "settings.yaml").read_text().replace("interactions:\n", "interactions:\n  member: orders*\n")
    bucket.put_object(Bucket=BUCKET, Key=SETTINGS, Body=settings.encode())
    handler({"bucket": BUCKET, "key": dropped(bucket, path), "run": "run-1"}, None)
    assert imported(bucket) == EXPORTS["pandas"].expected()


@pytest.mark.parametrize("program", EXPORTS)
def test_an_export_is_imported_to_the_row(program: str, bucket: "S3Client", tmp_path: Path) -> None:
    export = EXPORTS[program]
    path = export.made(tmp_path)
    bucket.upload_file(str(proposed(path)), BUCKET, SETTINGS)
    plan = handler({"bucket": BUCKET, "key": dropped(bucket, path), "run": "run-1"}, None)
    assert imported(bucket) == export.expected()
    assert plan["rejects"] == export.left_out()
