# SPDX-License-Identifier: Apache-2.0
"""Fits after fits: what each takes in and deletes, and which one serves."""

import time
from typing import TYPE_CHECKING, Any

import pytest
from personalization.aws import likelihoods, records, shopper_events
from personalization.claims import Claim
from personalization.events import Call
from personalization.likelihood import inputs
from personalization.likelihood.answering import iso

from functions.fit_likelihood.app import handler as fit
from functions.get_recommendations.app import handler
from tests.functions.likelihoods import asked, put, shifted, stored
from tests.functions.samples import BUCKET, RELEASE, SHOPPER_EVENTS, TABLE, body, load

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("demo", "unfitted")


def noted(table: "DynamoDBClient", user: str, ago: int) -> None:
    """An event that was written down so many seconds ago."""
    now = int(time.time()) - ago
    happened = {"eventType": "Purchase", "itemId": "i0", "eventId": f"{user}-1", "sentAt": now}
    assert shopper_events.note(table, SHOPPER_EVENTS, "demo", [Call("s", user, [happened])], now) == []


def live(bucket: "S3Client") -> list[str]:
    """The files of live events, the oldest first."""
    found = bucket.list_objects_v2(Bucket=BUCKET, Prefix=inputs.folder("demo"))["Contents"]
    return sorted(each["Key"] for each in found if each["Key"].endswith("-live.csv"))


def promoted(table: "DynamoDBClient", run: str, at: str) -> None:
    records.put(table, TABLE, {**RELEASE, "record": f"release#{at}", "run": run, "promotedAt": at})


def test_a_fit_adds_only_the_live_events_that_no_file_has(
    fitted: dict[str, Any], bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    covered = int(time.time()) - 7_200
    key = inputs.key("demo", "interactions", "INCREMENTAL", covered * 1_000, inputs.LIVE)
    bucket.put_object(Bucket=BUCKET, Key=key, Body=b"".join(inputs.events_csv([("old", "i0", "Purchase", covered)])))
    for user, ago in (("long-ago", 86_400), ("overlap", 9_000), ("newcomer", 60)):
        noted(table, user, ago)
    assert fit(load("fit_likelihood"), None)["outcome"] == "fitted"
    first, second = live(bucket)
    rows = stored(bucket, second).decode().splitlines()
    assert (first, {row.split(",")[0] for row in rows[1:]}) == (key, {"overlap", "newcomer"})
    assert fitted["outcome"] == "fitted"


def test_events_of_a_removed_shop_of_the_same_name_are_not_taken_in(
    bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    now = int(time.time())
    records.put(table, TABLE, {"shop": "demo", "record": "drop#1", **claim("run-0", "done", now - 3_600)})
    promoted(table, "run-0", iso(now - 1_800))
    noted(table, "removed", 7_200)
    noted(table, "newcomer", 60)
    put(bucket, "interactions", shifted())
    records.put(table, TABLE, {**RELEASE, "promotedAt": iso(now - 1_800)})
    fit(load("fit_likelihood"), None)
    (key,) = live(bucket)
    assert (b"newcomer" in stored(bucket, key), b"removed" in stored(bucket, key)) == (True, False)


def claim(run: str, became: Any, at: int = 0) -> dict[str, Any]:  # noqa: ANN401 - a claim's state
    told = Claim(id="1", shop="demo", kind="interactions", state=became, runs=(run,), at=iso(at) if at else "")
    return dict(told.as_json())


def test_a_whole_history_whose_import_failed_replaces_nothing(
    fitted: dict[str, Any], bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    records.put(table, TABLE, {"shop": "demo", "record": "drop#1", **claim("run-9", "failed")})
    key = inputs.key("demo", "interactions", "FULL", 2, "run-9")
    bucket.put_object(Bucket=BUCKET, Key=key, Body="".join(shifted(2)).encode())
    assert fit({**load("fit_likelihood"), "run": "run-2"}, None)["outcome"] == fitted["outcome"]
    assert stored(bucket, inputs.key("demo", "interactions", "FULL", 1, "run-0"))


def test_an_older_run_s_fit_takes_nothing_from_a_later_one_s(fitted: dict[str, Any], table: "DynamoDBClient") -> None:
    for number in (2, 3):
        promoted(table, f"run-{number}", f"2026-11-2{number}T00:00:00Z")
    fit({**load("fit_likelihood"), "run": "run-3"}, None)
    told = fit({**load("fit_likelihood"), "run": "run-2"}, None)
    assert (told["outcome"], told["reason"]) == ("refused", "a fit of a later run serves already")
    assert (likelihoods.read(table, TABLE, "demo") or {})["run"] == "run-3"
    assert body(handler(asked("u0", "i0"), None))["run"] == "run-3"
    assert fitted["outcome"] == "fitted"


def test_an_older_run_s_fit_leaves_the_counters_of_one_at_work(
    fitted: dict[str, Any], bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    for number in (2, 3):
        promoted(table, f"run-{number}", f"2026-11-2{number}T00:00:00Z")
    bucket.put_object(Bucket=BUCKET, Key="likelihood/demo/run-3/items-0000.json.gz", Body=b"half")
    assert fit({**load("fit_likelihood"), "run": "run-2"}, None)["outcome"] == fitted["outcome"]
    assert stored(bucket, "likelihood/demo/run-3/items-0000.json.gz") == b"half"


@pytest.mark.usefixtures("fitted")
def test_too_little_data_later_leaves_the_fit_that_serves(bucket: "S3Client") -> None:
    put(bucket, "interactions", shifted(2), stamp=2)
    told = fit({**load("fit_likelihood"), "run": "run-2"}, None)
    assert told["outcome"] == "refused"
    assert str(told["reason"]).endswith(f"; the fit of run {load('fit_likelihood')['run']} serves on")
    assert handler(asked("u0", "i0"), None)["statusCode"] == 200
