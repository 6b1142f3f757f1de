# SPDX-License-Identifier: Apache-2.0
"""Placements, pages, context of the user and what may be kept, at the door of the API."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from personalization.api import bestsellers
from personalization.api.bestsellers import record
from personalization.api.fallback import BUDGET_SECONDS, FallbackChain
from personalization.core import environment
from personalization.core.aws import clients, errors
from personalization.shop.records import release_store

from functions.get_recommendations import app
from functions.get_recommendations.app import handler
from tests.handlers.fakes import FakePersonalize
from tests.handlers.samples import TABLE, Event, body, described, fields, load
from tests.handlers.silences import Clock, silence

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.usefixtures("aws", "demo")
NEVER = ["private, no-store"]


@pytest.fixture
def personalize(personalize: FakePersonalize) -> FakePersonalize:
    items = [{"itemId": f"i{number}", "score": 0.1} for number in range(12)]
    personalize.says("GetRecommendations", {"recommendationId": "RID-1", "itemList": items})
    return personalize


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, table: "DynamoDBClient") -> None:
    """A container that has just started, with the list that the pipeline left."""
    items = [f"best-{number}" for number in range(9)]
    release_store.put(table, TABLE, record("demo", "run-1", "2026-11-25T08:30:00Z", items))
    lists = bestsellers.Bestsellers(bestsellers.fetch(clients.dynamodb_once, environment.table))
    monkeypatch.setattr(app, "FALLBACK", FallbackChain(errors.reason, lists.get, Clock()))


def shown(answer: dict[str, Any]) -> list[str]:
    return [item["itemId"] for item in answer["items"]]


def header(answer: Event, name: str) -> Any:  # noqa: ANN401 - a list of texts
    return answer["multiValueHeaders"].get(name)


def test_a_placement_shows_what_the_shop_chose_without_what_is_excluded(personalize: FakePersonalize) -> None:
    answer = handler(load("api_placement"), None)
    described("Placed", answer)
    assert (answer["statusCode"], body(answer)["placement"], header(answer, "Cache-Control")) == (200, "home", NEVER)
    call = personalize.body_of("GetRecommendations")
    assert (call["numResults"], call["filterArn"].endswith("not-purchased")) == (5, True)


def test_pages_of_a_placement_never_repeat(personalize: FakePersonalize) -> None:
    first = body(handler(load("api_placement"), None))
    event = load("api_placement")
    event["queryStringParameters"], event["multiValueQueryStringParameters"] = {"next": first["next"]}, None
    second = body(handler(event, None))
    assert personalize.body_of("GetRecommendations")["numResults"] == 6
    assert (shown(first), shown(second)) == (["i0", "i1", "i2"], ["i3", "i4", "i5"])
    event["pathParameters"]["userId"] = "somebody-else"
    assert (handler(event, None)["statusCode"], fields(handler(event, None))) == (400, ["next"])


def test_a_page_is_filled_by_calls_at_once_and_shows_nothing_twice(personalize: FakePersonalize) -> None:
    answer = handler(load("api_placements"), None)
    described("Page", answer)
    home, goes_with = body(answer)["placements"]
    assert (home["placement"], shown(home)) == ("home", ["i0", "i1", "i2"])
    assert (goes_with["placement"], shown(goes_with)) == ("goes-with", ["i3", "i4"])
    assert goes_with["items"][0]["because"] == {"code": "goesWithBasket", "itemId": "1082185"}
    assert (len(personalize.calls), header(answer, "Cache-Control")) == (2, NEVER)


def test_a_page_is_there_within_one_budget_when_personalize_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(together=2)
    lists = bestsellers.Bestsellers(bestsellers.fetch(clients.dynamodb_once, environment.table))
    monkeypatch.setattr(app, "FALLBACK", FallbackChain(errors.reason, lists.get, clock))
    with silence([clients.runtime_once()], clock.hang):
        home, goes_with = body(handler(load("api_placements"), None))["placements"]
    assert 0 < clock.now <= BUDGET_SECONDS
    assert (shown(home), home["filterApplied"]) == (["best-0", "best-1", "best-2"], False)
    assert (goes_with["items"], goes_with["degradedReason"]) == ([], "slow")


def test_an_unknown_placement_is_not_found_and_the_known_ones_are_named(personalize: FakePersonalize) -> None:
    event = load("api_placement")
    event["pathParameters"]["placement"] = "hom"
    answer = handler(event, None)
    assert (answer["statusCode"], header(answer, "Content-Type")) == (404, ["application/problem+json"])
    assert body(answer)["errors"] == [{"field": "placement", "message": "must be one of: home, goes-with"}]
    page = {**load("api_placements"), "body": json.dumps({"placements": ["home", "nowhere"]})}
    assert (handler(page, None)["statusCode"], personalize.calls) == (404, [])


def test_only_the_shops_context_is_sent_and_what_the_request_says_wins(personalize: FakePersonalize) -> None:
    event = load("api_recommendations")
    event["headers"] |= {"CloudFront-Is-Mobile-Viewer": "true", "CloudFront-Viewer-Country": "KR"}
    handler(event, None)
    assert personalize.body_of("GetRecommendations")["context"] == {"DEVICE": "phone"}
    event["queryStringParameters"] = {"context.device": "kiosk"}
    handler(event, None)
    assert personalize.body_of("GetRecommendations")["context"] == {"DEVICE": "kiosk"}


def test_items_can_be_excluded_one_by_one(personalize: FakePersonalize) -> None:
    event = load("api_popular")
    event["queryStringParameters"] = {"limit": "3", "excludeItemIds": "i2"}
    event["multiValueQueryStringParameters"] = {"limit": ["3"], "excludeItemIds": ["i0", "i2"]}
    answer = body(handler(event, None))
    assert (shown(answer), personalize.body_of("GetRecommendations")["numResults"]) == (["i1", "i3", "i4"], 5)
    assert answer["items"][0]["because"] == {"code": "popular"}
    described("Answer", {"body": json.dumps(answer)})


@pytest.mark.parametrize("name", ["openapi", "popular", "similar"])
def test_what_is_the_same_for_everybody_can_be_kept(name: str, personalize: FakePersonalize) -> None:
    first = handler(load(f"api_{name}"), None)
    (tag,) = header(first, "ETag")
    assert (first["statusCode"], header(first, "Cache-Control")[0][:16]) == (200, "private, max-age")
    event = load(f"api_{name}")
    event["headers"] |= {"if-none-match": f'"x", {tag}'}
    again = handler(event, None)
    assert (again["statusCode"], again["body"] or "", header(again, "ETag")) == (304, "", [tag])
    assert len(personalize.calls) == (0 if name == "openapi" else 2)
    event["headers"] |= {"if-none-match": '"x"'}
    assert handler(event, None)["statusCode"] == 200


@pytest.mark.usefixtures("personalize")
def test_what_is_kept_is_kept_for_the_page_that_may_read_it() -> None:
    event, tags = load("api_popular"), list[str]()
    event["stageVariables"] = {"origins": "https://a.example,https://b.example"}
    for origin in ("https://a.example", "https://b.example", "https://a.example"):
        event["headers"] |= {"origin": origin, "if-none-match": tags[0] if tags else '"x"'}
        answer = handler(event, None)
        assert (header(answer, "Vary"), header(answer, "Access-Control-Allow-Origin")) == (["Origin"], [origin])
        assert answer["statusCode"] == (304 if tags else 200)
        tags += header(answer, "ETag")
    assert len(set(tags)) == 1


@pytest.mark.parametrize("name", ["recommendations", "placement", "placements", "health"])
def test_what_is_one_users_is_never_kept(name: str, personalize: FakePersonalize) -> None:
    event = load(f"api_{name}")
    event["headers"] |= {"if-none-match": "*"}
    answer = handler(event, None)
    assert (answer["statusCode"], header(answer, "Cache-Control"), header(answer, "ETag")) == (200, NEVER, None)
    assert len(personalize.calls) <= 2


def test_neither_are_refusals_degraded_lists_and_lists_for_a_user(personalize: FakePersonalize) -> None:
    event = load("api_popular")
    for query in ({"userId": "u1"}, {"limit": "0"}):
        answer = handler({**event, "queryStringParameters": query}, None)
        assert (header(answer, "Cache-Control"), header(answer, "ETag")) == (NEVER, None)
    personalize.reset()
    personalize.fails("GetRecommendations", "ThrottlingException")
    answer = handler(event, None)
    assert (body(answer)["degraded"], header(answer, "Cache-Control")) == (True, NEVER)
