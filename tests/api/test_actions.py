# SPDX-License-Identifier: Apache-2.0
"""Actions over HTTP: what a user is recommended, what happens without Personalize, and what users did with them."""

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from personalization.shop.records import release_store

from functions.deliver_events import app as delivery
from functions.get_recommendations import app as recommending
from functions.record_events import app as recording
from tests.handlers import containers
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.queues import Context, Queues
from tests.handlers.samples import RELEASE, SHOPPER_EVENTS, TABLE, Event, body, described, fields, load, served

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.usefixtures("aws", "demo", "bucket")
CAMPAIGN = f"{ARN}:campaign/retail-deeds-next-best-action"
TRACKER = "0b8f7c52-actions"
BEST = {"recommendationId": "RID-7", "actionList": [{"actionId": "coupon", "score": 0.7}, {"actionId": "app"}]}


@pytest.fixture(autouse=True)
def _shops(table: "DynamoDBClient") -> None:
    """Containers that have just started, a shop with actions, and one without."""
    campaigns = {"next-best-action": served(CAMPAIGN, f"{ARN}:solution/x/1", "aws-next-best-action")}
    release = {**RELEASE, "shop": "deeds", "campaigns": campaigns, "actions": ["survey", "app"]}
    release |= {
        "filters": ["mails", "worth"],
        "filterParameters": {"mails": {"KIND": "text"}, "worth": {"LEAST": "number"}},
    }
    release_store.put(table, TABLE, {**release, "actionTrackingId": TRACKER})
    for app in (recommending, recording, delivery):
        containers.start(app)


def recommended(shop: str = "deeds", **query: str) -> Event:
    event = load("api_actions")
    event["pathParameters"]["shop"] = shop
    event["path"] = f"/shops/{shop}/users/2375/actions"
    return recommending.handler({**event, "queryStringParameters": query}, None)


def sent(events: list[dict[str, object]], shop: str = "deeds") -> Event:
    event = load("api_events")
    event["pathParameters"]["shop"] = shop
    event["path"] = f"/shops/{shop}/events"
    text = json.dumps({"userId": "u1", "sessionId": "s", "events": events})
    return recording.handler({**event, "body": text}, None)


def shown(answer: Event) -> list[tuple[str, float | None, str]]:
    actions = described("ActionAnswer", answer).actions
    return [(action.action_id, action.score, action.source) for action in actions]


def test_a_user_is_recommended_actions_with_their_chances(personalize: FakePersonalize) -> None:
    personalize.says("GetActionRecommendations", BEST)
    answer = recommended(limit="3", filter="mails", **{"filterValues.KIND": "mail"})
    assert (answer["statusCode"], body(answer)["recommendationId"]) == (200, "RID-7")
    assert shown(answer) == [("coupon", 0.7, "campaign"), ("app", None, "campaign")]
    assert personalize.body_of("GetActionRecommendations") == {
        "campaignArn": CAMPAIGN,
        "userId": "2375",
        "numResults": 3,
        "filterArn": f"{ARN}:filter/retail-demo-mails",
        "filterValues": {"KIND": '"mail"'},
    }


def test_without_personalize_the_last_answer_comes_and_else_the_actions_of_a_stranger(
    personalize: FakePersonalize,
) -> None:
    personalize.fails("GetActionRecommendations", "ThrottlingException")
    answer = recommended(filter="mails", **{"filterValues.KIND": "mail"})
    assert shown(answer) == [("survey", None, "popular"), ("app", None, "popular")]
    assert (body(answer)["degradedReason"], body(answer)["filterApplied"]) == ("throttled", False)
    personalize.reset()
    personalize.says("GetActionRecommendations", BEST)
    recommended()
    personalize.reset()
    personalize.fails("GetActionRecommendations", "ThrottlingException")
    assert shown(recommended()) == [("coupon", 0.7, "cache"), ("app", None, "cache")]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "101"}, "limit"),
        ({"filter": "other"}, "filter"),
        ({"filterValues.KIND": "mail"}, "filter"),
        ({"filter": "mails"}, "filterValues.KIND"),
        ({"filter": "worth", "filterValues.LEAST": "much"}, "filterValues.LEAST"),
        ({"context.DEVICE": "phone"}, "context.DEVICE"),
    ],
)
def test_a_bad_request_is_refused_by_its_field(query: dict[str, str], field: str) -> None:
    answer = recommended(**query)
    assert (answer["statusCode"], fields(answer)) == (400, [field])


def test_a_shop_without_actions_has_none_to_recommend() -> None:
    assert recommended("demo")["statusCode"] == 404
    answer = sent([{"eventType": "Taken", "actionId": "coupon"}], "demo")
    assert (answer["statusCode"], "drop some" in body(answer)["detail"]) == (404, True)


def test_what_users_did_with_actions_goes_where_it_belongs(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    view: dict[str, object] = {"eventType": "View", "itemId": "i1"}
    deed: dict[str, object] = {"eventType": "not taken", "actionId": "coupon", "sentAt": 1_795_594_812}
    answer = sent([view, {**deed, "recommendationId": "RID-7", "properties": {"CHANNEL": "mail"}}, view])
    assert (answer["statusCode"], body(answer)["accepted"]) == (202, 3)
    assert [operation for operation, _ in personalize.calls] == ["PutEvents", "PutActionInteractions", "PutEvents"]
    request = personalize.body_of("PutActionInteractions")
    (interaction,) = request["actionInteractions"]
    assert request["trackingId"] == TRACKER
    assert interaction.pop("eventId") == body(answer)["events"][1]["eventId"]
    assert interaction == {
        "actionId": "coupon",
        "userId": "u1",
        "sessionId": "s",
        "timestamp": 1_795_594_812,
        "eventType": "NOT_TAKEN",
        "recommendationId": "RID-7",
        "properties": '{"channel":"mail"}',
    }
    # The purchase likelihood and the copy of events are about items.
    noted = table.scan(TableName=SHOPPER_EVENTS)["Items"]
    assert "NOT_TAKEN" not in {item["type"]["S"] for item in noted if "type" in item}


@pytest.mark.parametrize(
    "event",
    [
        {"eventType": "Clicked", "actionId": "coupon"},
        {"eventType": "Taken", "actionId": "coupon", "itemId": "i1"},
        {"eventType": "Taken", "actionId": "coupon", "eventValue": 3.5},
        {"eventType": "Taken", "actionId": ""},
    ],
)
def test_a_bad_event_of_an_action_is_refused(event: dict[str, object], personalize: FakePersonalize) -> None:
    assert (sent([event])["statusCode"], personalize.calls) == (400, [])


def test_what_personalize_does_not_take_waits_and_is_delivered(personalize: FakePersonalize, queues: Queues) -> None:
    personalize.fails("PutActionInteractions", "ThrottlingException")
    answer = sent([{"eventType": "Viewed", "actionId": "coupon", "eventId": "e-1"}])
    assert body(answer)["events"] == [{"eventId": "e-1", "status": "queued"}]
    personalize.reset()
    left: Any = delivery.handler(queues.batch(), cast("Any", Context()))
    assert left == {"batchItemFailures": []}
    (interaction,) = personalize.body_of("PutActionInteractions")["actionInteractions"]
    assert (interaction["eventId"], interaction["eventType"]) == ("e-1", "VIEWED")


def test_what_no_dataset_takes_any_more_is_kept_with_the_reason(
    personalize: FakePersonalize, queues: Queues, table: "DynamoDBClient"
) -> None:
    personalize.fails("PutActionInteractions", "ThrottlingException")
    sent([{"eventType": "Viewed", "actionId": "coupon"}])
    personalize.reset()
    release_store.put(table, TABLE, {**RELEASE, "shop": "deeds"})
    containers.start(delivery)
    delivery.handler(queues.batch(), cast("Any", Context()))
    (dead,) = queues.messages(queues.dead)
    assert "no action interactions" in dead["MessageAttributes"]["reason"]["StringValue"]
    assert personalize.calls == []
