# SPDX-License-Identifier: Apache-2.0
"""Fits after fits: what each takes in and deletes, and which one serves."""

import csv
import time
from typing import TYPE_CHECKING, Any

import pytest
from personalization.core.errors import Rejected
from personalization.events import store
from personalization.events.models import Call
from personalization.likelihood import histories, inputs, serve, shards
from personalization.likelihood.model import read_model
from personalization.runs.claims import Claim
from personalization.shop.records import release_store

from functions.fit_likelihood.app import handler as fit
from functions.get_recommendations.app import handler
from functions.update_campaign.app import handler as update_campaign
from functions.validate_drop.app import handler as check
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.likelihoods import SHIFT, likelihood_event, put, ranked, shifted, stored
from tests.handlers.samples import BUCKET, RELEASE, SHOPPER_EVENTS, TABLE, Drop, body, load
from tests.likelihood import worlds

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

RUN = load("fit_likelihood")["run"]
pytestmark = pytest.mark.usefixtures("aws", "demo", "unfitted")


def noted(table: "DynamoDBClient", user: str, ago: int) -> None:
    """An event that was written down so many seconds ago."""
    now = int(time.time()) - ago
    happened = {"eventType": "Purchase", "itemId": "i0", "eventId": f"{user}-1", "sentAt": now}
    assert store.note(table, SHOPPER_EVENTS, "demo", [Call("s", user, [happened])], now) == []


def live(bucket: "S3Client") -> list[str]:
    """The files of live events, the oldest first."""
    listed = bucket.list_objects_v2(Bucket=BUCKET, Prefix=inputs.folder("demo"))["Contents"]
    return sorted(entry["Key"] for entry in listed if entry["Key"].endswith("-live.csv"))


def promoted(table: "DynamoDBClient", run: str, at: str) -> None:
    release_store.put(
        table, TABLE, {**RELEASE, "record": f"release#{at}", "run": run, "promotedBy": run, "promotedAt": at}
    )


def test_a_fit_adds_only_the_live_events_that_no_file_has(
    fitted: dict[str, Any], bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    covered = int(time.time()) - 7_200
    key = inputs.key("demo", "interactions", "INCREMENTAL", covered * 1_000, "live")
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
    release_store.put(table, TABLE, {"shop": "demo", "record": "drop#1", **claim("run-0", "done", now - 3_600)})
    promoted(table, "run-0", worlds.iso(now - 1_800))
    noted(table, "removed", 7_200)
    noted(table, "newcomer", 60)
    put(bucket, "interactions", shifted())
    release_store.put(table, TABLE, {**RELEASE, "promotedAt": worlds.iso(now - 1_800)})
    fit(load("fit_likelihood"), None)
    (key,) = live(bucket)
    assert (b"newcomer" in stored(bucket, key), b"removed" in stored(bucket, key)) == (True, False)


def claim(run: str, became: Any, at: int = 0) -> dict[str, Any]:  # noqa: ANN401 - a claim's state
    told = Claim(id="1", shop="demo", kind="interactions", state=became, runs=(run,), at=worlds.iso(at) if at else "")
    return dict(told.as_json())


def test_a_whole_history_whose_import_failed_replaces_nothing(
    fitted: dict[str, Any], bucket: "S3Client", table: "DynamoDBClient"
) -> None:
    release_store.put(table, TABLE, {"shop": "demo", "record": "drop#1", **claim("run-9", "failed")})
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
    assert (serve.read(table, TABLE, "demo") or {})["run"] == "run-3"
    assert body(handler(likelihood_event("u0", "i0"), None))["run"] == "run-3"
    assert fitted["outcome"] == "fitted"


@pytest.mark.usefixtures("fitted")
def test_the_fit_of_a_promotion_by_hand_follows_it_and_is_reported_with_the_release(
    table: "DynamoDBClient", personalize: FakePersonalize
) -> None:
    promoted(table, "run-2", "2026-11-22T00:00:00Z")
    assert fit({**load("fit_likelihood"), "run": "run-2"}, None)["outcome"] == "fitted"
    released = load("update_campaign_release")
    tracker = {"eventTrackerArn": f"{ARN}:event-tracker/0badcafe", "status": "ACTIVE"}
    personalize.says("ListEventTrackers", {"eventTrackers": [tracker]})
    personalize.says("DescribeEventTracker", {"eventTracker": {"trackingId": "t-1"}})
    record: Any = update_campaign({**released, "promotedBy": "promote-1"}, None)
    ranked(personalize)
    try:
        told = fit({**load("fit_likelihood"), "run": "promote-1"}, None)
    finally:
        release_store.put(table, TABLE, RELEASE)
        for at in ("2026-11-22T00:00:00Z", record["promotedAt"]):
            release_store.delete(table, TABLE, "demo", f"release#{at}")
    assert (told["outcome"], told["report"]) == ("fitted", f"reports/demo/{released['plan']['run']}/likelihood.html")
    assert (serve.read(table, TABLE, "demo") or {})["run"] == "promote-1"


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
    assert handler(likelihood_event("u0", "i0"), None)["statusCode"] == 200


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """A function whose memory holds some thousand rows; how many."""
    megabytes = 651
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", str(megabytes))
    return histories.most_rows(megabytes)


def live_events(rows: int, ago: int = 3_600) -> list[str]:
    """Views of the world's users, some seconds ago, besides what the world has."""
    at = int(time.time()) - ago
    return worlds.interactions((f"u{number % worlds.SHOPPERS}", "i1", "View", at - number) for number in range(rows))


def added(bucket: "S3Client", rows: list[str], stamp: int = 2) -> None:
    """Keep a file that was imported beside the whole history."""
    key = inputs.key("demo", "interactions", "INCREMENTAL", stamp, "run-0")
    bucket.put_object(Bucket=BUCKET, Key=key, Body="".join(rows).encode())


def test_rows_that_are_older_than_a_fit_can_use_take_no_memory(
    fitted: dict[str, Any], bucket: "S3Client", small: int
) -> None:
    old = live_events(small + 1, ago=440 * worlds.DAY)
    before = stored(bucket, f"likelihood/demo/{RUN}/model.json.gz")
    added(bucket, old)
    done = fit(load("fit_likelihood"), None)
    assert (fitted["outcome"], done["outcome"]) == ("fitted", "fitted")
    assert (
        read_model(shards.unpack(stored(bucket, f"likelihood/demo/{RUN}/model.json.gz"))).seen
        == read_model(shards.unpack(before)).seen
    )


def test_a_few_events_long_after_all_others_make_nothing_too_old(
    bucket: "S3Client", personalize: FakePersonalize
) -> None:
    ago = 5 * 365 * worlds.DAY
    put(bucket, "interactions", worlds.interactions((u, i, k, at + SHIFT - ago) for u, i, k, at in worlds.rows()))
    added(bucket, worlds.interactions([("u1", "i1", "Purchase", int(time.time()) - 60)] * 3))
    ranked(personalize)
    assert fit(load("fit_likelihood"), None)["outcome"] == "fitted"


def test_quotes_in_ids_and_values_reach_the_fit_and_the_answer(
    drop: Drop, bucket: "S3Client", personalize: FakePersonalize
) -> None:
    def named(user: str) -> str:
        return f'{user}, "the \\"'

    ranked(personalize)
    _, *rows = csv.reader(shifted())
    told = worlds.lines(("USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP"), ([named(row[0]), *row[1:]] for row in rows))
    _, *people = csv.reader(worlds.users())
    groups = worlds.lines(("USER_ID", "AGE"), ((named(user), f'"{age}", about') for user, age in people))
    for kind, text in (("users", groups), ("interactions", told)):
        check(drop(f"drops/demo/{kind}/all.csv", "".join(text)), None)
    assert fit(load("fit_likelihood"), None)["outcome"] == "fitted"
    folder = f"likelihood/demo/{load('fit_likelihood')['run']}/shoppers-"
    keys = [content["Key"] for content in bucket.list_objects_v2(Bucket=BUCKET, Prefix=folder)["Contents"]]
    shoppers: dict[str, Any] = {}
    for key in keys:
        shoppers |= shards.unpack(stored(bucket, key))
    assert set(shoppers) == {named(user) for user, _ in people}
    assert {shopper["groups"]["AGE"] for shopper in shoppers.values()} == {'"65+", about', '"18-24", about'}


@pytest.mark.parametrize("kind", ["interactions", "users"])
def test_a_copy_of_before_0_1_0_is_refused_and_stays(bucket: "S3Client", kind: str) -> None:
    key = f"{inputs.folder('demo')}{kind}/000000000000001-000-FULL-run-0.csv"
    bucket.put_object(Bucket=BUCKET, Key=key, Body=b"USER_ID\nu1\n")
    with pytest.raises(Rejected, match=f"delete it, and drop the whole history of {kind}"):
        fit(load("fit_likelihood"), None)
    assert stored(bucket, key) == b"USER_ID\nu1\n"


@pytest.mark.usefixtures("fitted")
def test_a_snapshot_of_before_0_1_0_is_refused_and_stays(bucket: "S3Client") -> None:
    key = f"{inputs.snapshots('demo')}old.json.gz"
    bucket.put_object(Bucket=BUCKET, Key=key, Body=shards.pack({"labels": None, "at": 1}))
    with pytest.raises(Rejected, match="delete it"):
        fit(load("fit_likelihood"), None)
    assert shards.unpack(stored(bucket, key)) == {"labels": None, "at": 1}
    bucket.delete_object(Bucket=BUCKET, Key=key)
