# SPDX-License-Identifier: Apache-2.0
"""Users who object to personal lists, at the doors of the two functions."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from personalization.api import bestsellers
from personalization.core.errors import RetryLater
from personalization.events.objections import Objections
from personalization.shop.records import release_store

from functions.get_recommendations import app as answers
from functions.record_events import app as records
from tests.handlers import containers
from tests.handlers.fakes import FakePersonalize
from tests.handlers.samples import TABLE, Event, body, described, fields, load

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.usefixtures("aws", "demo")


@pytest.fixture(autouse=True)
def _answering(personalize: FakePersonalize, table: "DynamoDBClient") -> None:
    items = [{"itemId": f"i{number}", "score": 0.1} for number in range(12)]
    personalize.says("GetRecommendations", {"recommendationId": "RID-1", "itemList": items})
    personalize.says("GetPersonalizedRanking", {"recommendationId": "RID-2", "personalizedRanking": items[:2]})
    best = [f"best-{number}" for number in range(9)]
    release_store.put(table, TABLE, bestsellers.record("demo", "run-1", "2026-11-25T08:30:00Z", best))


def choose(user: str, sent: object) -> Event:
    event = load("api_put_personalization")
    event["pathParameters"]["userId"] = user
    answer: Event = records.handler(event | {"body": json.dumps(sent)}, None)
    return answer


def set_personal(user: str, *, enabled: bool) -> None:
    answer = choose(user, {"enabled": enabled})
    described("Personalized", answer)
    assert (answer["statusCode"], body(answer)) == (202, {"enabled": enabled})
    # Both functions know within a minute; containers that begin now know at once.
    containers.start(answers, records)


def answered(name: str, user: str) -> Any:  # noqa: ANN401 - an answer's JSON
    event = load(name)
    parameters = "queryStringParameters" if name == "api_similar" else "pathParameters"
    event[parameters] = {**(event[parameters] or {}), "userId": user}
    answer = answers.handler(event, None)
    assert answer["statusCode"] == 200, answer
    return body(answer)


@pytest.mark.parametrize(
    "name", ["api_recommendations", "api_placement", "api_placements", "api_ranking", "api_similar", "api_popular"]
)
def test_nothing_personal_is_asked_for_a_user_who_objects(name: str, personalize: FakePersonalize) -> None:
    set_personal("objector", enabled=False)
    answered(name, "objector")
    sent = json.dumps(personalize.calls)
    assert "nobody-in-particular" in sent
    assert "objector" not in sent


def test_the_lists_are_bestsellers_until_the_user_says_otherwise() -> None:
    for user, enabled in (("objector", True), ("objector", False), ("objector", False), ("objector", True)):
        set_personal(user, enabled=enabled)
        for name in ("api_recommendations", "api_placement"):
            sources = {item["source"] for item in answered(name, user)["items"]}
            assert sources == ({"campaign"} if enabled else {"popular"})
        pages = {page["placement"]: page for page in answered("api_placements", user)["placements"]}
        assert {item["source"] for item in pages["home"]["items"]} == ({"campaign"} if enabled else {"popular"})
        assert (answered("api_recommendations", user)["listId"] is None) == (not enabled)
        # What starts from an item alone is the same for everybody.
        assert {item["source"] for item in pages["goes-with"]["items"]} == {"campaign"}
    assert {item["source"] for item in answered("api_recommendations", "somebody")["items"]} == {"campaign"}


def test_the_receipt_of_an_erasure_tells_that_the_objection_stays() -> None:
    for enabled in (False, True):
        set_personal("leaver", enabled=enabled)
        event = load("api_delete_user")
        event["pathParameters"]["userId"] = "leaver"
        answer = records.handler(event, None)
        described("Receipt", answer)
        assert ("personalization" in body(answer)) == (not enabled)


@pytest.mark.parametrize("sent", [{}, {"enabled": "no"}, {"enabled": 0}, {"enabled": None}, {"personal": False}])
def test_a_choice_is_true_or_false(sent: object) -> None:
    answer = choose("objector", sent)
    assert answer["statusCode"] == 400
    assert fields(answer)


def test_an_objection_holds_within_a_minute_and_while_the_table_is_away() -> None:
    sets: dict[str, frozenset[str]] = {}
    away: list[bool] = []
    reads: list[str] = []

    def fetch(_: str, record: str) -> frozenset[str]:
        reads.append(record)
        if away:
            raise RetryLater("table", "away")
        return sets.get(record, frozenset())

    objections = Objections(fetch)
    assert not any(objections.has("demo", f"u{number}", 0.0) for number in range(50))
    # Where nobody objects, one record is read.
    assert reads == ["objections"]
    parts = [f"objections#{number:02x}" for number in range(64)]
    sets |= {"objections": frozenset(parts), **dict.fromkeys(parts, frozenset(["u7"]))}
    assert not objections.has("demo", "u7", 59.0)
    assert [objections.has("demo", user, 60.0) for user in ("u7", "u8")] == [True, False]
    away.append(True)
    assert [objections.has("demo", user, 1_000.0) for user in ("u7", "u8")] == [True, False]
    # Who knows nothing shows nothing personal.
    assert Objections(fetch).has("demo", "u8", 0.0)
