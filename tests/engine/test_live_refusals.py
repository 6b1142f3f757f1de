# SPDX-License-Identifier: Apache-2.0
"""An engine refuses what Personalize's model of its events API refuses, and what its guide says beside that."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from personalization.core.errors import PersonalizationError, RetryLater
from personalization.engine.events import Events

from tests.engine.small_table import SmallTable, error

MODEL = botocore.session.get_session().get_service_model("personalize-events")
Shape = Any
"""A shape of botocore's model."""
Value = Any
OPERATIONS = {"PutEvents": "put_events", "PutUsers": "put_users", "PutItems": "put_items"}
GIVEN: Mapping[str, Any] = {
    "datasetArn": "arn:aws:engine:us-east-1:123456789012:dataset/retail-demo/USERS",
    "trackingId": "engine:retail-demo",
    "sentAt": 1_795_594_813,
}


def largest(shape: Shape, name: str = "") -> Value:
    """Return a value of a shape, as large as it may be."""
    if name in GIVEN:
        return GIVEN[name]
    if name == "properties":
        return '{"a": "' + "x" * (shape.metadata["max"] - 9) + '"}'
    if shape.type_name == "structure":
        return {member: largest(of_member, member) for member, of_member in shape.members.items()}
    if shape.type_name == "list":
        made = [largest(shape.member) for _ in range(shape.metadata["max"])]
        return [
            {**part, "eventId": str(number).ljust(256, "x")} if "eventId" in part else part
            for number, part in enumerate(made)
        ]
    return "x" * shape.metadata["max"] if shape.type_name == "string" else 1.5


def breaches(shape: Shape, value: Value, name: str = "") -> Iterator[Any]:
    """Yield the value with one member that is missing, too long, empty, of another type or unknown."""
    if shape.type_name == "structure":
        for member, of_member in shape.members.items():
            if member in shape.required_members:
                yield {other: part for other, part in value.items() if other != member}
            yield from ({**value, member: worse} for worse in breaches(of_member, value[member], member))
        yield {**value, "unknown": "x"}
    elif shape.type_name == "list":
        yield from ([], [*value, value[0]])
        yield from ([worse, *value[1:]] for worse in breaches(shape.member, value[0]))
    elif shape.type_name == "string" and name not in GIVEN:
        yield from ("", value + "x", 7)
    elif shape.type_name in {"float", "timestamp"}:
        yield "soon"


def call(operation: str, request: Mapping[str, Any]) -> SmallTable:
    table: Any = SmallTable()
    answer = getattr(Events(table, "live", lambda: 1_795_594_900.0, lambda *_: None), OPERATIONS[operation])(**request)
    assert answer == {}
    return table  # type: ignore[no-any-return]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_limits_are_those_of_the_service_s_model(operation: str) -> None:
    shape = MODEL.operation_model(operation).input_shape
    request = largest(shape)
    assert call(operation, request).items
    worse = list(breaches(shape, request))
    assert len(worse) >= 8
    for breach in worse:
        assert refusal(operation, breach) == "InvalidInputException", breach


def refusal(operation: str, request: Mapping[str, Any]) -> str:
    try:
        call(operation, request)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


EVENT = {"eventType": "View", "sentAt": 1_795_594_813, "itemId": "i", "eventId": "e"}


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"properties": "{"}, "Error parsing properties json"),
        ({"properties": "[]"}, "Error parsing properties json"),
        ({"properties": '{"a": NaN}'}, "Error parsing properties json"),
        ({"properties": '{"timeStamp": 3}'}, "timeStamp"),
        ({"properties": '{"itemId": 3}', "itemId": None}, "itemId"),
        ({"properties": '{"eventValue": "3"}'}, "eventValue"),
        ({"eventValue": float("inf")}, "eventValue"),
        ({"itemId": "a\nb"}, "line breaks"),
        ({"impression": ["長" * 256] * 25}, "10240 bytes"),
        ({"sentAt": 10.0**14}, "sentAt"),
    ],
)
def test_an_event_that_breaks_a_rule_of_the_guide_is_refused(more: Mapping[str, Any], word: str) -> None:
    event = {name: value for name, value in {**EVENT, **more}.items() if value is not None}
    with pytest.raises(ClientError, match=rf"InvalidInputException.*{re.escape(word)}"):
        call("PutEvents", {"trackingId": "engine:g", "sessionId": "s", "eventList": [event]})


def test_events_of_the_session_named_null_are_dropped_and_one_without_an_item_only_counts() -> None:
    request = {"trackingId": "engine:g", "sessionId": "null", "eventList": [EVENT]}
    assert not call("PutEvents", request).items
    bare = {name: value for name, value in EVENT.items() if name != "itemId"}
    assert list(call("PutEvents", {**request, "sessionId": "s", "eventList": [bare]}).items) == [("g=e", "event")]
    inside = {**bare, "properties": '{"itemId": "i", "eventValue": 2}'}
    (_, item) = call("PutEvents", {**request, "sessionId": "s", "eventList": [inside]}).items.values()
    assert (item["item"], item["value"]) == ({"S": "i"}, {"S": "2.0"})


def test_what_the_control_plane_refuses_is_not_stored() -> None:
    def check(operation: str, resource: str, records: object) -> None:
        raise KeyError(operation, resource, records)

    table: Any = SmallTable()
    with pytest.raises(KeyError) as refused:
        Events(table, "live", lambda: 0.0, check).put_users(
            datasetArn=GIVEN["datasetArn"], users=[{"userId": "u", "properties": '{"age": 3}'}]
        )
    assert refused.value.args == ("PutUsers", GIVEN["datasetArn"], [{"age": 3}])
    assert not table.items


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("TransactionConflict", RetryLater), ("ThrottlingError", RetryLater), ("ValidationError", PersonalizationError)],
)
def test_a_retry_beside_its_first_attempt_and_a_throttled_table_are_for_later(
    reason: str, kind: type[PersonalizationError]
) -> None:
    class Refusing(SmallTable):
        def _transact_write_items(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
            raise error("TransactionCanceledException", CancellationReasons=[{"Code": reason}])

    table: Any = Refusing()
    with pytest.raises(kind):
        Events(table, "live", lambda: 0.0, lambda *_: None).put_events(
            trackingId="engine:g", sessionId="s", eventList=[EVENT]
        )
