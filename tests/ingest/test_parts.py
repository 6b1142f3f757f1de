# SPDX-License-Identifier: Apache-2.0
"""Which objects of a folder are a drop, as of its marker."""

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from moto import mock_aws
from moto.s3.models import s3_backends
from personalization.core.aws import clients
from personalization.core.errors import Rejected
from personalization.ingest import parts
from personalization.ingest.source import Source
from personalization.shop.keys import recognise
from personalization.shop.settings.settings import ShopSettings
from table_intake.read.parts import Parts

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")

FOLDER = "drops/demo/interactions/2026-11/"


class Folder:
    """A folder of a versioned bucket, whose clock goes on by a minute with each object."""

    def __init__(self, s3: "S3Client") -> None:
        self.s3 = s3
        # Tests of a module share a moto.
        self.bucket = f"versioned-{uuid.uuid4()}"
        s3.create_bucket(Bucket=self.bucket)
        s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        self.now = datetime(2026, 11, 27)  # noqa: DTZ001 - as moto keeps it

    def put(self, name: str, content: str = "x") -> str:
        version = self.s3.put_object(Bucket=self.bucket, Key=FOLDER + name, Body=content.encode())["VersionId"]
        self._date(name)
        return version

    def remove(self, name: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=FOLDER + name)
        self._date(name)

    def _date(self, name: str) -> None:
        self.now += timedelta(minutes=1)
        (backend,) = s3_backends.values()
        backend["aws"].buckets[self.bucket].keys.getlist(FOLDER + name)[-1].last_modified = self.now

    def manifest(self, entries: Mapping[str, int], **more: object) -> str:
        listed = [{"key": name, "size": size} for name, size in entries.items()]
        return self.put("manifest.json", json.dumps({"entries": listed, **more}))

    def parts(self, version: str | None, marker: str = "_SUCCESS") -> Parts:
        return Source.find(self.s3, self.bucket, recognise(FOLDER + marker), version).parts

    def refusal(self, version: str | None, marker: str = "_SUCCESS") -> str:
        with pytest.raises(Rejected) as refused:
            self.parts(version, marker)
        assert refused.value.resource == FOLDER + marker
        return refused.value.reason


@pytest.fixture
def folder() -> Iterator[Folder]:
    with mock_aws():
        clients.forget()
        yield Folder(clients.s3())
        clients.forget()


def names(parts: Parts) -> list[str]:
    return [part.name for part in parts.every]


def test_parts_come_in_any_order_and_are_read_by_name_in_the_versions_at_the_marker(folder: Folder) -> None:
    folder.put("part-2.csv", "old")
    folder.put("part-1.csv", "one")
    second = folder.put("part-2.csv", "second")
    folder.put("part-9.csv", "removed before")
    folder.remove("part-9.csv")
    for other in ("_committed_17", ".part-1.csv.crc", "_temporary/0/part-1.csv", "sub/"):
        folder.put(other)
    marker = folder.put("_SUCCESS", "")
    folder.put("part-3.csv", "late")
    folder.put("part-1.csv", "replaced")
    parts = folder.parts(marker)
    assert [(part.name, part.size) for part in parts.every] == [("part-1.csv", 3), ("part-2.csv", 6)]
    assert parts.every[1].version_id == second
    assert parts.size == 9
    assert parts.notes == (
        "came after the marker, and ignored until the next one: part-3.csv",
        "changed after the marker, and read as before until the next one: part-1.csv",
    )


def test_the_first_check_of_a_marker_fixes_its_parts_and_a_new_marker_has_its_own(folder: Folder) -> None:
    folder.put("a.csv")
    first = folder.put("_SUCCESS", "")
    parts = folder.parts(first)
    folder.put("b.csv")
    # S3 dates an upload in parts by its beginning.
    folder.now -= timedelta(hours=1)
    folder.put("0.csv")
    folder.now += timedelta(hours=1)
    assert folder.parts(first) == parts
    assert names(folder.parts(folder.put("_SUCCESS", ""))) == ["0.csv", "a.csv", "b.csv"]


def test_a_marker_means_what_was_there_whenever_it_is_first_checked(folder: Folder) -> None:
    folder.put("a.csv")
    # S3 dates in seconds: what has the marker's own was written before it.
    folder.now -= timedelta(minutes=1)
    first = folder.put("_SUCCESS", "")
    folder.put("b.csv")
    second = folder.put("_SUCCESS", "")
    assert [names(folder.parts(marker)) for marker in (second, first)] == [["a.csv", "b.csv"], ["a.csv"]]


def test_a_part_that_is_replaced_or_deleted_during_the_run_is_read_as_it_was(folder: Folder) -> None:
    for name in ("a.csv", "b.csv"):
        folder.put(name, f"content of {name}")
    marker = folder.put("_SUCCESS", "")
    source = Source.find(folder.s3, folder.bucket, recognise(f"{FOLDER}_SUCCESS"), marker)
    before = source.content("items", ShopSettings())
    folder.put("a.csv", "other")
    folder.remove("b.csv")
    again = Source.find(folder.s3, folder.bucket, recognise(f"{FOLDER}_SUCCESS"), marker)
    assert again.content("items", ShopSettings()) == before
    assert before.startswith("32-")


def test_without_versions_the_marker_stands_for_what_is_there(folder: Folder) -> None:
    folder.s3.create_bucket(Bucket="plain")
    for name in ("b", "a", "_SUCCESS"):
        folder.s3.put_object(Bucket="plain", Key=FOLDER + name, Body=name.encode())
    parts = Source.find(folder.s3, "plain", recognise(f"{FOLDER}_SUCCESS"), None).parts
    assert [(part.name, part.version_id) for part in parts.every] == [("a", None), ("b", None)]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], "there are no parts beside the marker"),
        (["date=2026-11-01/part-0.csv", "part-0.csv"], "in further folders: date=2026-11-01/part-0.csv; write all"),
        (["part-0.csv", "part-1.orc", "notes.md"], "have no ending: notes.md, part-1.orc"),
        (["part-0.parquet", "_delta_log/0.json"], "it is a Delta table"),
        (["part-0.csv", "manifest.json"], "several markers (_SUCCESS, manifest.json): leave one of them"),
    ],
)
def test_a_folder_with_other_things_than_parts_is_refused_by_name(
    files: list[str], reason: str, folder: Folder
) -> None:
    for file in files:
        folder.put(file)
    assert reason in folder.refusal(folder.put("_SUCCESS", ""))


def test_a_part_that_is_deleted_after_the_marker_refuses_the_drop_as_its_own_deletion_does(folder: Folder) -> None:
    for name in ("a.csv", "b.csv"):
        folder.put(name)
    marker = folder.put("_SUCCESS", "")
    folder.remove("b.csv")
    assert folder.refusal(marker) == "deleted after the marker was written: b.csv"
    folder.remove("_SUCCESS")
    assert folder.refusal(marker) == "the object is no longer there"


def test_more_parts_than_a_drop_may_have_are_refused_with_advice(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MOST_PARTS", 2)
    for name in "abc":
        folder.put(name)
    marker = folder.put("_SUCCESS", "")
    reason = folder.refusal(marker)
    monkeypatch.setattr(parts, "MOST_PARTS", 3)
    assert names(folder.parts(marker)) == ["a", "b", "c"]
    assert reason == "the folder has 3 parts; a drop may have 2: write fewer and larger ones"


def test_a_manifest_is_held_against_the_folder_and_every_difference_is_named(folder: Folder) -> None:
    for name in ("a.csv", "b.csv", "d.csv"):
        folder.put(name, "12345")
    reason = folder.refusal(
        folder.manifest({"a.csv": 5, "b.csv": 6, "c.csv": 5, "../x.csv": 5}), marker="manifest.json"
    )
    assert reason == (
        "outside the manifest's folder: ../x.csv; in the manifest, and not there when it was written: c.csv; "
        "other sizes than in the manifest: b.csv (5 bytes, not 6); missing in the manifest: d.csv"
    )


def test_a_manifest_tells_once_what_of_it_is_missing_or_elsewhere(folder: Folder) -> None:
    folder.put("a.csv")
    marker = folder.manifest({"a.csv": 1})
    folder.remove("a.csv")
    assert folder.refusal(marker, "manifest.json") == "deleted after the marker was written: a.csv"
    reason = folder.refusal(folder.manifest({"c.csv": 1}), "manifest.json")
    assert reason == "in the manifest, and not there when it was written: c.csv"
    folder.put("a.csv")
    urls = [{"url": f"s3://{bucket}/{name}.csv"} for bucket, name in (("one", "a"), ("two", "b"))]
    reason = folder.refusal(folder.put("manifest.json", json.dumps({"entries": urls})), "manifest.json")
    assert reason.startswith("outside the manifest's folder: s3://one/a.csv, s3://two/b.csv")


def test_a_manifest_needs_no_sizes_and_has_a_bound(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.put("a.csv")
    marker = folder.put("manifest.json", '{"entries": [{"key": "a.csv"}]}')
    monkeypatch.setattr(parts, "_MANIFEST_BYTES", 9)
    assert folder.refusal(marker, "manifest.json") == "the manifest has more than 0 MB"
    monkeypatch.undo()
    assert names(folder.parts(marker, "manifest.json")) == ["a.csv"]


def test_a_manifest_may_name_whole_keys_and_the_columns(folder: Folder) -> None:
    folder.put("0000_part_00", "12345")
    parts = folder.parts(folder.manifest({f"{FOLDER}0000_part_00": 5}, columns=["id", "at"]), "manifest.json")
    assert (names(parts), parts.columns) == (["0000_part_00"], ("id", "at"))


@pytest.mark.parametrize("unloaded", [None, "s3://warehouse/unload/"])
def test_a_manifest_of_redshift_is_read_as_it_is(folder: Folder, unloaded: str | None) -> None:
    document = {
        "entries": [
            {
                "url": f"{unloaded or f's3://{folder.bucket}/{FOLDER}'}sold_000{number}_part_00",
                "meta": {"content_length": 4, "record_count": 1},
            }
            for number in range(2)
        ],
        "schema": {"elements": [{"name": "user_id", "type": {"base": "integer"}}, {"name": "at", "type": {}}]},
        "meta": {"content_length": 8, "record_count": 2},
        "author": {"name": "Amazon Redshift", "version": "1.0"},
    }
    for number in range(2):
        folder.put(f"sold_000{number}_part_00", f"u{number},7")
    parts = folder.parts(folder.put("sold_manifest", json.dumps(document)), "sold_manifest")
    reason = folder.refusal(folder.put("sold_manifest", json.dumps(document).replace(": 4", ": 5")), "sold_manifest")
    assert reason.startswith("other sizes than in the manifest: sold_0000_part_00 (4 bytes, not 5)")
    assert (names(parts), parts.columns) == (["sold_0000_part_00", "sold_0001_part_00"], ("user_id", "at"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Invalid JSON"),
        ('{"files": []}', "entries: Field required"),
        ('{"entries": [{"key": 1}]}', "entries.0.key: Input should be a valid string"),
        ('{"entries": []}', "the manifest names no parts"),
    ],
)
def test_a_manifest_of_another_form_is_refused_with_the_form(text: str, reason: str, folder: Folder) -> None:
    refused = folder.refusal(folder.put("manifest.json", text), "manifest.json")
    assert reason in refused
    assert ('its form is {"entries"' in refused) == ("names no parts" not in refused)


def test_a_lone_file_is_its_only_part(folder: Folder) -> None:
    folder.s3.put_object(Bucket=folder.bucket, Key="drops/demo/users/u.csv", Body=b"12345")
    parts = Source.find(folder.s3, folder.bucket, recognise("drops/demo/users/u.csv"), None).parts
    assert [(part.key, part.version_id, part.size, part.name) for part in parts.every] == [
        ("drops/demo/users/u.csv", None, 5, "")
    ]
