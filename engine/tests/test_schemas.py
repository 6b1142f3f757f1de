# SPDX-License-Identifier: Apache-2.0
"""Avro schemas: what Personalize accepts, and how it says no."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalize_local.data.schemas import Field, Schema, parse_schema, updatable
from personalize_local.wire.errors import InvalidInput

Entry = dict[str, Any]
USER: Entry = {"name": "USER_ID", "type": "string"}
ITEM: Entry = {"name": "ITEM_ID", "type": "string"}
TIME: Entry = {"name": "TIMESTAMP", "type": "long"}
EVENT: Entry = {"name": "EVENT_TYPE", "type": "string"}
PRICE: Entry = {"name": "PRICE", "type": "float"}
CATEGORY: Entry = {"name": "CATEGORY_L1", "type": ["string"], "categorical": True}
COLOR: Entry = {"name": "COLOR", "type": ["null", "string"], "categorical": True}
GENRES: Entry = {"name": "GENRES", "type": "string", "categorical": True}
CREATED: Entry = {"name": "CREATION_TIMESTAMP", "type": "long"}


def schema(name: str, /, *fields: Entry, **changes: object) -> str:
    record = {"type": "record", "name": name, "namespace": "com.amazonaws.personalize.schema", "fields": fields}
    return json.dumps({**record, "version": "1.0", **changes})


def numbered(count: int) -> list[Entry]:
    return [{"name": f"C{number}", "type": "float"} for number in range(count)]


def test_fields_keep_their_order_types_and_marks() -> None:
    text = {"name": "DESCRIPTION", "type": ["string", "null"], "textual": True}
    parsed = parse_schema(schema("Items", ITEM, PRICE, CATEGORY, text), None)
    assert parsed.dataset_type == "ITEMS"
    assert parsed.fields == (
        Field("ITEM_ID", "string"),
        Field("PRICE", "float"),
        Field("CATEGORY_L1", "string", categorical=True),
        Field("DESCRIPTION", "string", nullable=True, textual=True),
    )


def test_columns_are_found_by_name_and_in_any_case() -> None:
    parsed = parse_schema(schema("Items", ITEM, PRICE), None)
    assert parsed.names == ("ITEM_ID", "PRICE")
    assert parsed.find("price") is parsed.fields[1]
    assert parsed.find("COLOR") is None


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        (schema("Interactions", USER, ITEM, TIME), None),
        (schema("Interactions", USER, ITEM, TIME, EVENT), "ECOMMERCE"),
        (schema("Interactions", USER, ITEM, TIME, EVENT, *numbered(5)), "VIDEO_ON_DEMAND"),
        (schema("Interactions", USER, ITEM, TIME, {"name": "EVENT_VALUE", "type": ["null", "float"]}), None),
        (schema("Items", ITEM, PRICE, CATEGORY), "ECOMMERCE"),
        (schema("Items", ITEM, GENRES, CREATED), "VIDEO_ON_DEMAND"),
        (schema("Items", ITEM, *numbered(100), {**CREATED, "type": ["null", "long"]}), None),
        (schema("Users", USER, {**COLOR, "name": "MEMBERSHIP_STATUS"}), "ECOMMERCE"),
        (schema("Users", USER, *numbered(25)), None),
        (schema("Actions", {"name": "ACTION_ID", "type": "string"}, {"name": "VALUE", "type": ["long", "null"]}), None),
        (schema("ActionInteractions", USER, {"name": "ACTION_ID", "type": "string"}, EVENT, TIME), None),
    ],
)
def test_accepted(text: str, domain: str | None) -> None:
    assert parse_schema(text, domain).names[0] in {"USER_ID", "ITEM_ID", "ACTION_ID"}


@pytest.mark.parametrize(
    ("text", "domain", "reason"),
    [
        ("", None, "between 1 and 20000"),
        (schema("Users", USER, COLOR, doc="x" * 20_000), None, "between 1 and 20000"),
        ("{", None, "not valid JSON"),
        ("[" * 19_999, None, "not valid JSON"),
        ("[]", None, "JSON object"),
        (schema("Users", USER, COLOR), "GROCERY", "Unknown domain GROCERY"),
        (schema("Users", USER, COLOR, type="array"), None, '"type": "record"'),
        (schema("Users", USER, COLOR, namespace="mine"), None, '"namespace"'),
        (schema("Users", USER, COLOR, version=["1.0"]), None, '"version"'),
        (schema("Customers", USER, COLOR), None, "Interactions, Users, Items"),
        (schema("Users", name=["Users"]), None, "Interactions, Users, Items"),
        (schema("Users"), None, '"fields"'),
        (schema("Users", fields={"USER_ID": "string"}), None, '"fields"'),
        (schema("Users", fields=["USER_ID"]), None, "Field 1"),
        (schema("Users", USER, {"name": "NO-HYPHENS", "type": "string"}), None, "Field 2"),
        (schema("Users", USER, {"name": "A" * 151, "type": "string"}), None, "Field 2"),
        (schema("Users", USER, {"name": "TAGS", "type": {"type": "array", "items": "string"}}), None, "TAGS"),
        (schema("Users", USER, {"name": "TAGS", "type": "enum"}), None, "TAGS must have one type"),
        (schema("Users", USER, {"name": "TAGS", "type": "null"}), None, "TAGS must have one type"),
        (schema("Users", USER, {"name": "TAGS", "type": ["string", "int", "null"]}), None, "TAGS must have one type"),
        (schema("Users", USER, {"name": "TAGS", "type": ["null", "null"]}), None, "TAGS must have one type"),
        (schema("Users", USER, {**COLOR, "categorical": "yes"}), None, "COLOR"),
        (schema("Users", USER, {**PRICE, "categorical": True}), None, "PRICE is of type float"),
        (schema("Items", ITEM, {**COLOR, "textual": True}), None, "COLOR cannot be both"),
        (schema("Users", USER, {"name": "BIO", "type": "string", "textual": True}), None, "BIO cannot be textual"),
        (
            schema("Items", ITEM, *({"name": name, "type": "string", "textual": True} for name in "AB")),
            None,
            "A, B are textual",
        ),
        (schema("Items", ITEM, COLOR, {**COLOR, "name": "co_lor"}), None, "co_lor repeats COLOR"),
        (schema("Interactions", USER, ITEM), None, "lacks the required field TIMESTAMP (long)"),
        (schema("Interactions", USER, ITEM, {**TIME, "type": "int"}), None, "TIMESTAMP must be long, not int"),
        (schema("Interactions", USER, ITEM, {**TIME, "type": ["long", "null"]}), None, "TIMESTAMP must be long, not"),
        (schema("Interactions", {**USER, "categorical": True}, ITEM, TIME), None, "USER_ID must be string, not"),
        (schema("Interactions", USER, ITEM, TIME, {**EVENT, "categorical": True}), None, "EVENT_TYPE must be string"),
        (schema("Interactions", USER, ITEM, TIME), "ECOMMERCE", "lacks the required field EVENT_TYPE"),
        (schema("Interactions", USER, ITEM, TIME, *numbered(6)), None, "at most 5 metadata fields; field C5"),
        (schema("Users", USER, *numbered(26)), None, "at most 25 metadata fields; field C25"),
        (schema("Items", ITEM, *numbered(101)), None, "at most 100 metadata fields; field C100"),
        (schema("Items", ITEM, CATEGORY), "ECOMMERCE", "PRICE (float)"),
        (schema("Items", ITEM, PRICE, {**CATEGORY, "categorical": False}), "ECOMMERCE", "CATEGORY_L1 must be string c"),
        (schema("Items", ITEM, GENRES), "VIDEO_ON_DEMAND", "CREATION_TIMESTAMP"),
        (schema("Items", ITEM, CREATED), None, "at least one categorical, textual or numeric"),
        (schema("Users", USER, {"name": "NAME", "type": "string"}), None, "at least one categorical or numeric"),
    ],
)
def test_refused(text: str, domain: str | None, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_schema(text, domain)
    assert reason in refused.value.message


def items(*fields: Entry) -> Schema:
    return parse_schema(schema("Items", ITEM, *fields), None)


def test_an_update_may_add_nullable_fields_and_move_them() -> None:
    updatable(items(PRICE), items(COLOR, PRICE))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (items(PRICE, COLOR), items(PRICE), "leaves out field COLOR"),
        (items(PRICE), items({**PRICE, "type": "double"}), "changes field PRICE"),
        (items(PRICE), items(PRICE, CATEGORY), "CATEGORY_L1 must allow null"),
        (items(PRICE), parse_schema(schema("Users", USER, PRICE), None), "cannot take a schema for USERS"),
        (parse_schema(schema("Interactions", USER, ITEM, TIME), None),) * 2 + ("Only Items and Users",),
    ],
)
def test_an_update_is_refused(old: Schema, new: Schema, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        updatable(old, new)
    assert reason in refused.value.message


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["string", "null", "long", "ITEM_ID", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "type", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    changes=st.dictionaries(st.sampled_from(["type", "name", "namespace", "version", "fields"]), JSON, max_size=2),
    fields=st.lists(st.fixed_dictionaries({}, optional={"name": JSON, "type": JSON, "categorical": JSON}), max_size=4),
    domain=st.sampled_from([None, "ECOMMERCE", "VIDEO_ON_DEMAND"]),
)
def test_whatever_comes_is_a_schema_or_invalid_input(changes: Entry, fields: list[Entry], domain: str | None) -> None:
    text = json.dumps({**json.loads(schema("Items", ITEM, PRICE, CATEGORY, *fields)), **changes})
    try:
        names = parse_schema(text, domain).names
    except InvalidInput:
        names = ("ITEM_ID",)
    assert "ITEM_ID" in names or "fields" in changes


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_schema(text, None)
