# SPDX-License-Identifier: Apache-2.0
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
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.samples import RECOMMENDED, RELEASE, TABLE, Event, body, described, fields, load
from tests.handlers.silences import Clock, silence

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

THRESHOLD = 3

pytestmark = pytest.mark.usefixtures("aws", "demo")
MOST_CALLS = 4
"""Of campaigns that hang up: two of the one asked for, and two of the popular one."""
LISTINGS = ("recommendations", "similar", "popular")
MALFORMED = [
    "",
    "null",
    "[]",
    '""',
    "{",
    "nonsense",
    "{}",
    '{"itemIds":[]}',
    '{"itemIds":"x"}',
    '{"itemIds":[1]}',
    '{"itemIds":[""]}',
    '{"itemIds":["a"],"x":1}',
    '{"itemIds":["\\ud800"]}',
    '{"itemIds":NaN}',
    json.dumps({"itemIds": ["i" * 300]}),
]


@pytest.fixture
def personalize(personalize: FakePersonalize) -> FakePersonalize:
    personalize.says("GetRecommendations", RECOMMENDED)
    ranked = {"recommendationId": "RID-2", "personalizedRanking": [{"itemId": "995242", "score": 0.7}]}
    personalize.says("GetPersonalizedRanking", ranked)
    return personalize


@pytest.fixture(scope="module", autouse=True)
def _bestsellers(table: "DynamoDBClient") -> None:
    """The list that the pipeline left."""
    items = [f"best-{number}" for number in range(5)]
    release_store.put(table, TABLE, record("demo", "run-1", "2026-11-25T08:30:00Z", items))


@pytest.fixture
def clock() -> Clock:
    """What the container takes the time from."""
    return Clock()


@pytest.fixture(autouse=True)
def _fresh(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that has just started: it remembers no answer and no failure."""
    lists = bestsellers.Bestsellers(bestsellers.fetch(clients.dynamodb_once, environment.table))
    monkeypatch.setattr(app, "FALLBACK", FallbackChain(errors.reason, lists.get, clock))


def event(name: str, **query: str) -> Event:
    return {**load(f"api_{name}"), "queryStringParameters": query}


def test_a_user_is_recommended_items_with_their_metadata(personalize: FakePersonalize) -> None:
    answer = handler(load("api_recommendations"), None)
    assert answer["statusCode"] == 200
    first, second = body(answer)["items"]
    assert first == {"itemId": "1082185", "score": 0.0123, "source": "campaign", "metadata": {"price": "1.29"}}
    assert second == {"itemId": "995242", "score": None, "source": "campaign"}
    assert personalize.body_of("GetRecommendations") == {
        "campaignArn": f"{ARN}:campaign/retail-demo-user-personalization",
        "userId": "2375",
        "numResults": 10,
        "filterArn": f"{ARN}:filter/retail-demo-not-purchased",
        "metadataColumns": {"ITEMS": ["PRICE", "CATEGORY_L1"]},
    }


def test_similar_items_are_asked_for_by_the_decoded_id(personalize: FakePersonalize) -> None:
    assert handler(load("api_similar"), None)["statusCode"] == 200
    call = personalize.body_of("GetRecommendations")
    assert (call["itemId"], call["numResults"]) == ("우유 1/2L", 5)
    assert call["campaignArn"].endswith("similar-items")


def test_a_gateway_that_decodes_path_parameters_gives_the_same(personalize: FakePersonalize) -> None:
    event = load("api_similar")
    event["path"], event["pathParameters"]["itemId"] = "/shops/demo/items/우유 1/2L/similar", "우유 1/2L"
    assert handler(event, None)["statusCode"] == 200
    assert personalize.body_of("GetRecommendations")["itemId"] == "우유 1/2L"


def test_popular_items_say_that_they_are(personalize: FakePersonalize) -> None:
    answer = body(handler(load("api_popular"), None))
    assert {item["source"] for item in answer["items"]} == {"popular"}
    assert personalize.body_of("GetRecommendations")["campaignArn"].endswith("popularity-count")


def test_a_ranking_names_the_callers_items(personalize: FakePersonalize) -> None:
    assert body(handler(load("api_ranking"), None))["items"][0]["itemId"] == "995242"
    call = personalize.body_of("GetPersonalizedRanking")
    assert (call["userId"], call["inputList"]) == ("2375", ["1082185", "995242", "1029743"])


@pytest.mark.parametrize("name", [*LISTINGS, "ranking"])
def test_every_answer_is_as_it_is_described(name: str, personalize: FakePersonalize) -> None:
    answer = handler(load(f"api_{name}"), None)
    described("Answer", answer)
    assert answer["multiValueHeaders"]["Access-Control-Allow-Origin"] == ["https://shop.example"]
    assert len(personalize.calls) == 1


@pytest.mark.parametrize("limit", ["0", "501", "10000", "abc", "-1", "", "1e3", "9" * 5000])
@pytest.mark.parametrize("name", LISTINGS)
def test_a_limit_is_from_1_to_500(name: str, limit: str, personalize: FakePersonalize) -> None:
    answer = handler(event(name, limit=limit), None)
    assert (answer["statusCode"], fields(answer)) == (400, ["limit"])
    assert answer["multiValueHeaders"]["Content-Type"] == ["application/problem+json"]
    assert personalize.calls == []


@pytest.mark.parametrize("name", ["popular", "similar"])
def test_every_request_names_a_user(name: str, personalize: FakePersonalize) -> None:
    assert handler(load(f"api_{name}"), None)["statusCode"] == 200
    assert personalize.body_of("GetRecommendations")["userId"] == "nobody-in-particular"


def test_metadata_is_only_asked_for_where_personalize_gives_it(personalize: FakePersonalize) -> None:
    assert handler(event("popular", limit="51"), None)["statusCode"] == 200
    assert "metadataColumns" not in personalize.body_of("GetRecommendations")


@pytest.mark.parametrize("name", ["recommendations", "similar", "popular", "ranking", "placement"])
def test_a_campaign_that_refuses_columns_is_asked_without_them(name: str, personalize: FakePersonalize) -> None:
    operation = "GetPersonalizedRanking" if name == "ranking" else "GetRecommendations"
    personalize.reset()
    personalize.fails(operation, "InvalidInputException", "it shows no metadataColumns")
    good = {"itemId": "shown"}
    personalize.says(operation, {"recommendationId": "RID-2", "itemList": [good], "personalizedRanking": [good]})
    answer = handler(load(f"api_{name}"), None)
    assert answer["statusCode"] == 200
    assert body(answer)["items"][0]["itemId"] == "shown"
    assert not body(answer).get("degraded")
    first, second = (request for _, request in personalize.calls)
    assert {name: first[name] for name in first if name != "metadataColumns"} == second != first


def test_a_campaign_that_is_known_to_show_no_columns_is_not_asked_for_them(
    personalize: FakePersonalize, table: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    campaigns: Any = {alias: {**campaign, "metadata": False} for alias, campaign in dict(RELEASE["campaigns"]).items()}  # type: ignore[arg-type, dict-item]
    release_store.put(table, TABLE, {**RELEASE, "shop": "plain", "campaigns": campaigns})
    monkeypatch.setattr(
        app, "RELEASES", release_store.Releases(release_store.fetch_release(clients.dynamodb, environment.table))
    )
    for name in ("recommendations", "ranking", "placement"):
        event = load(f"api_{name}")
        event["pathParameters"] = {**event["pathParameters"], "shop": "plain"}
        event["path"] = event["path"].replace("/demo/", "/plain/")
        assert handler(event, None)["statusCode"] == 200
    assert all("metadataColumns" not in request for _, request in personalize.calls)
    assert len(personalize.calls) == 3


def test_filter_values_and_context_go_along(personalize: FakePersonalize) -> None:
    query = {"filter": "not-purchased", "filterValues.CATS": "Soups, Bread", "filterValues.MAX": "2.5"}
    assert handler(event("recommendations", **query, **{"context.device": "phone"}), None)["statusCode"] == 200
    call = personalize.body_of("GetRecommendations")
    assert call["filterValues"] == {"CATS": '"Soups","Bread"', "MAX": "2.5"}
    assert call["context"] == {"DEVICE": "phone"}


@pytest.mark.parametrize(
    ("name", "query", "hint"),
    [
        ("similar", "limi", "Did you mean limit?"),
        ("recommendations", "filterValue.CATEGORY", "Did you mean filterValues.NAME?"),
        ("recommendations", "context", "Did you mean context.NAME?"),
        ("popular", "limit.x", "Did you mean limit?"),
        ("ranking", "limit", "There are filter, filterValues.NAME, context.NAME, personalize."),
    ],
)
def test_a_misspelt_query_parameter_is_refused_with_the_nearest(
    name: str, query: str, hint: str, personalize: FakePersonalize
) -> None:
    answer = handler(event(name, **{query: "3"}), None)
    (error,) = body(answer)["errors"]
    assert (answer["statusCode"], error["field"], personalize.calls) == (400, query, [])
    assert hint in error["message"]


def test_an_unknown_filter_is_refused_and_the_known_ones_are_named() -> None:
    answer = handler(event("popular", filter="cheap"), None)
    assert (answer["statusCode"], body(answer)["errors"]) == (
        400,
        [{"field": "filter", "message": "must be one of: not-purchased"}],
    )


@pytest.mark.parametrize("shop", ["nowhere", "No Shop", "x" * 5000, "..", "a%2fb"])
def test_an_unknown_shop_is_not_found(shop: str, personalize: FakePersonalize) -> None:
    event = load("api_popular")
    event["pathParameters"]["shop"] = shop
    answer = handler(event, None)
    assert (answer["statusCode"], body(answer)["title"]) == (404, "Not Found")
    assert personalize.calls == []


def test_a_user_id_may_have_256_characters(personalize: FakePersonalize) -> None:
    event = load("api_recommendations")
    event["pathParameters"]["userId"] = "u" * 300
    answer = handler(event, None)
    assert (answer["statusCode"], fields(answer)) == (400, ["userId"])
    event["pathParameters"]["userId"] = "u" * 256
    assert handler(event, None)["statusCode"] == 200
    assert len(personalize.calls) == 1


@pytest.mark.parametrize("sent", [None, "\ud800", json.dumps({"itemIds": ["i"] * 501}), "[" * 9999, *MALFORMED])
def test_a_malformed_ranking_is_a_bad_request(sent: str | None, personalize: FakePersonalize) -> None:
    answer = handler({**load("api_ranking"), "body": sent}, None)
    assert answer["statusCode"] == 400
    assert body(answer)["errors"]
    assert personalize.calls == []


def test_a_body_may_come_as_base64(personalize: FakePersonalize) -> None:
    event = {**load("api_ranking"), "body": "eyJpdGVtSWRzIjpbImEiXX0=", "isBase64Encoded": True}
    assert handler(event, None)["statusCode"] == 200
    assert personalize.body_of("GetPersonalizedRanking")["inputList"] == ["a"]
    assert handler({**event, "body": "not base64!"}, None)["statusCode"] == 400


def test_a_large_body_is_refused() -> None:
    sent = json.dumps({"itemIds": ["i" * 250] * 2000})
    answer = handler({**load("api_ranking"), "body": sent}, None)
    assert (answer["statusCode"], body(answer)["title"]) == (413, "Content Too Large")


FAILURES = pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("ThrottlingException", 400, "throttled"),
        ("InternalFailure", 500, "failing"),
        ("ResourceNotFoundException", 404, "missing"),
    ],
)


def filled(answer: Event) -> list[tuple[str, str]]:
    """The items of an answer that is not a refusal, each with its source."""
    assert answer["statusCode"] == 200, answer
    described("Answer", answer)
    return [(item["itemId"], item["source"]) for item in body(answer)["items"]]


@FAILURES
def test_a_ranking_that_cannot_be_had_is_the_callers_own_order(
    code: str, status: int, reason: str, personalize: FakePersonalize
) -> None:
    personalize.reset()
    personalize.fails("GetPersonalizedRanking", code, "campaign secret", status)
    answer = handler(load("api_ranking"), None)
    assert filled(answer) == [(item, "caller") for item in ("1082185", "995242", "1029743")]
    assert (body(answer)["degraded"], body(answer)["degradedReason"]) == (True, reason)
    assert "secret" not in answer["body"]


@FAILURES
@pytest.mark.parametrize("name", LISTINGS)
def test_the_last_good_answer_for_this_user_stands_in(
    name: str, code: str, status: int, reason: str, personalize: FakePersonalize
) -> None:
    good = filled(handler(load(f"api_{name}"), None))
    personalize.reset()
    personalize.fails("GetRecommendations", code, status=status)
    answer = handler(load(f"api_{name}"), None)
    assert filled(answer)[: len(good)] == [(item, "cache") for item, _ in good]
    # Room that is left has bestsellers, except under a filter, as the recommendations of this event are.
    assert {source for _, source in filled(answer)[len(good) :]} == (set() if name == LISTINGS[0] else {"bestsellers"})
    assert (body(answer)["degradedReason"], body(answer)["recommendationId"]) == (
        reason,
        RECOMMENDED["recommendationId"],
    )
    assert "filterApplied" not in body(answer)


def test_a_stranger_is_shown_popular_items_under_the_same_filter(personalize: FakePersonalize) -> None:
    personalize.reset()
    personalize.fails("GetRecommendations", "ResourceNotFoundException", status=404)
    personalize.says("GetRecommendations", RECOMMENDED)
    answer = handler(event("recommendations", filter="not-purchased", **{"context.device": "phone"}), None)
    assert [source for _, source in filled(answer)] == ["popular", "popular"]
    call = personalize.body_of("GetRecommendations")
    assert call["campaignArn"].endswith("popularity-count")
    assert (call["userId"], call["filterArn"].endswith("not-purchased"), "context" in call) == ("2375", True, False)
    assert "filterApplied" not in body(answer)


def test_when_everything_fails_bestsellers_fill_the_shelf(personalize: FakePersonalize) -> None:
    personalize.reset()
    personalize.fails("GetRecommendations", "ServiceUnavailable", status=503)
    answer = handler(event("recommendations", limit="3"), None)
    assert filled(answer) == [(f"best-{number}", "bestsellers") for number in range(3)]
    assert (body(answer)["recommendationId"], "filterApplied" in body(answer)) == (None, False)
    answer = handler(event("recommendations", filter="not-purchased"), None)
    assert (len(filled(answer)), body(answer)["filterApplied"]) == (5, False)


def test_the_item_that_is_looked_at_is_not_on_its_own_shelf(personalize: FakePersonalize) -> None:
    personalize.reset()
    personalize.fails("GetRecommendations", "ThrottlingException")
    event = load("api_similar")
    event["pathParameters"]["itemId"] = "best-0"
    assert [item for item, _ in filled(handler(event, None))] == [f"best-{number}" for number in range(1, 5)]


@pytest.mark.parametrize("name", [*LISTINGS, "ranking"])
def test_a_personalize_that_hangs_or_hangs_up_is_answered_within_the_budget(
    name: str, personalize: FakePersonalize, clock: Clock
) -> None:
    with silence([clients.runtime_once()], clock.hang):
        assert filled(handler(load(f"api_{name}"), None))
    assert 0 < clock.now <= BUDGET_SECONDS
    personalize.reset()
    for operation in ("GetRecommendations", "GetPersonalizedRanking"):
        personalize.hangs_up(operation)
    assert filled(handler(load(f"api_{name}"), None))
    assert len(personalize.calls) <= MOST_CALLS


def test_the_budget_reckons_with_the_longest_call_that_the_client_makes() -> None:
    limits: Any = clients.runtime_once().meta.config
    assert limits.connect_timeout + limits.read_timeout == pytest.approx(0.85)
    assert limits.retries["total_max_attempts"] == 1


def test_an_outage_costs_one_budget_and_then_nothing(personalize: FakePersonalize) -> None:
    personalize.reset()
    personalize.fails("GetRecommendations", "ThrottlingException")
    for _ in range(THRESHOLD + 5):
        assert filled(handler(load("api_popular"), None))
    assert len(personalize.calls) == THRESHOLD
    assert body(handler(load("api_popular"), None))["degradedReason"] == "resting"


def test_a_blip_of_the_connection_is_not_seen(personalize: FakePersonalize) -> None:
    personalize.reset()
    personalize.hangs_up("GetRecommendations")
    personalize.says("GetRecommendations", RECOMMENDED)
    assert [source for _, source in filled(handler(load("api_recommendations"), None))] == ["campaign"] * 2


def test_a_degraded_answer_is_counted(personalize: FakePersonalize, capsys: pytest.CaptureFixture[str]) -> None:
    personalize.reset()
    personalize.fails("GetRecommendations", "ThrottlingException")
    handler(load("api_popular"), None)
    told = json.loads(capsys.readouterr().out)
    assert (told["DegradedAnswers"], told["degraded"], told["source"]) == (1.0, "throttled", "bestsellers")


def test_lists_are_counted_by_source_and_name(personalize: FakePersonalize, capsys: pytest.CaptureFixture[str]) -> None:
    personalize.reset()
    personalize.says("GetRecommendations", RECOMMENDED)
    handler(load("api_similar"), None)
    told = json.loads(capsys.readouterr().out)
    assert (told["Lists"], told["shop"], told["list"], told["source"]) == (1.0, "demo", "similar-items", "campaign")
    assert "DegradedAnswers" not in told
    made = {metric["Metrics"][0]["Name"]: metric["Dimensions"] for metric in told["_aws"]["CloudWatchMetrics"]}
    assert all(dimension in told for sets in made.values() for dimensions in sets for dimension in dimensions)
    assert set(made) == {"AnswerTime", "Lists"}


def test_what_personalize_calls_invalid_is_400(personalize: FakePersonalize) -> None:
    personalize.reset()
    personalize.fails("GetPersonalizedRanking", "InvalidInputException", "The context is unknown.")
    answer = handler(load("api_ranking"), None)
    assert answer["statusCode"] == 400
    assert body(answer)["detail"].endswith("The context is unknown.")


@pytest.mark.parametrize("change", [{"path": "/nowhere"}, {"httpMethod": "DELETE"}, {"resource": "", "path": "/shops"}])
def test_an_unknown_route_is_not_found(change: dict[str, Any]) -> None:
    answer = handler({**load("api_health"), "resource": "/{proxy+}", "pathParameters": None, **change}, None)
    assert (answer["statusCode"], body(answer)["status"]) == (404, 404)
    assert body(answer)["requestId"] == load("api_health")["requestContext"]["requestId"]


def test_health_asks_nobody(personalize: FakePersonalize) -> None:
    assert body(handler(load("api_health"), None)) == {"status": "ok"}
    assert personalize.calls == []


def test_the_api_describes_itself() -> None:
    answer = handler(load("api_openapi"), None)
    assert body(answer)["openapi"] == "3.1.0"
    assert answer["multiValueHeaders"]["Content-Type"] == ["application/json"]


def test_one_log_line_an_answer_without_ids(personalize: FakePersonalize, capsys: pytest.CaptureFixture[str]) -> None:
    handler(load("api_recommendations"), None)
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["route"], told["status"]) == ("GET /shops/{shop}/users/{userId}/recommendations", 200)
    assert "2375" not in line
    assert personalize.calls
