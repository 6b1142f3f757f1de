# SPDX-License-Identifier: Apache-2.0
"""PutEvents, PutUsers and PutItems change the very next answer."""

import json
from typing import Any

import pytest

from engine.tests.harness import Argument, Aws
from engine.tests.shop import Shop

SEEN = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")'


@pytest.fixture(scope="session")
def unseen(shop: Shop) -> str:
    return shop.aws.filter(shop.group, SEEN, "events-unseen")


@pytest.fixture(scope="session")
def costly(shop: Shop) -> str:
    return shop.aws.filter(shop.group, "INCLUDE ItemID WHERE Items.PRICE > 1000", "events-costly")


def missing(shop: Shop, unseen: str, user: str) -> set[str]:
    """What a filter on the user's history takes away."""
    everything = {f"i{number}" for number in range(40)}
    return everything - set(shop.aws.recommended(shop.personal, userId=user, numResults=500, filterArn=unseen))


def refused(shop: Shop, **event: Argument) -> str:
    """The message of an event that has to be refused."""
    with pytest.raises(shop.aws.events.exceptions.InvalidInputException) as caught:
        shop.click(**event)
    return str(caught.value)


def test_event_changes_the_next_answer(shop: Shop) -> None:
    before = shop.aws.recommended(shop.personal, userId="ev-1", numResults=5)
    for item in ("i31", "i34", "i37"):
        shop.click(item, user="ev-1")
    after = shop.aws.recommended(shop.personal, userId="ev-1", numResults=5)
    assert before != after
    assert {int(item[1:]) >= 20 for item in after} == {True}


def test_filters_see_an_event_at_once(shop: Shop, unseen: str) -> None:
    shop.click("i5", user="ev-2")
    assert missing(shop, unseen, "ev-2") == {"i5"}


def test_item_and_value_may_sit_in_properties(shop: Shop, unseen: str) -> None:
    shop.click(None, user="ev-3", properties=json.dumps({"itemId": "i6", "eventValue": 4.5}))
    assert missing(shop, unseen, "ev-3") == {"i6"}


def test_event_id_counts_once(shop: Shop, unseen: str) -> None:
    shop.click("i7", user="ev-4", eventId="same")
    shop.click("i8", user="ev-4", eventId="same")
    assert missing(shop, unseen, "ev-4") == {"i7"}


def test_session_works_as_user_until_somebody_logs_in(shop: Shop, unseen: str) -> None:
    shop.click("i9", user=None, session="ev-s5")
    assert missing(shop, unseen, "ev-s5") == {"i9"}
    shop.click("i10", user="ev-5", session="ev-s5")
    assert missing(shop, unseen, "ev-5") == {"i9", "i10"}


def test_session_named_null_is_dropped_silently(shop: Shop, unseen: str) -> None:
    shop.click("i11", user="ev-6", session="null")
    assert missing(shop, unseen, "ev-6") == set()


def test_event_of_an_unknown_item_is_taken(shop: Shop, unseen: str) -> None:
    shop.click("not-in-any-model", user="ev-7")
    assert missing(shop, unseen, "ev-7") == set()


def test_ten_events_arrive_together(shop: Shop, unseen: str) -> None:
    events: Any = [{"eventType": "View", "sentAt": 1_700_000_000 + n, "itemId": f"i{n}"} for n in range(10)]
    shop.aws.events.put_events(trackingId=shop.tracking_id, sessionId="s", userId="ev-8", eventList=events)
    assert missing(shop, unseen, "ev-8") == {f"i{n}" for n in range(10)}


@pytest.mark.parametrize(
    "properties", ["{", "[]", '"{}"', json.dumps(json.dumps({"itemId": "i1"})), "null", '{"itemId": "\\ud800"}']
)
def test_properties_must_be_one_json_object(shop: Shop, properties: str) -> None:
    assert "Error parsing properties json" in refused(shop, item="i1", properties=properties)


@pytest.mark.parametrize("key", ["userId", "sessionid", "eventType", "TIMESTAMP", "recommendationId", "impression"])
def test_properties_have_no_keys_of_members(shop: Shop, key: str) -> None:
    assert key in refused(shop, item="i1", properties=json.dumps({key: "x"}))


@pytest.mark.parametrize("properties", [{"device": 5}, {"device": ["a"]}, {"eventValue": "much"}, {"itemId": 7}])
def test_properties_have_the_types_of_the_schema(shop: Shop, properties: dict[str, object]) -> None:
    assert "must be" in refused(shop, item=None, properties=json.dumps(properties))


def test_unknown_properties_are_left_out(shop: Shop, unseen: str) -> None:
    shop.click("i12", user="ev-9", properties=json.dumps({"device": "phone", "mood": {"deep": []}}))
    assert missing(shop, unseen, "ev-9") == {"i12"}


def test_nothing_of_a_call_counts_when_one_event_is_refused(shop: Shop, unseen: str) -> None:
    good = {"eventType": "View", "sentAt": 1, "itemId": "i1"}
    events: Any = [good, good | {"properties": "{"}]
    with pytest.raises(shop.aws.events.exceptions.InvalidInputException):
        shop.aws.events.put_events(trackingId=shop.tracking_id, sessionId="s", userId="ev-10", eventList=events)
    assert missing(shop, unseen, "ev-10") == set()


def test_event_is_at_most_ten_kilobytes(shop: Shop) -> None:
    impression = ["\N{SNOWMAN}" * 256] * 25
    assert "10240 bytes" in refused(shop, item="i1", impression=impression)


def test_unknown_tracking_id_is_invalid(shop: Shop) -> None:
    with pytest.raises(shop.aws.events.exceptions.InvalidInputException, match="trackingId"):
        shop.aws.click("00000000-0000-0000-0000-000000000000", "i1")


def test_events_need_an_interactions_dataset(aws: Aws) -> None:
    tracking_id = aws.tracker(aws.group())
    with pytest.raises(aws.events.exceptions.InvalidInputException, match="Interactions dataset"):
        aws.click(tracking_id, "i1")


def test_put_item_is_filtered_and_shown_at_once(shop: Shop, costly: str) -> None:
    dataset = shop.group.replace("dataset-group", "dataset") + "/ITEMS"
    properties = json.dumps({"price": 2000, "categoryL1": "books"})
    assert shop.aws.recommended(shop.personal, userId="u0", filterArn=costly) == []
    shop.aws.events.put_items(datasetArn=dataset, items=[{"itemId": "i13", "properties": properties}])
    answer = shop.aws.runtime.get_recommendations(
        campaignArn=shop.personal, userId="u0", filterArn=costly, metadataColumns={"ITEMS": ["PRICE"]}
    )
    assert [(item["itemId"], item["metadata"]) for item in answer["itemList"]] == [("i13", {"PRICE": "2000.0"})]
    shop.aws.events.put_items(
        datasetArn=dataset, items=[{"itemId": "i13", "properties": '{"price": 13.5, "categoryL1": "books"}'}]
    )
    assert shop.aws.recommended(shop.personal, userId="u0", filterArn=costly) == []


def test_put_user_is_filtered_at_once(shop: Shop) -> None:
    dataset = shop.group.replace("dataset-group", "dataset") + "/USERS"
    expression = 'INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ("books") IF CurrentUser.AGE_GROUP = "old"'
    old = shop.aws.filter(shop.group, expression, "events-old")
    shop.aws.events.put_users(datasetArn=dataset, users=[{"userId": "ev-11", "properties": '{"ageGroup": "old"}'}])
    assert len(shop.aws.recommended(shop.personal, userId="ev-11", numResults=500, filterArn=old)) == 20


@pytest.mark.parametrize("mark", ["\n", "\r", "\x85", "\u2028"])
def test_what_an_import_would_refuse_is_refused_of_a_record_as_well(shop: Shop, mark: str) -> None:
    datasets = shop.group.replace("dataset-group", "dataset")
    invalid = shop.aws.events.exceptions.InvalidInputException
    items: list[tuple[str, dict[str, object], str]] = [
        (f"i{mark}1", {"price": 1}, "itemId must not contain line breaks"),
        ("i1", {"categoryL1": f"a{mark}b"}, "property categoryL1 must not contain line breaks"),
        ("i1", {"categoryL1": "x" * 1001}, "more than 1000 characters for property categoryL1"),
        ("i1", {"categoryL1": "books"}, "Property price does not allow null"),
        ("i1", {"price": 1, "categoryL1": None}, "Property categoryL1 does not allow null"),
    ]
    for key, properties, told in items:
        with pytest.raises(invalid, match=told):
            shop.aws.events.put_items(
                datasetArn=datasets + "/ITEMS", items=[{"itemId": key, "properties": json.dumps(properties)}]
            )
    with pytest.raises(invalid, match="userId must not contain line breaks"):
        shop.aws.events.put_users(datasetArn=datasets + "/USERS", users=[{"userId": f"u{mark}", "properties": "{}"}])
    with pytest.raises(invalid, match="Property ageGroup does not allow null"):
        shop.aws.events.put_users(datasetArn=datasets + "/USERS", users=[{"userId": "u1"}])
    assert "itemId must not contain line breaks" in refused(shop, item=f"i{mark}")
    assert "userId must not contain line breaks" in refused(shop, item="i1", user=f"u{mark}")
    assert "eventId must not contain line breaks" in refused(shop, item="i1", eventId=f"e{mark}")


def test_records_go_to_the_dataset_of_their_kind(shop: Shop) -> None:
    items = shop.group.replace("dataset-group", "dataset") + "/ITEMS"
    with pytest.raises(shop.aws.events.exceptions.InvalidInputException, match="not a dataset of type USERS"):
        shop.aws.events.put_users(datasetArn=items, users=[{"userId": "u"}])
    with pytest.raises(shop.aws.events.exceptions.ResourceNotFoundException):
        shop.aws.events.put_items(datasetArn=items + "x", items=[{"itemId": "i"}])
    with pytest.raises(shop.aws.events.exceptions.InvalidInputException, match="itemId"):
        shop.aws.events.put_items(datasetArn=items, items=[{"itemId": "i", "properties": '{"itemId": "j"}'}])


@pytest.mark.parametrize("source", ["x" * 1025, "home\n", " ", ""])
def test_a_source_that_the_model_does_not_have_is_refused(shop: Shop, source: str) -> None:
    message = refused(shop, item="i1", metricAttribution={"eventAttributionSource": source})
    assert "eventAttributionSource" in message


def test_a_source_may_have_the_longest_name(shop: Shop) -> None:
    shop.click("i1", metricAttribution={"eventAttributionSource": "home.own " + "x" * 1015})
