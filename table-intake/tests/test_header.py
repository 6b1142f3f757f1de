# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_intake import DataKind, Layout, Refused, TableSettings
from table_intake.columns.header import arrange, canonical
from table_intake.columns.schema import Column, Schema

SHOP, CUSTOM = TableSettings(), TableSettings(domain="custom")


def arranged(kind: DataKind, header: str, settings: TableSettings = SHOP, existing: Schema | None = None) -> Layout:
    return arrange("drop.csv", kind, header.split(","), settings, existing)


@pytest.mark.parametrize(
    "header", ["user_id,item_id,timestamp", "Timestamp,USER ID,itemId", "ITEM-ID, userid ,TIME_STAMP"]
)
def test_names_are_recognised_in_any_case_order_and_spelling(header: str) -> None:
    layout = arranged("interactions", header)
    assert layout.names() == ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE")


def test_a_missing_event_type_is_filled_in_and_told() -> None:
    layout = arranged("interactions", "USER_ID,ITEM_ID,TIMESTAMP", TableSettings(event_type="View"))
    assert (layout.slots[3].source, layout.slots[3].default) == (None, "View")
    assert layout.notes == ("EVENT_TYPE is not in the drop: every row was given View",)


def test_settings_map_names_and_give_defaults() -> None:
    settings = TableSettings(columns={"Preis (EUR)": "PRICE"}, defaults={"CATEGORY_L1": "all"})
    layout = arranged("items", "item_id,preis (eur)", settings)
    assert [(slot.name, slot.source) for slot in layout.slots] == [("ITEM_ID", 0), ("PRICE", 1), ("CATEGORY_L1", None)]
    assert layout.notes[0] == "preis (eur) was read as PRICE"


@pytest.mark.parametrize(
    ("kind", "header", "reason"),
    [
        ("interactions", "USER_ID,TIMESTAMP", "required columns are missing: ITEM_ID; settings can map"),
        ("items", "ITEM_ID,NAME", "missing: PRICE, CATEGORY_L1; .* or choose domain: custom before"),
        ("users", "USER_ID", "users need at least one column beside USER_ID"),
        ("interactions", "USER_ID,ITEM_ID,TIMESTAMP,A,B,C,D,E,F", "interactions can have 5 columns of their own; F"),
        ("users", "USER_ID," + ",".join(f"C{n}" for n in range(26)), "users can have 25 columns of their own; C25"),
        ("users", "USER_ID,AGE,age", "columns 'AGE' and 'age' are the same column AGE"),
        ("users", "USER_ID,A_B,AB", "columns 'A_B' and 'AB' are the same column"),
        ("interactions", "order,customer", "USER_ID, ITEM_ID, TIMESTAMP; .*; the file has order, customer"),
        ("interactions", "USER_ID;ITEM_ID;TIMESTAMP", "separated by semicolons: save the file with commas"),
        ("users", "USER_ID\tAGE", "separated by tabs"),
        ("users", "USER_ID,2nd", "column 2 has the name '2nd'"),
        ("users", "USER_ID,나이", "column 2 has the name '나이'"),
        ("users", "USER_ID,", "column 2 has the name ''"),
    ],
)
def test_a_header_that_does_not_do_is_refused_by_name(kind: DataKind, header: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        arranged(kind, header)


@pytest.mark.parametrize("value", ["ann@example.com", "010-1234-5678", "+49 170 1234567", "01012345678"])
@pytest.mark.parametrize("header", ["{}", "{},s1", "2026-12-01,{}", "USER_ID,ITEM_ID,{0},{0}", "{0},{0}"])
def test_a_first_row_that_is_somebody_s_is_not_shown(header: str, value: str) -> None:
    with pytest.raises(Refused) as refused:
        arranged("interactions", header.format(value))
    assert value not in str(refused.value)


def test_a_name_in_any_script_can_be_mapped() -> None:
    settings = TableSettings(columns={"나이": "AGE"})
    assert arranged("users", "user_id,나이", settings).names() == ("USER_ID", "AGE")


def test_a_custom_group_needs_neither_price_nor_category() -> None:
    assert arranged("items", "ITEM_ID,BRAND", CUSTOM).names() == ("ITEM_ID", "BRAND")


def test_an_existing_dataset_decides_order_and_kinds() -> None:
    schema = Schema("users", (Column("USER_ID"), Column("CITY", nullable=True), Column("AGE", "long", nullable=True)))
    layout = arranged("users", "age,user_id,city", SHOP, schema)
    assert [slot.column for slot in layout.slots] == list(schema.columns)
    with pytest.raises(Refused, match="without CITY and with new TOWN"):
        arranged("users", "age,user_id,town", SHOP, schema)


@given(st.lists(st.text(max_size=30), max_size=12))
def test_any_header_is_arranged_or_refused(header: list[str]) -> None:
    try:
        layout = arrange("drop.csv", "interactions", header, CUSTOM, None)
    except Refused:
        return
    assert len({name.replace("_", "") for name in layout.names()}) == len(layout.slots)


@given(st.permutations(["user_id", "item_id", "timestamp", "event_type", "event_value", "Store Name"]))
def test_the_order_of_a_header_never_matters(header: list[str]) -> None:
    layout = arrange("drop.csv", "interactions", header, SHOP, None)
    for slot in layout.slots:
        assert slot.source is not None
        assert canonical(header[slot.source]) == slot.name


def test_an_export_with_one_known_name_is_not_taken_for_users() -> None:
    with pytest.raises(Refused, match="required columns are missing: ITEM_ID, TIMESTAMP"):
        arranged("interactions", "event_timestamp,event_name,user_id,user_pseudo_id,items_item_id")
