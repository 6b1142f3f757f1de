# SPDX-License-Identifier: Apache-2.0
"""A user is deleted on request: from what Personalize has, and from the stack's own table."""

import json
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from boto3.dynamodb.conditions import Key

from local.cloud.home import access
from tests.app.conftest import Shop
from tests.app.waiting import until

LEAVER, OTHER = 'u, "5\\"', 'U, "5\\"'
"""Two users whom nothing but a letter's case tells apart, with everything that a CSV has a meaning for."""


def round_made(shop: Shop) -> dict[str, Any]:
    """What the hourly round says when it is made now."""
    functions = boto3.client("lambda", **access(shop.laptop.state))
    pages = functions.get_paginator("list_functions").paginate()
    (name,) = [
        function["FunctionName"]
        for page in pages
        for function in page["Functions"]
        if "EraseUsers" in function["FunctionName"]
    ]
    told: dict[str, Any] = json.loads(functions.invoke(FunctionName=name)["Payload"].read())
    assert told["failed"] == [], told
    return told


def aged(shop: Shop, user: str) -> None:
    """Let a request be two minutes older: until then a round leaves it alone."""
    table = boto3.resource("dynamodb", **access(shop.laptop.state)).Table(events_table(shop))
    key, change = {"shopper": f"!{shop.name}", "event": user}, {":older": -120}
    table.update_item(Key=key, UpdateExpression="ADD asked :older", ExpressionAttributeValues=change)


def events_table(shop: Shop) -> str:
    """The table of what users did."""
    tables = boto3.client("dynamodb", **access(shop.laptop.state))
    (table,) = [name for name in tables.list_tables()["TableNames"] if "ShopperEvents" in name]
    return table


def counted_items(shop: Shop) -> dict[str, int]:
    """How many events the stack's own table has of both users."""
    tables = boto3.client("dynamodb", **access(shop.laptop.state))
    items = tables.scan(TableName=events_table(shop))["Items"]
    return {user: sum(user in item["shopper"]["S"] for item in items) for user in (LEAVER, OTHER)}


def hidden(shop: Shop, user: str) -> bool | None:
    """Whether the filter hides an item as bought by the user; None while another answer than Personalize's is shown."""
    answer = shop.call("GET", f"/users/{quote(user)}/recommendations", limit="100", filter="not-purchased")
    assert answer.status == 200, answer.body
    return None if "degraded" in answer.body else "garden-03" not in {item["itemId"] for item in answer.body["items"]}


def test_a_user_is_forgotten_and_nobody_else(shop: Shop) -> None:
    for user in (LEAVER, OTHER):
        events = [{"eventType": "Purchase", "itemId": "garden-03"}, {"eventType": "Search"}]
        assert shop.call("POST", "/events", {"userId": user, "sessionId": f"s-{user}", "events": events}).status == 202
    until(lambda: hidden(shop, LEAVER) is True and hidden(shop, OTHER) is True, "both have bought")
    answer = shop.call("DELETE", f"/users/{quote(LEAVER)}")
    assert (answer.status, list(answer.body)) == (202, ["receiptId"])
    assert shop.call("DELETE", f"/users/{quote(LEAVER)}").body == answer.body
    assert round_made(shop)["sent"] == 0
    aged(shop, LEAVER)
    assert round_made(shop)["sent"] == 1
    until(lambda: round_made(shop)["gone"] == 1, "the user is gone")
    assert counted_items(shop) == {LEAVER: 0, OTHER: 2}
    until(lambda: hidden(shop, LEAVER) is False, "the user is a stranger")
    until(lambda: hidden(shop, OTHER) is True, "the other one is not")


@pytest.mark.parametrize(
    "user", ["vqzi%41", "a/b", "a//b", "a b", "a+b", "a?b=c", "a#b", "100 %", "%", "%25", "은하", "é", "e\u0301", "🛒"]
)
def test_a_request_marks_the_user_of_just_this_id(shop: Shop, user: str) -> None:
    table = boto3.resource("dynamodb", **access(shop.laptop.state)).Table(events_table(shop))

    def requests_made() -> set[str]:
        requests = table.query(KeyConditionExpression=Key("shopper").eq(f"!{shop.name}"), ConsistentRead=True)
        return {str(request["event"]) for request in requests["Items"]}

    before = requests_made()
    answer = shop.call("DELETE", f"/users/{quote(user, safe='')}")
    assert (answer.status, list(answer.body)) == (202, ["receiptId"]), answer.body
    assert requests_made() - before == {user}
    table.delete_item(Key={"shopper": f"!{shop.name}", "event": user})
