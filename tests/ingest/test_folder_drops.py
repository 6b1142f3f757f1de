# SPDX-License-Identifier: Apache-2.0
"""A folder of parts is checked, reported and imported as one drop."""

import csv
import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from personalization.core.errors import Rejected
from personalization.shop.plan import Plan

from functions.validate_drop.app import handler
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.samples import BUCKET, Drop, Event, interactions, load

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws", "personalize")
FOLDER = "drops/demo/interactions/2026-11/"
HEADER, *ROWS = interactions(1_200).splitlines(keepends=True)


def dropped(drop: Drop, parts: dict[str, str | bytes], marker: str = "_SUCCESS", content: str = "") -> Event:
    """Put parts into a folder in any order, and the marker last."""
    for name, data in reversed(parts.items()):
        drop(FOLDER + name, data)
    return drop(FOLDER + marker, content)


def read(bucket: "S3Client", key: str) -> bytes:
    return bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def imported(bucket: "S3Client", event: Event) -> list[str]:
    """The rows of all copies, in the order of their keys."""
    prefix = f"imports/demo/{event['run']}/interactions/"
    keys = [content["Key"] for content in bucket.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]]
    return [row for key in keys for row in read(bucket, key).decode().splitlines()[1:]]


def report(bucket: "S3Client", event: Event) -> Any:  # noqa: ANN401 - it is JSON
    return json.loads(read(bucket, f"reports/demo/{event['run']}/data-interactions.json"))


def test_parts_are_one_drop_with_one_report(drop: Drop, bucket: "S3Client") -> None:
    parts: dict[str, str | bytes] = {
        "part-0.csv": HEADER + "".join(ROWS[:500]),
        "part-1.csv": b"",
        "part-2.csv.gz": HEADER + "".join(ROWS[500:900]),
        "part-3.csv": HEADER,
        "part-4": HEADER + "".join(ROWS[900:] + ROWS[:7]) + "u1,i1,soon,1\n",
        ".part-4.crc": b"\0",
        "part-5.csv": b"\n\n",
    }
    event = dropped(drop, parts)
    plan = handler(event, None)
    assert (plan["rows"], plan["rejects"], plan["outcome"]) == (1_207, 1, "imported")
    users_items_times = [row.rpartition(",")[0] for row in (*ROWS, *ROWS[:7])]
    assert [row.rpartition(",Purchase,")[0] for row in imported(bucket, event)] == users_items_times
    told = report(bucket, event)
    assert (told["key"], told["rows"]["duplicates"]) == (f"{FOLDER}_SUCCESS", 7)
    assert told["notes"][0] == "the drop has 6 parts"
    (refused,) = told["refused"]
    assert [(example["part"], example["line"]) for example in refused["examples"]] == [("part-4", 309)]
    records = list(csv.reader(io.StringIO(read(bucket, f"rejects/demo/{event['run']}/interactions.csv").decode())))
    assert records[0] == ["part", "line", "reason", "row"]
    assert [record[:2] for record in records[1:]] == [["part-4", "309"]]


def test_parts_need_no_header_where_a_manifest_names_the_columns(drop: Drop, bucket: "S3Client") -> None:
    parts: dict[str, str | bytes] = {"a": "".join(ROWS[:700]), "b": HEADER + "".join(ROWS[700:])}
    entries = [{"key": name, "size": len(data)} for name, data in parts.items()]
    manifest = {"entries": entries, "columns": ["user_id", "Item Id", "timestamp", "event_value"]}
    event = dropped(drop, parts, "manifest.json", json.dumps(manifest))
    plan = handler(event, None)
    assert (plan["rows"], plan["rejects"]) == (1_200, 0)
    assert imported(bucket, event)[0].startswith("u0,i0,")


def parquet(first: int, end: int, times: type[pl.Int32 | pl.Int64 | pl.String]) -> bytes:
    file = io.BytesIO()
    frame = pl.read_csv(io.StringIO(HEADER + "".join(ROWS[first:end])))
    frame.with_columns(pl.col("TIMESTAMP").cast(times)).write_parquet(file)
    return file.getvalue()


def test_parts_in_parquet_may_hold_no_rows_and_need_types_of_one_kind(drop: Drop, bucket: "S3Client") -> None:
    parts: dict[str, str | bytes] = {
        "0.parquet": parquet(0, 600, pl.Int64),
        "1.parquet": parquet(0, 0, pl.Int32),
        "2": parquet(600, 1200, pl.Int32),
    }
    event = dropped(drop, parts)
    assert handler(event, None)["rows"] == 1_200
    assert imported(bucket, event)[0] == "u0,i0,1700000000,Purchase,0.5"
    drop(f"{FOLDER}3.parquet", parquet(0, 9, pl.String))
    with pytest.raises(Rejected, match=r"the column TIMESTAMP has whole numbers in 0\.parquet, but text in 3\.parquet"):
        handler(event, None)
    drop(f"{FOLDER}3.parquet", b"PAR1" + bytes(20))
    with pytest.raises(Rejected, match=r"3\.parquet: "):
        handler(event, None)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"a.csv": ROWS[0], "b.csv": ROWS[1]}, "the first row of a.csv has values in place of names of columns: give"),
        ({"a.csv": HEADER + ROWS[0], "b.csv": ROWS[1]}, "the first row of b.csv is not the header of a.csv: give each"),
        (
            {"a.csv": HEADER + ROWS[0], "b.csv": HEADER.replace("EVENT_VALUE", "PRICE") + ROWS[1]},
            "the columns of b.csv differ from those of a.csv: without EVENT_VALUE and with PRICE",
        ),
        (
            {"a.csv": HEADER + ROWS[0], "b.csv": "ITEM_ID,USER_ID,TIMESTAMP,EVENT_VALUE\n"},
            "the columns of b.csv differ from those of a.csv: in another order",
        ),
        ({"a.csv": "", "b.csv": "\n"}, "all parts are empty: one of them must name the columns"),
        ({"a.csv": HEADER, "b.csv.gz": gzip.compress(b"x")[:-4]}, "b.csv.gz: the file is not whole gzip"),
        ({"a.csv": HEADER + ROWS[0], "notes.md": "x"}, "have no ending: notes.md"),
    ],
)
def test_a_folder_is_refused_with_the_name_of_its_part_and_no_persons_id(
    parts: dict[str, str | bytes], reason: str, drop: Drop, bucket: "S3Client"
) -> None:
    event = dropped(drop, {name: data for name, data in parts.items() if not name.endswith(".gz")})
    for name, data in parts.items():
        if name.endswith(".gz") and isinstance(data, bytes):
            bucket.put_object(Bucket=BUCKET, Key=FOLDER + name, Body=data)
    with pytest.raises(Rejected) as refused:
        handler(event, None)
    assert refused.value.resource == f"{FOLDER}_SUCCESS"
    assert reason in refused.value.reason
    assert "u0" not in refused.value.reason
    assert report(bucket, event)["reason"] in refused.value.reason
    assert bucket.list_objects_v2(Bucket=BUCKET, Prefix="imports/").get("KeyCount", 0) == 0


def test_too_many_bad_rows_are_told_with_the_part_of_the_first(drop: Drop, bucket: "S3Client") -> None:
    bad = "".join(f"u{row},i1,soon,1\n" for row in range(200))
    event = dropped(drop, {"a.csv": HEADER + "".join(ROWS), "b.csv": HEADER + ROWS[0] + bad})
    with pytest.raises(Rejected, match=r"200 of 1,401 rows are bad .* \(first: b.csv, line 3\)"):
        handler(event, None)
    assert report(bucket, event)["advice"][0].startswith(f"Correct the parts in {FOLDER}, and write _SUCCESS again: ")


def test_the_same_parts_under_another_marker_are_handled_already(drop: Drop, personalize: FakePersonalize) -> None:
    parts: dict[str, str | bytes] = {"a.csv": HEADER + "".join(ROWS[:600]), "b.csv": HEADER + "".join(ROWS[600:])}
    first = Plan.model_validate(handler(dropped(drop, parts), None))
    personalize.says("DescribeDatasetGroup", {"datasetGroup": {"status": "ACTIVE", "domain": "ECOMMERCE"}})
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/x"}})
    personalize.says("DescribeSchema", {"schema": {"schema": first.schema_.text}})
    earlier = {"content": first.content, "key": f"{FOLDER}_SUCCESS", "run": "run-0"}
    again = {**load("validate_drop"), "key": f"{FOLDER}_SUCCESS", "run": "run-2", "known": earlier, "maySkip": True}
    assert handler(again, None)["outcome"] == "alreadyHandled"
    drop(f"{FOLDER}b.csv", HEADER + "".join(reversed(ROWS[600:])))
    assert handler({**again, "run": "run-3"}, None)["outcome"] == "imported"
