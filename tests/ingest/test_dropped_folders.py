# SPDX-License-Identifier: Apache-2.0
"""A folder on the laptop becomes a drop of parts that its run accepts."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from personalization.ingest.source import Source
from personalization.shop.keys import recognise

from local.cloud.folders import read_folder
from tests.handlers.samples import BUCKET

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    folder = tmp_path / "2026-11"
    folder.mkdir()
    for name in ("b.csv", "a.csv", ".a.csv.crc", "_committed_1"):
        (folder / name).write_text(name)
    return folder


def test_the_marker_is_a_manifest_and_comes_last(parts: Path, bucket: "S3Client") -> None:
    told: list[tuple[str, float]] = []
    folder = read_folder("demo", "items", parts, incremental=True)
    folder.upload(bucket, BUCKET, lambda text, share: told.append((text, share)))
    assert told == [("a.csv", 0.0), ("b.csv", 0.5), ("manifest.json", 1.0)]
    assert folder.key == "drops/demo/items/incremental/2026-11/manifest.json"
    listed = Source.find(bucket, BUCKET, recognise(folder.key), None).parts
    assert [part.name for part in listed.every] == ["a.csv", "b.csv"]
    manifest = json.loads(bucket.get_object(Bucket=BUCKET, Key=folder.key)["Body"].read())
    assert manifest == {"entries": [{"key": "a.csv", "size": 5}, {"key": "b.csv", "size": 5}]}


def test_a_folder_that_is_dropped_again_leaves_nothing_of_the_one_before(parts: Path, bucket: "S3Client") -> None:
    read_folder("demo", "items", parts).upload(bucket, BUCKET, lambda _text, _share: None)
    (parts / "a.csv").rename(parts / "c.csv")
    (parts / "_SUCCESS").touch()
    folder = read_folder("demo", "items", parts)
    folder.upload(bucket, BUCKET, lambda _text, _share: None)
    assert folder.key.endswith("/_SUCCESS")
    listed = Source.find(bucket, BUCKET, recognise(folder.key), None).parts
    assert [part.name for part in listed.every] == ["b.csv", "c.csv"]
