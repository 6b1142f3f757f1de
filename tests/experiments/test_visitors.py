# SPDX-License-Identifier: Apache-2.0
"""Visitors: who is in a variant before a login stays in it afterwards, and counts once."""

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from personalization.auth import list_columns, list_ids
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.errors import RetryLater
from personalization.events import store
from personalization.events.visitors import FirstVisitors, Introductions
from personalization.experiments.analysing import Analyst, Clients
from personalization.experiments.assignment import unit_digest
from personalization.experiments.days.files import DayFiles
from personalization.experiments.lists import Lists
from personalization.shop.records import release_store

from functions.copy_events.app import handler as copy
from functions.follow_settings.app import handler as follow
from functions.get_recommendations import app as answers
from functions.record_events import app as records
from tests.events.test_copy_events import objects, stream
from tests.experiments.test_analyse_experiments import Bus
from tests.experiments.test_experiments import SETTINGS, experiment, lines, subscription
from tests.handlers import containers
from tests.handlers.fakes import FakePersonalize
from tests.handlers.queues import Queues
from tests.handlers.samples import BUCKET, RELEASE, SHOPPER_EVENTS, TABLE, Drop, Event, body, fields, load

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

LISTS = Lists(list_columns.variants, list_ids.variant_number)
pytestmark = pytest.mark.usefixtures("aws", "demo")


class Shopper:
    """A browser with an id that lasts, and who is logged in."""

    def __init__(self, visitor: str | None = None) -> None:
        self.visitor = visitor or secrets.token_urlsafe(16)
        self.session = f"s-{secrets.token_urlsafe(16)}"
        self.user = ""

    def answer(self, **changes: Any) -> Event:  # noqa: ANN401 - a request's members
        event = load("api_placement")
        event["pathParameters"] |= {"userId": self.user or self.session, "placement": "home"}
        expires = int(datetime.now(UTC).timestamp()) + 600
        token = {"user": self.user, "session": self.session, "shop": "demo", "expires": expires}
        event |= {"requestContext": {"authorizer": token}, "queryStringParameters": {"visitorId": self.visitor}}
        answer: Event = answers.handler(event | changes, None)
        return answer

    def look(self) -> Any:  # noqa: ANN401 - an answer's JSON
        answer = self.answer()
        assert answer["statusCode"] == 200, answer
        return body(answer)

    def variant(self) -> str:
        return str(self.look()["experiment"]["variant"])

    def post(self, name: str, **document: object) -> Event:
        who = {"sessionId": self.session, "visitorId": self.visitor} | ({"userId": self.user} if self.user else {})
        answer: Event = records.handler({**load(name), "body": json.dumps(who | document)}, None)
        return answer

    def does(self, event_type: str, **members: object) -> None:
        answer = self.post("api_events", events=[{"eventType": event_type, "itemId": "i1", **members}])
        assert answer["statusCode"] == 202, answer

    def buys(self, order: str, value: float) -> None:
        self.does("Purchase", eventValue=value, properties={"orderId": order, "currency": "KRW"})


@pytest.fixture(autouse=True)
def _shop(personalize: FakePersonalize, table: "DynamoDBClient", drop: Drop, queues: Queues) -> Iterator[None]:
    """A shop with an experiment; containers have just started."""
    items = [{"itemId": f"i{number}", "score": 0.1} for number in range(12)]
    personalize.says("GetRecommendations", {"recommendationId": "RID-1", "itemList": items})
    assert queues.impressions
    follow_file(drop, experiment())
    containers.start(answers, records)
    yield
    release_store.delete(table, TABLE, "demo", "experiments")
    for item in table.scan(TableName=SHOPPER_EVENTS)["Items"]:
        table.delete_item(TableName=SHOPPER_EVENTS, Key={name: item[name] for name in ("shopper", "event")})


def follow_file(drop: Drop, text: str, settings: str = SETTINGS) -> None:
    """Drop a file of experiments for a shop with events of today, and follow it."""
    drop("drops/demo/settings.yaml", settings)
    drop(f"events/demo/{datetime.now(UTC):%Y/%m/%d}/000000-1.csv", "USER_ID\n1\n")
    drop("drops/demo/experiments.yaml", text)
    event = load("follow_settings")
    event["detail"]["object"]["key"] = "drops/demo/experiments.yaml"
    follow(event, None)


def report(bucket: "S3Client", printed: str, table: "DynamoDBClient", queues: Queues, hours: float = 1) -> Any:  # noqa: ANN401 - JSON
    """Copy all that was told, analyse it, and return the report's variants by name."""
    copy(subscription(lines(printed)), None)
    copy(stream(table), None)
    messages = queues.messages(queues.impressions)
    copied = [{"eventSource": "aws:sqs", "messageId": m["MessageId"], "body": m["Body"]} for m in messages]
    if copied:
        copy({"Records": copied}, None)
    aws = Clients(clients.s3(), clients.dynamodb(), cast("Any", Bus()), cast("Any", None))
    now = datetime.now(UTC) + timedelta(hours=hours)
    assert not Analyst(aws, Environment(), now, lambda _: [], LISTS).round(lambda: False).failed
    key = "reports/demo/experiments/own-list/report.json"
    document = json.loads(bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    return {row["variant"]: row for row in document["variants"]} | {"double": document["counted"]["double"]}


def other_than(variant: str) -> Shopper:
    """A browser that is in another variant."""
    return next(new for new in iter(Shopper, None) if new.variant() != variant)


def test_a_visitor_is_in_an_experiment_and_nothing_tells_their_id(
    capsys: pytest.CaptureFixture[str], table: "DynamoDBClient", bucket: "S3Client"
) -> None:
    shopper = Shopper()
    shopper.look()
    shopper.does("View")
    shopper.session = f"s-{secrets.token_urlsafe(16)}"
    again = shopper.look()
    printed = capsys.readouterr().out
    first, second = (json.loads(line)["exposure"] for line in lines(printed))
    assert (first["unit"], first["variant"]) == (second["unit"], again["experiment"]["variant"])
    assert not {"user", "visitor"} & set(first)
    copy(stream(table), None)
    (row,) = [row for rows in objects(bucket).values() for row in rows if row.get("VISITOR")]
    assert (row["VISITOR"], row["USER_ID"]) == (first["unit"], "")
    assert shopper.visitor not in printed + json.dumps(stream(table)) + json.dumps(objects(bucket))


def test_who_logs_in_stays_in_their_variant_on_every_device(table: "DynamoDBClient") -> None:
    for number in range(8):
        shopper = Shopper()
        before = shopper.variant()
        shopper.user = f"user-{number}"
        # Also in the first answer after the login, before any event.
        assert shopper.variant() == before
        shopper.does("View")
        containers.start(answers, records)
        second = other_than(before)
        second.user = shopper.user
        assert second.variant() == before
        second.does("View")
        containers.start(answers)
        assert second.variant() == before
        # A server that knows the user alone.
        event = load("api_placement")
        event["pathParameters"]["userId"] = shopper.user
        assert body(answers.handler(event, None))["experiment"]["variant"] == before
    records_of_users = [item for item in table.scan(TableName=SHOPPER_EVENTS)["Items"] if "visitor" in item]
    assert len(records_of_users) == 8


def test_what_a_visitor_did_and_the_user_does_is_one_units(
    capsys: pytest.CaptureFixture[str], table: "DynamoDBClient", bucket: "S3Client", queues: Queues
) -> None:
    shopper = Shopper()
    answer = shopper.look()
    variant = answer["experiment"]["variant"]
    seen = {"listId": answer["listId"], "itemIds": ["i1", "i2"]}
    assert body(shopper.post("api_impressions", lists=[seen]))["accepted"] == 1
    shopper.does("Click", listId=answer["listId"])
    shopper.user = "kim"
    shopper.does("View")
    # The shop's server sends the order, and knows no visitor.
    server = Shopper()
    server.user = "kim"
    order = {"eventType": "Purchase", "itemId": "i1", "eventValue": 9.5, "properties": {"orderId": "o1"}}
    sent = {"userId": "kim", "sessionId": "server", "events": [order]}
    assert records.handler({**load("api_events"), "body": json.dumps(sent)}, None)["statusCode"] == 202

    made = report(bucket, capsys.readouterr().out, table, queues)

    row = made[variant]
    assert (row["users"], row["orders"], row["revenue"], row["clicks"], row["viewable"]) == (1, 1, 9.5, 1, 2)
    (other,) = {"own", "best"} - {variant}
    assert (made[other]["users"], made[other]["orders"], made["double"]) == (0, 0, 0)


def test_a_user_who_saw_two_variants_on_two_devices_is_counted_as_such(
    capsys: pytest.CaptureFixture[str], table: "DynamoDBClient", bucket: "S3Client", queues: Queues
) -> None:
    first = Shopper()
    variant = first.variant()
    first.user = "kim"
    first.does("View")
    second = other_than(variant)
    second.user = "kim"
    containers.start(answers, records)
    second.look()
    second.buys("o1", 5.0)

    made = report(bucket, capsys.readouterr().out, table, queues)

    assert made["double"] == 1
    assert made[variant]["orders"] == 0


def test_an_erased_user_leaves_with_the_visitor_whom_they_were(
    capsys: pytest.CaptureFixture[str], table: "DynamoDBClient", bucket: "S3Client", queues: Queues
) -> None:
    shopper = Shopper()
    variant = shopper.variant()
    shopper.user = "kim"
    shopper.buys("o1", 5.0)
    printed = capsys.readouterr().out
    assert report(bucket, printed, table, queues)[variant]["orders"] == 1
    unit = unit_digest(str(RELEASE["trackingId"]), "kim")
    store.forget(clients.dynamodb(), SHOPPER_EVENTS, "demo", "kim")
    DayFiles(clients.s3(), BUCKET, "demo").forget({unit})

    assert not [item for item in table.scan(TableName=SHOPPER_EVENTS)["Items"] if "visitor" in item]
    made = report(bucket, printed, table, queues, hours=2)
    assert (made[variant]["users"], made[variant]["orders"]) == (0, 0)


def test_a_user_who_objects_is_introduced_by_no_visitor(table: "DynamoDBClient") -> None:
    event = load("api_put_personalization")
    event["pathParameters"]["userId"] = "objector"
    records.handler(event | {"body": '{"enabled": false}'}, None)
    containers.start(answers, records)
    shopper = Shopper()
    shopper.user = "objector"
    shopper.does("View")
    assert "visitor" not in json.dumps(table.scan(TableName=SHOPPER_EVENTS)["Items"])
    records.handler(event | {"body": '{"enabled": true}'}, None)


def test_without_an_experiment_nobody_is_introduced_and_nothing_is_read(table: "DynamoDBClient", drop: Drop) -> None:
    follow_file(drop, "")
    containers.start(answers, records)
    reads: list[Any] = []
    clients.dynamodb_once().meta.events.register(
        "provide-client-params.dynamodb.GetItem", lambda params, **_: reads.append(params["TableName"])
    )
    shopper = Shopper()
    shopper.user = "kim"
    assert "experiment" not in shopper.look()
    shopper.does("View")
    assert SHOPPER_EVENTS not in reads
    assert not [item for item in table.scan(TableName=SHOPPER_EVENTS)["Items"] if "visitor" in item]


@pytest.mark.parametrize("bad", ["", "short", "x" * 22, "a" * 23, "ä" * 22, "none "])
def test_a_visitors_id_has_one_form(bad: str) -> None:
    shopper = Shopper(bad or " ")
    refused = shopper.answer(queryStringParameters={"visitorId": bad})
    assert (refused["statusCode"], fields(refused)) == (400, ["visitorId"])
    for name, document in (
        ("api_events", {"events": [{"eventType": "View"}]}),
        ("api_impressions", {"lists": [{"listId": "x", "itemIds": ["i1"]}]}),
    ):
        refused = shopper.post(name, **document)
        assert (refused["statusCode"], fields(refused)) == (400, ["visitorId"])
        assert "base64url" in json.dumps(body(refused))


def test_who_has_no_lasting_id_is_in_no_experiment() -> None:
    shopper = Shopper("none")
    assert "experiment" not in shopper.look()
    # Through a server, which cannot tell a session from a user.
    assert "experiment" not in body(shopper.answer(requestContext={}))
    shopper.user = "kim"
    assert "experiment" in shopper.look()


def test_personalize_never_gets_what_names_a_visitor(personalize: FakePersonalize) -> None:
    Shopper().does("View")
    assert "visitor" not in json.dumps(personalize.body_of("PutEvents"))


def test_the_first_visitor_is_known_for_a_minute_and_while_the_table_is_away() -> None:
    stored: dict[str, str] = {}
    away: list[bool] = []

    def fetch(_: str, user: str) -> str:
        if away:
            raise RetryLater("table", "away")
        return stored.get(user, "")

    visitors = FirstVisitors(fetch)
    assert visitors.get("demo", "kim", 0.0) == ""
    stored["kim"] = "v1"
    assert [visitors.get("demo", "kim", seconds) for seconds in (59.0, 61.0)] == ["", "v1"]
    away.append(True)
    assert [visitors.get("demo", "kim", seconds) for seconds in (122.0, 200.0)] == ["v1", "v1"]
    assert visitors.get("demo", "lee", 0.0) == ""
    away.clear()
    stored["lee"] = "v2"
    assert [visitors.get("demo", "lee", seconds) for seconds in (4.0, 6.0)] == ["", "v2"]


def test_an_introduction_that_fails_is_tried_again_and_one_that_is_stored_is_not() -> None:
    tries: list[str] = []

    def put(_shop: str, user: str, _visitor: str, _now: float) -> None:
        tries.append(user)
        if len(tries) == 1:
            raise RetryLater("table", "away")

    introductions = Introductions(put)
    for _ in range(3):
        introductions.note("demo", "kim", "v1", 0.0)
    assert tries == ["kim", "kim"]
