# SPDX-License-Identifier: Apache-2.0
"""Users who object to personal lists, at the doors of the two functions."""

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from personalization.api import bestsellers
from personalization.core.aws import clients
from personalization.core.errors import Rejected, RetryLater
from personalization.events.objections import Objections
from personalization.shop.records import release_store

from functions.get_recommendations import app as answers
from functions.import_data import app as import_data
from functions.record_events import app as records
from functions.validate_drop import app as validate_drop
from tests.handlers import containers
from tests.handlers.fakes import FakePersonalize
from tests.handlers.samples import TABLE, Drop, Event, body, described, fields, load

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


class Killed(BaseException):
    """What ends a function in the midst of its work."""


USERS = "drops/demo/users/users.csv"
SOON, LATER = "2100-01-01T00:00:00Z", "2101-01-01T00:00:00Z"
EARLY = "2020-01-01T00:00:00Z"


@pytest.fixture
def accepted(drop: Drop, personalize: FakePersonalize) -> Callable[..., Any]:
    """Return the function that drops choices of users, and imports them."""

    def accept(*choices: str, at: str = SOON, column: str = "PERSONALIZATION") -> Any:  # noqa: ANN401 - a plan's JSON
        rows = "".join(choice.replace("=", ",41,") + "\n" for choice in choices)
        event = drop(USERS, f"USER_ID,AGE,{column}\n{rows}")
        plan = validate_drop.handler({**event, "at": at}, None)
        personalize.says("DescribeDatasetImportJob", {"datasetImportJob": {"status": "ACTIVE"}})
        request = {"steps": ["importJob"], "plan": plan}
        # Every step can be repeated.
        assert import_data.handler(request, None) == import_data.handler(request, None)
        containers.start(answers, records)
        return plan

    return accept


def objects(user: str) -> bool:
    containers.start(answers, records)
    personal: Any = answered("api_recommendations", user)
    return personal["listId"] is None


def test_a_drop_of_users_brings_objections_and_takes_them_back(accepted: Callable[..., Any]) -> None:
    plan = accepted("d1=no", "d2=yes", "d3=")
    assert "1 objection to personal lists comes with the import, and 0 go" in plan["notes"]
    assert [objects(user) for user in ("d1", "d2", "d3")] == [True, False, False]
    assert "PERSONALIZATION" not in plan["schema"]["text"]
    plan = accepted("d1=", "d2=yes", "d3=yes", column="personalization_opt_out", at=LATER)
    assert "2 objections to personal lists come with the import, and 0 go" in plan["notes"]
    plan = accepted("d1=yes", "d2=1", "d3=no", at=LATER)
    assert "0 objections to personal lists come with the import, and 2 go" in plan["notes"]
    assert [objects(user) for user in ("d1", "d2", "d3")] == [False, False, True]


def test_the_later_word_counts(accepted: Callable[..., Any]) -> None:
    set_personal("w1", enabled=False)
    set_personal("w2", enabled=True)
    accepted("w1=yes", "w2=no", at=EARLY)
    assert [objects(user) for user in ("w1", "w2")] == [True, False]
    accepted("w1=yes", "w2=no", at=LATER)
    assert [objects(user) for user in ("w1", "w2")] == [False, True]
    # What comes after a newer drop takes nothing back that somebody may have said in that one.
    accepted("w1=no", "w2=yes", at=SOON)
    assert [objects(user) for user in ("w1", "w2")] == [True, True]


def test_a_refused_drop_changes_nothing(accepted: Callable[..., Any]) -> None:
    with pytest.raises(Rejected, match="must be yes or no"):
        accepted("r1=no", "r2=perhaps", "r3=maybe")
    assert not objects("r1")


def part(user: str) -> int:
    return hashlib.sha256(user.encode()).digest()[0] % 64


def test_where_a_record_is_full_another_goes_on(accepted: Callable[..., Any]) -> None:
    users = [user for user in (f"{number:0>250}" for number in range(130_000)) if part(user) == part("f0")]
    assert len(users) > 1_700
    accepted(*(f"{user}=no" for user in users), "f0=no")
    assert objects(users[0])
    assert objects(users[-1])
    set_personal("f0", enabled=True)
    assert not objects("f0")
    set_personal("f0", enabled=False)
    assert objects("f0")
    accepted(*(f"{user}=yes" for user in users), at=LATER)
    assert not objects(users[0])
    assert objects("f0")


@pytest.fixture
def objectors(request: pytest.FixtureRequest) -> list[str]:
    """Users of this test alone."""
    return [f"{request.node.name}-{number}" for number in range(300)]


@pytest.fixture
def importing(drop: Drop, personalize: FakePersonalize, objectors: list[str]) -> Event:
    """What the function that imports is asked, of a drop by which many object."""
    rows = "".join(f"{user},41,no\n" for user in objectors)
    event = drop(USERS, f"USER_ID,AGE,PERSONALIZATION\n{rows}")
    plan = validate_drop.handler({**event, "at": "2026-01-01T00:00:00Z"}, None)
    personalize.says("DescribeDatasetImportJob", {"datasetImportJob": {"status": "ACTIVE"}})
    return {"steps": ["importJob"], "plan": plan}


@pytest.fixture
def written(objectors: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The users that are written, in order."""
    client, users = clients.dynamodb(), list[str]()
    usual = client.update_item

    def update_item(**question: Any) -> object:  # noqa: ANN401 - as the client's
        members = question["ExpressionAttributeValues"].get(":members", {}).get("SS", [])
        users.extend(user for user in members if user in objectors)
        return usual(**question)

    monkeypatch.setattr(client, "update_item", update_item)
    return users


def test_choices_that_take_more_than_one_call_go_on_where_the_last_one_ended(
    importing: Event, objectors: list[str], written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_data, "CHOICE_SECONDS", 0.0)
    done, calls = import_data.handler(importing, None), 1
    while not done["ready"]:
        done, calls = import_data.handler({**importing, "made": done["made"]}, None), calls + 1
    assert calls == len({part(user) for user in objectors}) + 1
    assert sorted(written) == sorted(objectors)
    assert all(objects(user) for user in objectors[::60])


def test_what_a_user_chose_while_a_call_was_killed_holds(
    importing: Event, objectors: list[str], written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, chosen = clients.dynamodb(), list[str]()
    usual = client.update_item

    def update_item(**question: Any) -> object:  # noqa: ANN401 - as the client's
        members = question["ExpressionAttributeValues"].get(":members", {}).get("SS", [])
        if chosen or len(written) < 150 or members[0] not in objectors:
            return usual(**question)
        # One whom an earlier write made object, and one whom this write will.
        chosen.extend((written[0], members[0]))
        for user in chosen:
            set_personal(user, enabled=True)
        usual(**question)
        raise Killed

    monkeypatch.setattr(client, "update_item", update_item)
    with pytest.raises(Killed):
        import_data.handler(importing, None)
    assert import_data.handler(importing, None)["ready"]
    assert not any(objects(user) for user in chosen)
    assert all(objects(user) for user in objectors[::60] if user not in chosen)
