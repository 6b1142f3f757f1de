# SPDX-License-Identifier: Apache-2.0
"""A user is deleted on request: from what Personalize has, and from the stack's own table."""

from urllib.parse import quote

import pytest
from boto3.dynamodb.conditions import Key

from tests.app.conftest import Shop
from tests.app.deletions import ask, events_table, make_older, step_after_round
from tests.app.waiting import until

LEAVER, OTHER = 'u, "5\\"', 'U, "5\\"'
"""Two users whom nothing but a letter's case tells apart, with everything that a CSV has a meaning for."""


def counted_items(shop: Shop) -> dict[str, int]:
    """How many events the stack's own table has of both users."""
    table = events_table(shop.laptop)
    pages = table.meta.client.get_paginator("scan").paginate(TableName=table.name)
    owners = [item["shopper"] for page in pages for item in page["Items"]]
    return {user: sum(user in owner for owner in owners) for user in (LEAVER, OTHER)}


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
    receipt = ask(shop, quote(LEAVER))
    assert ask(shop, quote(LEAVER)) == receipt
    assert step_after_round(shop, receipt) == "waiting"
    make_older(events_table(shop.laptop), shop.name, LEAVER)
    # A round that is made twice on a busy machine may see the end.
    assert step_after_round(shop, receipt) in {"underWay", "deletedHere"}
    until(lambda: step_after_round(shop, receipt) == "deletedHere", "the user is gone")
    assert counted_items(shop) == {LEAVER: 0, OTHER: 2}
    until(lambda: hidden(shop, LEAVER) is False, "the user is a stranger")
    until(lambda: hidden(shop, OTHER) is True, "the other one is not")


@pytest.mark.parametrize(
    "user", ["vqzi%41", "a/b", "a//b", "a b", "a+b", "a?b=c", "a#b", "100 %", "%", "%25", "은하", "é", "e\u0301", "🛒"]
)
def test_a_request_marks_the_user_of_just_this_id(shop: Shop, user: str) -> None:
    table = events_table(shop.laptop)

    def requests_made() -> set[str]:
        requests = table.query(KeyConditionExpression=Key("shopper").eq(f"!{shop.name}"), ConsistentRead=True)
        return {str(request["event"]) for request in requests["Items"]}

    before = requests_made()
    ask(shop, quote(user, safe=""))
    assert requests_made() - before == {user}
    table.delete_item(Key={"shopper": f"!{shop.name}", "event": user})
