# SPDX-License-Identifier: Apache-2.0
"""Personalize fails on demand: shelves stay full and say why, and no accepted event is lost or counted twice."""

import csv
import io
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from local.cloud.faults import FaultDoor
from local.cloud.home import access
from tests.app.conftest import Shop
from tests.app.waiting import tried, until

ACCOUNT = "arn:aws:personalize:us-east-1:000000000000"
OF_CAMPAIGNS = ("/users/u1/recommendations", "/items/garden-01/similar")
LISTS = (*OF_CAMPAIGNS, "/popular")


@pytest.fixture
def faults(shop: Shop) -> Iterator[FaultDoor]:
    """The engine's door; at the end nothing fails, and no circuit is open any more."""
    door = FaultDoor(shop.laptop.state.engine)
    yield door
    door.clear()
    until(lambda: not any("degraded" in shop.call("GET", path).body for path in LISTS), "nothing is degraded")
    recovered(shop)


def recovered(shop: Shop) -> None:
    """Wait until events are delivered at once again."""
    until(lambda: send(shop, "again") == ["delivered"], "events are delivered at once")


def send(shop: Shop, *ids: str, sent_at: int = 1_700_500_000) -> list[str]:
    """Views of one item, a second apart; what became of each."""
    view = {"eventType": "View", "itemId": "garden-03"}
    events = [{**view, "eventId": event_id, "sentAt": sent_at + number} for number, event_id in enumerate(ids)]
    body = {"userId": "outage", "sessionId": "s-outage", "events": events}
    # A front end sends again what was not accepted.
    answer = tried(
        lambda: shop.call("POST", "/events", body),
        lambda answer: answer.status == 202 and answer.body["accepted"] == len(ids),
    )
    assert (answer.status, answer.body["accepted"]) == (202, len(ids)), answer.body
    return [event["status"] for event in answer.body["events"]]


@pytest.mark.parametrize("action", ["throttle", "internalFailure", "hang", "dropConnection"])
def test_shelves_are_filled_whatever_happens_to_personalize(shop: Shop, faults: FaultDoor, action: str) -> None:
    with faults.during(action, "Get*"):
        for path in OF_CAMPAIGNS:
            answer = shop.call("GET", path, limit="8")
            assert (answer.status, len(answer.body["items"]), answer.body.get("degraded")) == (200, 8, True), (
                answer.body
            )
            assert {item["source"] for item in answer.body["items"]} <= {"cache", "popular", "bestsellers"}
        # A container to which a busy machine brings the list too late asks a campaign instead.
        until(lambda: "degraded" not in shop.call("GET", "/popular", limit="8").body, "bestsellers need no campaign")
        ranked = shop.call("POST", "/users/u1/ranking", {"itemIds": ["garden-02", "garden-01"]})
        assert [(item["itemId"], item["source"]) for item in ranked.body["items"]] == [
            ("garden-02", "caller"), ("garden-01", "caller"),
        ]  # fmt: skip


def test_a_stranger_is_shown_popular_items_when_one_campaign_is_gone(shop: Shop, faults: FaultDoor) -> None:
    with faults.during("throttle", "GetRecommendations", "*-user-personalization"):
        answer = tried(
            lambda: shop.call("GET", "/users/never-seen-before/recommendations", limit="5"),
            lambda answer: answer.body["degradedReason"] != "slow",
        )
    assert {item["source"] for item in answer.body["items"]} == {"bestsellers"}
    assert answer.body["degradedReason"] in {"throttled", "resting"}


def recorded(shop: Shop, name: str) -> Counter[int]:
    """How many of the shopper's events Personalize has of each second, from an export."""
    group = f"retail-{shop.name}"
    made = shop.laptop.personalize.create_dataset_export_job(
        jobName=name,
        datasetArn=f"{ACCOUNT}:dataset/{group}/INTERACTIONS",
        ingestionMode="PUT",
        roleArn=f"arn:aws:iam::{ACCOUNT.rpartition(':')[2]}:role/personalize",
        jobOutput={"s3DataDestination": {"path": f"s3://{shop.laptop.bucket}/reports/exports/"}},
    )["datasetExportJobArn"]
    described = shop.laptop.personalize.describe_dataset_export_job
    until(lambda: described(datasetExportJobArn=made)["datasetExportJob"]["status"] == "ACTIVE", "the export ends")
    body = shop.laptop.s3.get_object(Bucket=shop.laptop.bucket, Key=f"reports/exports/{name}.csv")["Body"].read()
    rows = csv.DictReader(io.StringIO(body.decode()))
    return Counter(int(row["TIMESTAMP"]) for row in rows if row["USER_ID"] == "outage")


def test_events_of_an_outage_are_delivered_once_with_their_times_when_it_is_over(shop: Shop, faults: FaultDoor) -> None:
    with faults.during("throttle", "PutEvents"):
        assert send(shop, *(f"throttled-{number}" for number in range(23)), sent_at=1_700_500_001) == ["queued"] * 23
    recovered(shop)
    # Else what still waits would meet the next fault in place of the event that is to.
    until(lambda: waiting(shop, "EventsQueueUrl") == 0, "the queue is empty")
    with faults.during("dropConnection", "PutEvents", performed=True, times=1):
        assert send(shop, "lost-answer", sent_at=1_700_500_100) == ["queued"]
    until(lambda: waiting(shop, "EventsQueueUrl") == 0, "the queue is empty")
    times = recorded(shop, f"outage-{uuid.uuid4().hex[:8]}")
    assert {time: count for time, count in times.items() if time > 1_700_500_000} == {
        1_700_500_000 + second: 1 for second in [*range(1, 24), 100]
    }


def test_a_refused_event_is_a_dead_letter_until_it_is_replayed(shop: Shop) -> None:
    sqs = boto3.client("sqs", **access(shop.laptop.state))
    body: dict[str, Any] = {"shop": "nobody", "sessionId": "s", "userId": None}
    name = f"dead-{uuid.uuid4()}"
    body["events"] = [{"eventType": "View", "eventId": name, "sentAt": 1_700_500_000}]
    sqs.send_message(QueueUrl=shop.laptop.state.outputs["EventsQueueUrl"], MessageBody=json.dumps(body))
    until(lambda: bool(dead_letters(shop, name)), "there is a dead letter")
    before = dead_letters(shop, name)
    # Events of shops that other tests have removed may be dead letters, too.
    replayed = shop.laptop.command_json("replay")
    assert replayed["reasons"]["there is no such shop any more"] >= 1
    assert replayed["replayed"] == sum(replayed["reasons"].values())
    until(lambda: bool(dead_letters(shop, name) - before), "it was tried again")
    assert len(dead_letters(shop, name)) == 1


def dead_letters(shop: Shop, name: str) -> set[str]:
    """The dead letters of an event, by their message ids; they stay where they are."""
    sqs = boto3.client("sqs", **access(shop.laptop.state))
    queue = shop.laptop.state.outputs["DeadEventsQueueUrl"]
    held = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        held += messages
    for message in held:
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    return {message["MessageId"] for message in held if name in message["Body"]}


def waiting(shop: Shop, output: str) -> int:
    """Messages in a queue, those under way included."""
    sqs = boto3.client("sqs", **access(shop.laptop.state))
    attributes = sqs.get_queue_attributes(QueueUrl=shop.laptop.state.outputs[output], AttributeNames=["All"])[
        "Attributes"
    ]
    return int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])
