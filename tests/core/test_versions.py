# SPDX-License-Identifier: Apache-2.0
"""What is from before 0.1.0 is refused with a sentence that says what to do, and stays as it is."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from personalization.core.errors import Rejected
from personalization.runs import concurrent_drops
from personalization.runs.claims import Claim
from personalization.runs.leases import Run
from personalization.runs.store import DynamoLedger, StateMachine
from personalization.shop.records import item_files, item_table, release_store
from personalization.shop.records.item_table import Table

from functions.claim_drop.app import handler as claim_drop
from functions.evaluate_release.app import handler as evaluate_release
from functions.get_recommendations.app import handler as get_recommendations
from functions.import_data.app import handler as import_data
from functions.judge_release.app import handler as judge_release
from functions.keep_house.app import handler as keep_house
from functions.record_events.app import handler as record_events
from functions.train_solution.app import handler as train_solution
from functions.update_campaign.app import handler as update_campaign
from tests.handlers.queues import Context
from tests.handlers.samples import BUCKET, RELEASE, TABLE, body, judged, load

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")

Handler = Callable[[Any, Any], Any]
CLAIM = Claim(id="1", shop="demo", kind="users", key="drops/demo/users/a.csv").as_json()
REMOVE = "remove the shop, and drop its files again"


def of_before(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "version"}


@pytest.mark.parametrize(
    ("record", "function", "event"),
    [
        (RELEASE, judge_release, "judge_release_rollback"),
        ({**RELEASE, "record": "release#2026-11-24T08:30:00Z"}, update_campaign, "update_campaign_restore"),
        (judged("demo", "run-1", "2026-11-25", {}), judge_release, "judge_release_override"),
        ({**CLAIM, "record": "drop#1"}, claim_drop, "claim_drop_claim"),
    ],
)
def test_a_record_of_before_is_refused_and_stays(
    record: Mapping[str, Any], function: Handler, event: str, table: "DynamoDBClient"
) -> None:
    release_store.put(table, TABLE, of_before(record))
    request = load(event) | ({"wanted": None} if event == "judge_release_override" else {})
    with pytest.raises(Rejected, match=REMOVE):
        function(request, None)
    assert release_store.get(table, TABLE, "demo", record["record"]) == json.loads(json.dumps(of_before(record)))


@pytest.mark.parametrize(
    ("function", "event"), [(get_recommendations, "api_recommendations"), (record_events, "api_events")]
)
def test_the_api_says_that_a_release_is_of_before(function: Handler, event: str, table: "DynamoDBClient") -> None:
    release_store.put(table, TABLE, of_before(RELEASE))
    answer = function(load(event), None)
    assert answer["statusCode"] == 409
    assert body(answer)["detail"].endswith(f"not from version 0.1.0 or later: {REMOVE}.")


@pytest.mark.usefixtures("bucket", "personalize")
def test_a_shop_of_before_keeps_its_records_and_stops_no_round(table: "DynamoDBClient") -> None:
    release_store.put(table, TABLE, of_before(RELEASE))
    release_store.put(table, TABLE, {**RELEASE, "shop": "new"})
    release_store.put(table, TABLE, {**of_before(CLAIM), "record": "drop#1"})
    assert set(keep_house({}, Context())["days"]) == {"new"}  # type: ignore[arg-type, call-overload]
    run = Run("sweep", "arn", datetime.now(UTC))
    executions = StateMachine(boto3.client("stepfunctions"), "arn")
    (note,) = concurrent_drops.sweep(DynamoLedger(table, TABLE, run.now), executions, run)
    assert REMOVE in note
    assert {"release", "drop#1"} <= set(release_store.sort_keys(table, TABLE, "demo"))


@pytest.mark.parametrize(
    ("function", "event", "member"),
    [
        (import_data, "import_data_schema", "plan"),
        (train_solution, "train_solution_solution", "plan"),
        (judge_release, "judge_release_judge", "plan"),
        (update_campaign, "update_campaign_release", "plan"),
        (evaluate_release, "evaluate_release_measure", "trial"),
        (claim_drop, "claim_drop_finish", ""),
    ],
)
def test_an_execution_that_began_before_is_refused(function: Handler, event: str, member: str) -> None:
    request = load(event)
    del (request[member] if member else request)["version"]
    with pytest.raises(Rejected, match=r"the execution: it began before version 0\.1\.0: start it again"):
        function(request, None)


def test_a_table_of_items_of_before_changes_by_a_whole_list_alone(bucket: "S3Client") -> None:
    document = {
        name: value
        for name, value in Table(version="v", shards=1, columns=("NAME",)).as_json().items()
        if name != "format"
    }
    body = json.dumps(document).encode()
    bucket.put_object(Bucket=BUCKET, Key=item_table.document_key("demo"), Body=body)
    with pytest.raises(Rejected, match="drop the whole list of items again"):
        item_files.change(bucket, BUCKET, "demo", "i1", {"name": "Salt"})
    assert bucket.get_object(Bucket=BUCKET, Key=item_table.document_key("demo"))["Body"].read() == body
    assert item_table.readable(document) is None
