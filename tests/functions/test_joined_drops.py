# SPDX-License-Identifier: Apache-2.0
"""Incremental drops that are imported together: one that is refused costs its own rows alone, and leaves no copy."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from personalization.errors import Rejected

from functions.validate_drop import app
from tests.functions.fakes import ARN, FakePersonalize
from tests.functions.samples import BUCKET, Drop, Event, interactions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FOLDER = "drops/demo/interactions/incremental/"
COLUMNS = ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE")
SCHEMA = {"fields": [{"name": name, "type": "long" if name == "TIMESTAMP" else "string"} for name in COLUMNS]}
GOOD, BAD = interactions(700), "USER_ID,ITEM_ID\nu1,i1\n"


@pytest.fixture
def existing(personalize: FakePersonalize) -> None:
    """A shop that has interactions."""
    personalize.says("DescribeDatasetGroup", {"datasetGroup": {"status": "ACTIVE", "domain": "ECOMMERCE"}})
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/x"}})
    personalize.says("DescribeSchema", {"schema": {"schema": json.dumps(SCHEMA)}})


def dropped(drop: Drop, *contents: str) -> Event:
    """The request to check several files, of which the first one is the newest."""
    events = [drop(f"{FOLDER}{number}.csv", content) for number, content in enumerate(contents)]
    also = [{"id": str(number), "key": event["key"]} for number, event in enumerate(events)]
    return {**events[0], "id": "0", "also": also[1:]}


def handler(event: Event) -> Any:  # noqa: ANN401 - the plan's JSON
    return app.handler(event, None)


def copies(bucket: "S3Client") -> list[str]:
    found = bucket.list_objects_v2(Bucket=BUCKET, Prefix="imports/").get("Contents", [])
    return [each["Key"].rpartition("/")[2] for each in found]


@pytest.mark.usefixtures("existing")
def test_files_that_are_imported_together_are_parts_of_one_copy(drop: Drop, bucket: "S3Client") -> None:
    plan = handler(dropped(drop, GOOD, GOOD, GOOD))
    assert (plan["rows"], plan["leftOut"]) == (2100, [])
    assert copies(bucket) == ["part-0.csv", "part-1.csv", "part-2.csv"]


@pytest.mark.usefixtures("existing")
@pytest.mark.parametrize(("contents", "bad"), [((GOOD, BAD, GOOD), 1), ((BAD, GOOD, GOOD), 0), ((GOOD, GOOD, BAD), 2)])
def test_one_that_is_refused_is_left_out(contents: tuple[str, ...], bad: int, drop: Drop, bucket: "S3Client") -> None:
    event = dropped(drop, *contents)
    stale = f"imports/demo/{event['run']}/interactions/part-{bad}.csv"
    bucket.put_object(Bucket=BUCKET, Key=stale, Body=b"of an attempt before this one")
    plan = handler(event)
    assert plan["rows"] == 1400
    (left,) = plan["leftOut"]
    assert (left["id"], left["outcome"], "TIMESTAMP" in left["reason"]) == (str(bad), "refused", True)
    assert copies(bucket) == [f"part-{part}.csv" for part in range(3) if part != bad]


@pytest.mark.usefixtures("existing")
def test_nothing_is_left_where_all_are_refused(drop: Drop, bucket: "S3Client") -> None:
    with pytest.raises(Rejected, match=r"0\.csv: .*TIMESTAMP.*1\.csv: .*TIMESTAMP"):
        handler(dropped(drop, BAD, BAD))
    assert copies(bucket) == []
