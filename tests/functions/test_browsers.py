# SPDX-License-Identifier: Apache-2.0
"""What the API's functions make of a browser's requests: of its origin, and of whom it names."""

import json

import pytest
from personalization.identities import Caller
from personalization.recommendations import ANONYMOUS

from functions.get_recommendations.app import handler as recommend
from functions.record_events.app import handler as record
from tests.functions.fakes import FakePersonalize
from tests.functions.samples import RECOMMENDED, Event, body, load

pytestmark = pytest.mark.usefixtures("demo")
FAR = 4_000_000_000
VISITOR = Caller("", "s-1", "demo", FAR)
JOINED = Caller("2375", "s-1", "demo", FAR)


def by(caller: Caller, name: str, **changes: object) -> Event:
    event = load(name)
    told = {key: str(value) for key, value in caller.context().items()}
    context = {**event["requestContext"], "authorizer": {**told, "principalId": "x"}}
    return {**event, "stageVariables": {"callers": "browsers"}, "requestContext": context, **changes}


def test_a_shopper_is_served_and_another_s_id_reaches_nothing(personalize: FakePersonalize) -> None:
    personalize.says("GetRecommendations", RECOMMENDED)
    assert recommend(by(JOINED, "api_recommendations"), None)["statusCode"] == 200
    asked = len(personalize.calls)
    for name in ("api_recommendations", "api_ranking"):
        answer = recommend(by(VISITOR, name), None)
        assert (answer["statusCode"], body(answer)["title"]) == (403, "Forbidden")
    assert len(personalize.calls) == asked


@pytest.mark.parametrize("name", ["api_similar", "api_popular"])
@pytest.mark.parametrize("spelling", ["userId", "user_id", "userid", "USER_ID", "userId[]"])
def test_another_user_is_not_named_in_a_query_however_it_is_spelled(
    personalize: FakePersonalize, name: str, spelling: str
) -> None:
    personalize.says("GetRecommendations", RECOMMENDED)
    query = {"queryStringParameters": {spelling: "2375"}, "multiValueQueryStringParameters": {spelling: ["2375"]}}
    answer = recommend(by(VISITOR, name, **query), None)
    assert answer["statusCode"] == (403 if spelling == "userId" else 200)
    assert all(parameters["userId"] == ANONYMOUS for _, parameters in personalize.calls)


def test_an_event_is_its_caller_s(personalize: FakePersonalize) -> None:
    content = json.dumps({"sessionId": "s-1", "events": [{"eventType": "View"}]})
    for caller, user in ((VISITOR, None), (JOINED, "2375")):
        assert record(by(caller, "api_events", body=content), None)["statusCode"] == 202
        assert personalize.asked("PutEvents").get("userId") == user


def test_a_browser_writes_no_users_and_no_items(personalize: FakePersonalize) -> None:
    for name in ("api_put_user", "api_put_item"):
        assert record(by(JOINED, name), None)["statusCode"] == 403
    assert personalize.calls == []


def test_a_request_that_the_authorizer_has_not_seen_is_refused_at_the_browsers_api() -> None:
    event = {**load("api_popular"), "stageVariables": {"callers": "browsers"}}
    answer = recommend(event, None)
    assert (answer["statusCode"], body(answer)["status"]) == (401, 401)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("https://a.example", ["https://a.example"]), ("https://b.example", ["https://b.example"]),
     ("https://evil.example", None), ("https://a.example.evil.example", None), ("null", None), (None, None)],
)  # fmt: skip
def test_of_several_origins_the_one_that_asks_may_read(origin: str | None, allowed: list[str] | None) -> None:
    event = {**load("api_health"), "stageVariables": {"origins": "https://a.example,https://b.example"}}
    event["headers"] = {**event["headers"], **({"origin": origin} if origin else {})}
    headers = recommend(event, None)["multiValueHeaders"]
    assert headers.get("Access-Control-Allow-Origin") == allowed
    assert headers["Vary"] == ["Origin"]
