# SPDX-License-Identifier: Apache-2.0
"""The example client for servers: it asks what the API has, tries again what may go well later, says what was."""

import json
import re
import runpy
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.pages import ROOT, read

if TYPE_CHECKING:
    from storefront.client.python.shop_client import ApiError, ShopClient, event, new_visitor_id, origin
else:
    # Pytest's `storefront` is the folder of these tests.
    told = runpy.run_path(str(ROOT / "storefront/client/python/shop_client/__init__.py"))
    ApiError, ShopClient, event, new_visitor_id, origin = (
        told[name] for name in ("ApiError", "ShopClient", "event", "new_visitor_id", "origin")
    )

Reply = tuple[int, dict[str, str], bytes]
PATHS = json.loads(read("functions/get_recommendations/openapi.json"))["paths"]
LIST = {"recommendationId": "RID-1", "items": [{"itemId": "i1", "score": 0.5, "source": "campaign"}]}


def reply(status: int, document: object = None, **headers: str) -> Reply:
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(document).encode()


@dataclass
class Api:
    """Answers in turn what it is told, the last again and again; keeps what it was asked."""

    replies: list[Reply] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            api.requests.append((self.command, self.path, headers, json.loads(raw) if raw else None))
            status, told, content = api.replies.pop(0) if len(api.replies) > 1 else api.replies[0]
            self.send_response(status)
            for name, value in {**told, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    api.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    yield api
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Waits:
    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def client(api: Api, waits: Waits | None = None) -> ShopClient:
    return ShopClient(api.address, "my shop", "the-key", wait=waits or Waits())


def test_lists_are_asked_with_the_key_and_ids_are_quoted(api: Api) -> None:
    api.replies = [reply(200, LIST)]
    answer = client(api).recommend("Zoë/1", limit=3, **{"context.DEVICE": "phone"})
    client(api).similar("a b")
    assert (answer["recommendationId"], answer["items"][0]["itemId"]) == ("RID-1", "i1")
    (_, path, headers, _), (_, similar, _, _) = api.requests
    assert path == "/v1/shops/my%20shop/users/Zo%C3%AB%2F1/recommendations?limit=3&context.DEVICE=phone"
    assert (similar, headers["x-api-key"]) == ("/v1/shops/my%20shop/items/a%20b/similar", "the-key")


def test_a_page_is_asked_for_in_one_call(api: Api) -> None:
    api.replies = [reply(200, {"placements": [{"placement": "home", **LIST}]})]
    page = client(api).page("u 1", ["home"], itemId="i9", excludeItemIds=["i8"])
    assert page["home"]["items"][0]["itemId"] == "i1"
    ((method, path, _, body),) = api.requests
    assert (method, path) == ("POST", "/v1/shops/my%20shop/users/u%201/placements")
    assert body == {"placements": ["home"], "itemId": "i9", "excludeItemIds": ["i8"]}


def test_a_visitors_id_goes_with_a_page_with_events_and_with_what_was_seen(api: Api) -> None:
    api.replies = [reply(200, {"placements": [], "accepted": 1})]
    visitor_id = new_visitor_id()
    assert re.fullmatch("[A-Za-z0-9_-]{21}[AQgw]", visitor_id)
    assert visitor_id != new_visitor_id()
    shop = client(api)
    shop.page("u1", ["home"], visitor_id=visitor_id)
    shop.send("s", [event("View", itemId="i")], visitor_id=visitor_id)
    shop.seen("s", [{"listId": "L-1", "itemIds": ["i"]}], visitor_id=visitor_id)
    assert api.requests[0][1].endswith(f"/users/u1/placements?visitorId={visitor_id}")
    assert [request[3]["visitorId"] for request in api.requests[1:]] == [visitor_id] * 2


def test_an_event_says_from_which_answer_it_came_and_what_was_shown(api: Api) -> None:
    api.replies = [reply(200, LIST)]
    answer = client(api).recommend("u")
    bought = event("Purchase", itemId="i1", **origin(answer))
    assert (bought["recommendationId"], bought["impression"]) == ("RID-1", ["i1"])
    assert origin({"recommendationId": None, "items": []}) == {}
    assert origin({**answer, "listId": "L-1"}) == {"recommendationId": "RID-1", "impression": ["i1"], "listId": "L-1"}
    assert origin({"recommendationId": None, "listId": "L-2", "items": []}) == {"listId": "L-2"}
    assert origin({"recommendationId": None, "listId": None, "items": []}) == {}
    items = [
        {"itemId": "a", "score": None, "source": "campaign", "recommendationId": "R-1", "listId": "L-1"},
        {"itemId": "b", "score": None, "source": "bestsellers", "recommendationId": None, "listId": "L-2"},
        {"itemId": "c", "score": None, "source": "campaign", "recommendationId": "R-1"},
    ]
    shared: Any = {"recommendationId": None, "listId": "L", "items": items}
    assert origin(shared, "a") == {"recommendationId": "R-1", "impression": ["a", "c"], "listId": "L-1"}
    assert origin(shared, "b") == {"listId": "L-2"}
    assert origin(shared, "c") == {"recommendationId": "R-1", "impression": ["a", "c"], "listId": "L"}
    assert origin(shared) == {"listId": "L"}


def test_every_call_is_a_route_of_the_api(api: Api) -> None:
    api.replies = [reply(200, {**LIST, "accepted": 1, "placements": []})]
    shop = client(api)
    shop.page("u", ["home"])
    shop.recommend("u")
    shop.similar("i")
    shop.likelihoods("u", ["i"])
    shop.send("s", [event("View", itemId="i")])
    assert shop.seen("s", [{"listId": "L-1", "itemIds": ["i"]}], "u") == 1
    patterns = {
        (method.upper(), re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))) for path in PATHS for method in PATHS[path]
    }
    for method, path, _, _ in api.requests:
        route = urlsplit(path).path.removeprefix("/v1")
        assert any(
            method == method_of_route and re.fullmatch(pattern, route) for method_of_route, pattern in patterns
        ), unquote(route)


def test_an_event_has_its_id_and_time_before_it_is_sent_and_keeps_them(api: Api) -> None:
    api.replies = [reply(503), reply(202, {"accepted": 1})]
    made = event("Purchase", itemId="i1", eventValue=2.5, recommendationId=None)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(made["sentAt"])).total_seconds()) < 60
    assert "recommendationId" not in made
    client(api).send("s-1", [made], user_id="u1")
    bodies = [body for *_, body in api.requests]
    assert bodies == [{"sessionId": "s-1", "userId": "u1", "events": [made]}] * 2


def test_many_events_go_a_hundred_at_a_time_and_what_was_not_accepted_again(api: Api) -> None:
    api.replies = [reply(202, {"accepted": count}) for count in (100, 30, 20)]
    made = [event("View", itemId=f"i{number}") for number in range(150)]
    client(api).send("s-1", made)
    assert [len(body["events"]) for *_, body in api.requests] == [100, 50, 20]
    assert api.requests[2][3]["events"] == made[130:]


def test_events_of_which_none_is_accepted_are_not_sent_for_ever(api: Api) -> None:
    api.replies = [reply(202, {"accepted": 0})]
    with pytest.raises(ApiError, match="No event was accepted"):
        client(api).send("s-1", [event("View")])


def test_retry_after_is_honoured_and_else_waits_double_and_differ(api: Api) -> None:
    waits = Waits()
    api.replies = [reply(429, Retry_After="2"), reply(500), reply(504, Retry_After="86400"), reply(200, LIST)]
    assert client(api, waits).recommend("u1")["items"]
    assert (waits.seconds[0], waits.seconds[2]) == (2, 60)
    assert 0.25 <= waits.seconds[1] <= 0.75


def test_a_refusal_says_why_and_is_not_tried_again(api: Api) -> None:
    told = {"title": "Bad Request", "detail": "limit is not", "errors": [{"field": "limit", "message": "no"}]}
    api.replies = [reply(400, told, Content_Type="application/problem+json")]
    with pytest.raises(ApiError, match="limit is not") as refused:
        client(api).recommend("u1", limit=0)
    assert (refused.value.status, refused.value.problem["errors"][0]["field"], len(api.requests)) == (400, "limit", 1)


@pytest.mark.parametrize("content", [b"<html>", b"[]", b""])
def test_a_refusal_without_a_document_has_its_status(content: bytes, api: Api) -> None:
    api.replies = [(403, {}, content)]
    with pytest.raises(ApiError, match="HTTP 403"):
        client(api).recommend("u1")


def test_what_does_not_come_to_an_end_is_given_up_after_its_tries(api: Api) -> None:
    waits = Waits()
    api.replies = [reply(503, {"title": "Service Unavailable"})]
    with pytest.raises(ApiError, match="Service Unavailable"):
        client(api, waits).recommend("u1")
    assert (len(api.requests), len(waits.seconds)) == (4, 3)
    with pytest.raises(OSError, match="refused"):
        ShopClient("http://127.0.0.1:9", "s", "k", wait=waits).recommend("u1")
    assert len(waits.seconds) == 6
