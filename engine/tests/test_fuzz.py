# SPDX-License-Identifier: Apache-2.0
"""Whatever arrives, the engine answers: a success, or an error with a code and without a stack trace; never a 5xx."""

import contextlib
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from personalize_local import filters
from personalize_local.data.importing import import_files
from personalize_local.data.schemas import parse_schema
from personalize_local.filters.evaluation import allowed
from personalize_local.wire.errors import ImportRefused, InvalidInput

from engine.tests.bare import Bare
from engine.tests.breaches import MemberPath, places, whole, with_value
from engine.tests.calls import MODELS, filled, requests_of
from engine.tests.filter_world import SCHEMAS, catalogue, row
from engine.tests.harness import SECONDS, Engine
from engine.tests.shop_data import avro

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
HARMLESS: Final = sorted(name for name in MODELS if not name.startswith(("Delete", "Stop", "Update")))
"""Operations that leave the shared world as it is, or add to it."""
_WORDS = r"""
INCLUDE EXCLUDE ItemID UserID ActionID WHERE AND OR NOT IN IF CurrentUser CurrentItem Items Interactions Users . GENRE
PRICE YEAR ADULT STORY EVENT_TYPE AGE "Drama" "*" 'x' 5 -1.5 $P $ | ( ) , = != < <= > >= " \
"""
WORDS: Final = _WORDS.split()
"""What filter expressions are made of."""
SHARED: Final = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def answered(status: int, text: bytes) -> None:
    assert status < 500, (status, text)
    assert b"Traceback" not in text
    if status >= 400:
        error = json.loads(text)
        assert error["__type"].isalpha()
        assert error["message"]


@SHARED
@given(
    method=st.sampled_from(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]),
    path=st.sampled_from(
        ["/", "/events", "/recommendations", "/faults", "/clock", "//", "/%00", "/../items", "/x?y=z"]
    ),
    target=st.sampled_from(
        ["", "AmazonPersonalize.ListSchemas", "AmazonPersonalize.", "Other.ListSchemas", "\xff", "." * 999]
    ),
    authorization=st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60),
    body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()),
)
def test_any_request_is_answered(
    bare: Bare, method: str, path: str, target: str, authorization: str, body: bytes
) -> None:
    headers = {"Authorization": authorization} | ({"X-Amz-Target": target} if target else {})
    answered(*bare.send(method, path, body, headers))


@SHARED
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_leave_the_engine_answering(engine: Engine, bare: Bare, sent: bytes, begun: bool) -> None:
    with socket.create_connection(("127.0.0.1", engine.port), timeout=SECONDS) as connection:
        connection.sendall((b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n" if begun else b"") + sent)
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            answer = connection.recv(100)
            assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 2")), answer
    assert bare.ask("ListSchemas", {})[0] == 200


@SHARED
@given(data=st.data())
def test_any_value_anywhere_is_answered(bare: Bare, world: Mapping[str, str], data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from(HARMLESS))
    request = filled(requests_of().get(operation, {}), world)
    optional = {member: value for member, value in whole(operation).items() if member not in request}
    request |= {member: optional[member] for member in optional if data.draw(st.booleans())}
    paths: list[MemberPath] = [path for path, _ in places(operation)]
    present = [path for path in paths if path[0] in request and _reaches(request, path)]
    changed = request
    for path in data.draw(st.lists(st.sampled_from(present), max_size=2)) if present else []:
        if _reaches(changed, path):
            changed = with_value(changed, path, data.draw(JSON | st.text(max_size=300)))
    status, answer = bare.ask(operation, changed)
    answered(status, json.dumps(answer).encode())


def _reaches(request: object, path: MemberPath) -> bool:
    inner: Any = request
    for step in path:
        if not (step in inner if isinstance(inner, dict) else isinstance(inner, list) and step == 0 and inner):
            return False
        inner = inner[step]
    return True


@SHARED
@given(
    values=st.dictionaries(st.from_regex(r"[A-Z_]{1,4}", fullmatch=True), st.text(max_size=40), max_size=2),
    data=st.data(),
)
def test_any_values_of_a_filter_are_answered(
    bare: Bare, world: Mapping[str, str], values: dict[str, str], data: st.DataObject
) -> None:
    quoted = data.draw(st.lists(st.text('"\\,x', max_size=6), max_size=3))
    request = {"campaignArn": world["campaign-popular"], "userId": "u1", "filterArn": world["filter"]}
    status, answer = bare.ask("GetRecommendations", request | {"filterValues": values | {"P": ",".join(quoted)}})
    answered(status, json.dumps(answer).encode())


@given(
    words=st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=14), spaced=st.sampled_from(["", " ", "  "])
)
def test_any_filter_expression_is_parsed_or_refused(words: list[str], spaced: str) -> None:
    with contextlib.suppress(InvalidInput):
        parsed = filters.check(filters.parse(spaced.join(words)), SCHEMAS)
        allowed(parsed, {"P": '"Drama"'}, catalogue(), {"AGE": 5}, [row("a")], {"GENRE": "Drama"})


@given(data=st.data())
def test_any_schema_is_parsed_or_refused(data: st.DataObject) -> None:
    document = json.loads(avro(data.draw(st.sampled_from(["Interactions", "Items", "Users"]))))
    spots: list[MemberPath] = [
        *((name,) for name in document),
        ("fields", 0),
        ("fields", 1, "name"),
        ("fields", 1, "type"),
    ]
    changed = with_value(
        document, data.draw(st.sampled_from(spots)), data.draw(JSON.filter(lambda value: value is not None))
    )
    with contextlib.suppress(InvalidInput):
        parse_schema(json.dumps(changed), data.draw(st.sampled_from([None, "ECOMMERCE", "VIDEO_ON_DEMAND", "OTHER"])))


@SHARED
@given(rows=st.lists(st.text('aé,"\\\n\r\x00 1\ufeff\u2028', max_size=12), max_size=6), data=st.data())
def test_any_file_is_imported_or_refused(tmp_path: Path, rows: list[str], data: st.DataObject) -> None:
    head = data.draw(st.sampled_from(["USER_ID,AGE_GROUP", "AGE_GROUP,USER_ID", "USER_ID", "", "USER_ID,USER_ID"]))
    file = tmp_path / "users.csv"
    file.write_bytes(head.encode() + b"\n" + "\n".join(rows).encode() + data.draw(st.binary(max_size=4)))
    with contextlib.suppress(ImportRefused):
        assert import_files([file], parse_schema(avro("Users"), None), tmp_path / "rows") >= 0


@pytest.mark.parametrize("operation", ["ListSchemas", "PutEvents", "GetRecommendations"])
def test_bodies_of_ten_megabytes_are_refused(bare: Bare, operation: str) -> None:
    status, answer = bare.ask(operation, {"sessionId": "x" * 10_000_000})
    assert (status, answer["__type"]) == (413, "RequestEntityTooLargeException")
    assert bare.ask("ListSchemas", {})[0] == 200


def test_tokens_are_good_for_their_own_list_only(bare: Bare, world: Mapping[str, str]) -> None:
    lists = [name for name in MODELS if name.startswith("List") and "nextToken" in dict(_members(name))]
    tokens = {}
    for name in lists:
        needs = {"metricAttributionArn": world["attribution"]} if name == "ListMetricAttributionMetrics" else {}
        _, answer = bare.ask(name, needs | {"maxResults": 1})
        tokens[name] = (needs, answer.get("nextToken"))
    assert tokens["ListSchemas"][1]
    for name, (needs, list_token) in tokens.items():
        for token in {"x", "=" * 1500, *(other for _, other in tokens.values() if other and other != list_token)}:
            status, answer = bare.ask(name, needs | {"nextToken": token})
            assert (status, answer["__type"]) == (400, "InvalidNextTokenException"), (name, token)


def _members(operation: str) -> Mapping[str, Any]:
    shape = MODELS[operation].input_shape
    return shape.members if shape else {}
