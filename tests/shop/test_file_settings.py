# SPDX-License-Identifier: Apache-2.0
"""The sections for files of one kind: what they mean, and what is refused of them."""

import json

import pytest
from personalization.core.errors import Rejected
from personalization.shop.settings.settings import ShopSettings, parse
from table_intake import DataKind, Layout, Refused
from table_intake.columns.header import arrange, recognise

TWO_IDS = "domain: custom\nusers: {columns: {id: USER_ID}}\nitems: {columns: {id: ITEM_ID, name: NAME}}"


def settings(text: str) -> ShopSettings:
    return parse("settings.yaml", text)


def arranged(kind: DataKind, header: str, text: str) -> Layout:
    return arrange("drop.csv", kind, header.split(","), settings(text), None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("columns: {a: USER_ID}, ignore: [A]", "users: columns and ignore both name 'a'"),
        ("returns: {column: q}", r"users.returns is not a setting \(the settings are columns, ignore, defaults"),
        ("colums: {a: USER_ID}", "users.colums is not a setting .did you mean columns"),
        ("sheet: 0", "users.sheet: must be a sheet's name, or its number from 1"),
        ("thousands: ',', decimal: ','", "users: ',' cannot be the mark of thousands and of decimals, too: .* '.'"),
        ("thousands: '.'", "users: '.' cannot be the mark of thousands and of decimals, too: set decimal to ','"),
        ("timezone: Europe/Berln", "users.timezone: is not a time zone: write one like Europe/Berlin"),
        ("encoding: cp94", "users.encoding: is not an encoding of text: write one like utf-8, cp949"),
        ("encoding: rot13", "users.encoding: is not an encoding of text"),
        ("separator: ab", "users.separator: must be one ASCII character, such as ';' or '|', or tab"),
        ("separator: §", "users.separator: must be one ASCII character"),
        ("currency: '12'", "users.currency: must be a sign or a word"),
        ("dates: '%d/%m'", "users.dates: must name year, month and day, such as %Y-%m-%d"),
        ("dates: '%Q'", "users.dates: %Q is not a part of a date here"),
        ("dates: '%m/%d/%Y %I:%M'", "users.dates: %I .* and %p .* go together"),
        ("unit: min", "users.unit: must be 's', 'ms' or 'us'"),
        ("unit: ms, dates: iso", "users: unit is for times that are numbers, dates is for dates"),
    ],
)
def test_bad_sections_are_refused_with_their_place(text: str, reason: str) -> None:
    with pytest.raises((Rejected, Refused), match=reason):
        settings(f"users: {{{text}}}")


@pytest.mark.parametrize("separator", [";", "|", "^", "~", "tab", " ", "\x01"])
def test_separators_of_one_ascii_character_are_taken(separator: str) -> None:
    users = settings(json.dumps({"users": {"separator": separator}})).users
    assert users is not None
    assert users.separator == ("\t" if separator == "tab" else separator)


def test_only_what_a_section_sets_changes_the_digest() -> None:
    plain = "columns: {sku: ITEM_ID}\nreturns: {column: quantity}\n"
    digest = settings(plain).digest
    assert digest == settings(f"{plain}interactions: {{}}\nitems:").digest == "1318"
    changed = {settings(f"{plain}{kind}: {{decimal: ','}}").digest for kind in ("interactions", "users", "items")}
    assert len(changed | {digest}) == 4


def test_two_files_may_call_different_keys_id() -> None:
    assert arranged("users", "id,name", TWO_IDS).names() == ("USER_ID", "NAME")
    assert arranged("items", "id,name", TWO_IDS).names() == ("ITEM_ID", "NAME")
    assert recognise("items.csv", ["id", "name"], settings(TWO_IDS)) == "items"
    with pytest.raises(Refused, match="the columns do not show which data"):
        recognise("both.csv", ["id", "age"], settings(TWO_IDS))


def test_a_file_is_recognised_by_its_kinds_section_whatever_the_others_make_of_it() -> None:
    text = "interactions: {columns: {회원번호: USER_ID, 상품코드: ITEM_ID, 주문일시: TIMESTAMP}, ignore: ['*']}"
    assert recognise("주문.csv", ["회원번호", "상품코드", "주문일시", "비고"], settings(text)) == "interactions"
    with pytest.raises(Refused, match="column 1 has the name '회원번호'"):
        recognise("주문.csv", ["회원번호", "상품코드"], ShopSettings())


def test_a_section_overrules_what_holds_for_all_kinds() -> None:
    text = (
        "columns: {key: USER_ID, Sort: CATEGORY_L1}\ndefaults: {PRICE: 1, CATEGORY_L1: all}\nreturns: {column: a}\n"
        "items: {columns: {KEY: ITEM_ID}, defaults: {PRICE: 2}}\ninteractions: {returns: {column: b, below: 1}}"
    )
    layout = arranged("items", "key,sort", text)
    assert [(slot.name, slot.default) for slot in layout.slots] == [
        ("ITEM_ID", None),
        ("PRICE", "2"),
        ("CATEGORY_L1", "all"),
    ]
    (returns,) = arranged("interactions", "key,item_id,timestamp,b", text).returns
    assert (returns.name, returns.source, returns.below) == ("B", 3, 1)


def test_ignored_columns_are_left_out_and_named() -> None:
    text = "users: {columns: {Billing City: CITY}, ignore: ['Billing *', '', 메모]}"
    layout = arranged("users", "user_id,billing name,BILLING CITY,메모,", text)
    assert layout.names() == ("USER_ID", "CITY")
    assert layout.notes[-1] == "left out, as the settings say: billing name, 메모, "


def test_a_star_ignores_all_that_nobody_knows_and_returns_read_what_is_ignored() -> None:
    text = "interactions: {columns: {sku: ITEM_ID}, ignore: ['*'], returns: {column: Stück}}"
    layout = arranged("interactions", "user_id,sku,timestamp,Stück,Event Value,memo", text)
    assert layout.names() == ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE")
    assert [rule.source for rule in layout.returns] == [3]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("kunde", "missing: USER_ID; .*; the settings read Kunden Nr as USER_ID, but the file has no such column"),
        ("user,kunden-nummer", r"has no such column \(did you mean kunden-nummer\?\)"),
        ("17850,21730,1291191960", "column 1 has the name '17850': the first row must name the columns"),
        ("kunden nr,user_id,age", "'kunden nr' and 'user_id' are the same column USER_ID: settings can ignore one"),
    ],
)
def test_a_map_that_does_not_fit_its_file_is_refused_with_a_way_out(header: str, reason: str) -> None:
    with pytest.raises((Rejected, Refused), match=reason):
        arranged("users", header, "users: {columns: {Kunden Nr: USER_ID}}")


def test_a_mapped_column_that_is_not_required_may_lack_and_is_noted() -> None:
    layout = arranged("users", "user_id,age", "users: {columns: {Ort: CITY}}")
    assert layout.notes == ("the settings read Ort as CITY, but the file has no such column",)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("{status: cancelled}", r"interactions.skip.status: must be a list"),
        ("{status: []}", r"interactions.skip.status: .*at least"),
        (
            "{status: [true]}",
            r"interactions.skip.status.0: must be a text or a number: write words like true and null in",
        ),
        ("[status]", r"interactions.skip: must be a mapping of names to values"),
    ],
)
def test_a_setting_skip_that_says_nothing_clear_is_refused(written: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        parse("settings.yaml", f"interactions: {{skip: {written}}}")


def test_the_setting_skip_is_in_the_digest_only_where_it_is_used() -> None:
    digests = [parse("settings.yaml", text).digest for text in ("", "users: {skip: {}}", "users: {skip: {a: [b]}}")]
    assert digests[0] == digests[1] != digests[2]
