# SPDX-License-Identifier: Apache-2.0
"""What the API refuses, with which status and which field; nothing answers 5xx, nothing shows a stack trace."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.app.conftest import Shop

EVENT = {"eventType": "View", "itemId": "garden-01"}
LONG = "x" * 300


def event_body(count: int = 1, **changes: object) -> dict[str, object]:
    return {"sessionId": "s", "userId": "u1", "events": [EVENT] * count, **changes}


REFUSED: dict[str, tuple[str, str, object, int, str]] = {
    "limit 0": ("GET", "/users/u1/recommendations?limit=0", None, 400, "limit"),
    "limit 10,000": ("GET", "/users/u1/recommendations?limit=10000", None, 400, "limit"),
    "limit abc": ("GET", "/popular?limit=abc", None, 400, "limit"),
    "unknown filter": ("GET", "/users/u1/recommendations?filter=nope", None, 400, "filter"),
    "user id of 300 characters": ("GET", f"/users/{LONG}/recommendations", None, 400, "userId"),
    "item id of 300 characters": ("GET", f"/items/{LONG}/similar", None, 400, "itemId"),
    "ranking without items": ("POST", "/users/u1/ranking", {}, 400, "itemIds"),
    "ranking of nothing": ("POST", "/users/u1/ranking", {"itemIds": []}, 400, "itemIds"),
    "ranking of 501 items": ("POST", "/users/u1/ranking", {"itemIds": [str(n) for n in range(501)]}, 400, "itemIds"),
    "events as a list": ("POST", "/events", [], 400, ""),
    "no session": ("POST", "/events", {"events": [EVENT]}, 400, "sessionId"),
    "no events": ("POST", "/events", event_body(0), 400, "events"),
    "101 events": ("POST", "/events", event_body(101), 400, "events"),
    "an event without type": ("POST", "/events", event_body(events=[{"itemId": "i"}]), 400, "events.0.eventType"),
    "an item of 300 characters": (
        "POST",
        "/events",
        event_body(events=[EVENT | {"itemId": LONG}]),
        400,
        "events.0.itemId",
    ),
    "a time that is none": ("POST", "/events", event_body(events=[EVENT | {"sentAt": "soon"}]), 400, "events.0.sentAt"),
    "a user without properties": ("PUT", "/users/u1", {}, 400, "properties"),
    "a path that is none": ("GET", "/users/u1/wishes", None, 404, ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_request_is_a_problem_with_its_field(shop: Shop, case: str) -> None:
    method, path, body, status, field = REFUSED[case]
    path, _, query = path.partition("?")
    answer = shop.call(method, path, body, **dict(pair.split("=") for pair in query.split("&") if pair))
    assert answer.status == status, answer.body
    assert_problem(answer.body, status)
    fields = [error["field"] for error in answer.body.get("errors", [])]
    assert field in fields or not field


def assert_problem(body: Mapping[str, Any], status: int) -> None:
    assert body["status"] == status
    assert body["title"]
    assert body["type"]
    assert "Traceback" not in str(body)


@pytest.mark.parametrize("content", [b"", b"null", b'""', b"{", b'{"sessionId": ', b"\xff\xfe", b"[" * 5000])
def test_a_body_that_is_no_object_is_a_problem(shop: Shop, content: bytes) -> None:
    state = shop.laptop.state
    response = shop.laptop.client.http.request(
        "POST", f"{state.api}/shops/green/events", body=content, headers={"x-api-key": state.key}
    )
    assert response.status == 400
    assert response.headers["content-type"].startswith("application/problem+json")
    assert_problem(response.json(), 400)


def test_an_unknown_shop_is_not_found(shop: Shop) -> None:
    for method, path in (("GET", "/shops/nobody/popular"), ("GET", "/shops/nobody/users/u/recommendations")):
        answer = shop.laptop.call(method, path)
        assert answer.status == 404
        assert_problem(answer.body, 404)
    assert shop.laptop.call("POST", "/shops/nobody/events", event_body()).status == 404


def test_strangers_get_good_answers(shop: Shop) -> None:
    assert len(shop.items("never-seen", limit="7")) == 7
    assert len(shop.items("Jörg Müller", limit="3")) == 3
    assert shop.call("GET", "/items/never-seen/similar", limit="4").status == 200


def test_more_than_ten_events_are_split(shop: Shop) -> None:
    answer = shop.call("POST", "/events", event_body(11, userId="many"))
    assert (answer.status, answer.body["accepted"]) == (202, 11)
    assert len({event["eventId"] for event in answer.body["events"]}) == 11


def test_a_body_over_the_limit_is_too_large(shop: Shop) -> None:
    answer = shop.call("POST", "/events", event_body(padding="x" * 300_000))
    assert answer.status == 413


@pytest.mark.parametrize("key", ["", "wrong-key-wrong-key-wrong-key"])
def test_a_missing_or_wrong_key_is_refused_and_health_needs_none(shop: Shop, key: str) -> None:
    refused = shop.laptop.call("GET", "/shops/green/popular", key=key)
    assert refused.status == 403
    assert_problem(refused.body, 403)
    assert shop.laptop.call("GET", "/health", key=key).status == 200


def test_the_api_describes_itself(shop: Shop) -> None:
    described = shop.laptop.call("GET", "/openapi.json").body
    assert described["openapi"].startswith("3.1")
    assert "/shops/{shop}/users/{userId}/recommendations" in described["paths"]
