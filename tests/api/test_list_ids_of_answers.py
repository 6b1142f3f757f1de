# SPDX-License-Identifier: Apache-2.0
"""Every answer that shows a list names it, whoever filled it; what caches share names no user."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from personalization.api.bestsellers import record
from personalization.auth.list_ids import NOBODY, Shown, digest, key_of, read
from personalization.core.aws import clients
from personalization.shop.records import release_store

from functions.get_recommendations import app
from functions.get_recommendations.app import handler
from tests.handlers import containers
from tests.handlers.fakes import FakePersonalize
from tests.handlers.samples import RECOMMENDED, TABLE, Event, body, load
from tests.handlers.variables import VARIABLES, changed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.usefixtures("aws", "demo")
NOW = 1_795_594_812.25
PROMOTED = 1_795_595_400
"""When the release of the samples was promoted."""


@pytest.fixture(scope="module", autouse=True)
def _bestsellers(table: "DynamoDBClient") -> None:
    """What answers while Personalize fails."""
    release_store.put(table, TABLE, record("demo", "run-1", "2026-11-25T08:30:00Z", ["best-1", "best-2"]))


@pytest.fixture(autouse=True)
def _started(personalize: FakePersonalize, monkeypatch: pytest.MonkeyPatch) -> None:
    containers.start(app)
    monkeypatch.setattr("time.time", lambda: NOW)
    personalize.says("GetRecommendations", RECOMMENDED)
    ranked = {"recommendationId": "RID-2", "personalizedRanking": [{"itemId": "995242", "score": 0.7}]}
    personalize.says("GetPersonalizedRanking", ranked)


def shown(token: str) -> tuple[Shown, bytes]:
    """What a listId says, and the digest of the samples' user."""
    answer = clients.secretsmanager().get_secret_value(SecretId=VARIABLES["LIST_ID_KEYS"])
    key = key_of(answer["VersionId"], answer["SecretString"].encode())
    told = read([key], "demo", token, NOW)
    assert isinstance(told, Shown)
    assert len(token) <= 56
    return told, digest(key, "demo", "2375")


def lists(event: Event) -> list[dict[str, Any]]:
    """The lists of an answer."""
    answer = body(handler(event, None))
    pages: list[dict[str, Any]] = answer.get("placements", [answer])
    return pages


@pytest.mark.parametrize(
    ("route", "names"),
    [
        ("api_recommendations", ["recommend"]),
        ("api_similar", ["similar"]),
        ("api_popular", ["popular"]),
        ("api_ranking", ["rank"]),
        ("api_placement", ["placement/home"]),
        ("api_placements", ["placement/home", "placement/goes-with"]),
    ],
)
@pytest.mark.parametrize("fails", [False, True])
def test_an_answer_names_its_list(route: str, names: list[str], fails: bool, personalize: FakePersonalize) -> None:
    if fails:
        personalize.reset()
        personalize.fails("GetRecommendations", "ThrottlingException")
        personalize.fails("GetPersonalizedRanking", "ThrottlingException")
    event = load(route)
    named = [shown(page["listId"]) for page in lists(event)]
    assert [told.name for told, _ in named] == names
    for told, users in named:
        assert (told.at, told.release, told.variant) == (NOW, PROMOTED, 0)
        is_personal = "userId" in {**(event["pathParameters"] or {}), **(event["queryStringParameters"] or {})}
        assert told.user == (users if is_personal else NOBODY)


def test_the_id_stands_outside_the_entity_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    first = handler(load("api_popular"), None)
    monkeypatch.setattr("time.time", lambda: NOW + 60)
    again = handler(load("api_popular"), None)
    assert body(first)["listId"] != body(again)["listId"]
    assert first["multiValueHeaders"]["ETag"] == again["multiValueHeaders"]["ETag"]
    tagged = {**load("api_popular"), "headers": {"If-None-Match": first["multiValueHeaders"]["ETag"][0]}}
    assert handler(tagged, None)["statusCode"] == 304


def test_an_answer_comes_without_an_id_where_no_key_can_be_read() -> None:
    with changed("LIST_ID_KEYS", "gone"):
        containers.start(app)
        answer = handler(load("api_recommendations"), None)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["listId"] is None
    assert body(answer)["items"]
