# SPDX-License-Identifier: Apache-2.0
"""Filters evaluated over a catalogue."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalize_local.data.records import Interaction
from personalize_local.filters import parse
from personalize_local.filters.evaluation import allowed
from personalize_local.filters.values import parse_values
from personalize_local.wire.errors import InvalidInput

from engine.tests.filter_world import COLUMNS, IDS, ItemCatalogue, passed, row


@pytest.mark.parametrize(
    ("condition", "matches"),
    [
        ('Items.GENRE IN ("Drama")', "ab"),
        ('Items.GENRE IN ("Comedy", "comedy")', "bce"),
        ('Items.GENRE IN ("Comedy|Drama")', "b"),
        ('Items.GENRE NOT IN ("Drama")', "ce"),
        ('Items.GENRE != "Comedy"', "ae"),
        ('Items.GENRE = "Western"', ""),
        ("Items.CATEGORY_L1 IN (2)", "bc"),
        ("Items.CATEGORY_L1 IN (2.0)", ""),
        ("Items.PRICE <= 2.5", "ab"),
        ("Items.PRICE != 5", "abe"),
        ('Items.PRICE IN ("5.0", 1)', "ac"),
        ("Items.YEAR >= 1970 AND Items.YEAR < 1990", "ab"),
        ("Items.YEAR = 2010 OR Items.YEAR > 1970 AND Items.PRICE < 3", "be"),
        ('Items.ITEM_ID IN ("a", "zz", "e")', "ae"),
        ('Items.ITEM_ID NOT IN ("a")', "bcde"),
    ],
)
def test_conditions_on_items(condition: str, matches: str) -> None:
    assert passed(f"INCLUDE ItemID WHERE {condition}") == matches
    assert passed(f"EXCLUDE ItemID WHERE {condition}") == "".join(sorted(set(IDS) - set(matches)))


@pytest.mark.parametrize(
    ("condition", "allowed_items"),
    [
        ('Interactions.EVENT_TYPE IN ("*")', "de"),
        ('Interactions.EVENT_TYPE IN ("pUrChAsE")', "bde"),
        ('Interactions.EVENT_TYPE NOT IN ("Purchase")', "cde"),
        ("Interactions.EVENT_VALUE > 1", "acde"),
        ('Interactions.EVENT_TYPE IN ("View") AND Interactions.TIMESTAMP < 3', "acde"),
        ('Interactions.EVENT_TYPE = "View" OR Interactions.ITEM_ID = "c"', "de"),
    ],
)
def test_conditions_on_interactions(condition: str, allowed_items: str) -> None:
    history = [row("a", 1, "Purchase", 1.0), row("b", 2, "View", 2.0), row("gone", 3), row("a", 4, "view"), row("c", 5)]
    assert passed(f"EXCLUDE ItemID WHERE {condition}", history=history) == allowed_items


def test_the_hundred_newest_interactions_of_each_event_type_count() -> None:
    history = [row("a"), row("b", kind="View"), row("c", kind="PURCHASE")] + [row("d")] * 99
    assert passed('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")', history=history) == "ae"


@pytest.mark.parametrize(
    ("expression", "allowed_items"),
    [
        ("INCLUDE ItemID WHERE Items.YEAR < 1980 | INCLUDE ItemID WHERE Items.YEAR > 2000", "ae"),
        ("EXCLUDE ItemID WHERE Items.YEAR < 1980 | EXCLUDE ItemID WHERE Items.YEAR > 2000", "bcd"),
        ("EXCLUDE ItemID WHERE Items.YEAR = 1980 | INCLUDE ItemID WHERE Items.YEAR < 2000", "ac"),
        ("INCLUDE ItemID WHERE Items.YEAR < 1980 IF CurrentUser.AGE > 17", "a"),
        ("INCLUDE ItemID WHERE Items.YEAR < 1980 IF CurrentUser.AGE > 18", "abcde"),
        (
            "EXCLUDE ItemID WHERE Items.YEAR < 1980 IF CurrentUser.AGE = 18 AND CurrentUser.MEMBERSHIP_STATUS = 'x'",
            "abcde",
        ),
        ("EXCLUDE ItemID WHERE Items.YEAR < 1980 IF CurrentUser.MEMBERSHIP_STATUS IN ('gold')", "bcde"),
    ],
)
def test_expressions_combine(expression: str, allowed_items: str) -> None:
    assert passed(expression, user={"AGE": 18, "MEMBERSHIP_STATUS": "gold"}) == allowed_items


def test_an_unknown_user_meets_no_guard() -> None:
    assert passed("EXCLUDE ItemID WHERE Items.YEAR > 0 IF CurrentUser.MEMBERSHIP_STATUS NOT IN ('gold')") == "abcde"


@pytest.mark.parametrize(
    ("condition", "item", "matches"),
    [
        ("Items.PRICE < CurrentItem.PRICE", {"PRICE": 2.5}, "a"),
        ("Items.GENRE IN CurrentItem.GENRE", {"GENRE": "Comedy|Western"}, "bc"),
        ("Items.GENRE NOT IN CurrentItem.GENRE", {"GENRE": "Comedy"}, "ae"),
        ("Items.GENRE NOT IN CurrentItem.GENRE", {}, ""),
        ("Items.PRICE < CurrentItem.PRICE", {"PRICE": None}, ""),
    ],
)
def test_the_current_item_is_compared_with(condition: str, item: Mapping[str, Any], matches: str) -> None:
    assert passed(f"INCLUDE ItemID WHERE {condition}", item=item) == matches


def test_without_a_current_item_the_request_is_refused() -> None:
    with pytest.raises(InvalidInput, match="must have an itemId"):
        passed("INCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE")


def test_placeholders_are_bound_by_the_request() -> None:
    values = {"G": '"Drama","Comedy"', "MAX": "2.5", "g": '"comedy"'}
    assert passed("INCLUDE ItemID WHERE Items.GENRE IN ($G, $g)", values) == "abce"
    assert passed("INCLUDE ItemID WHERE Items.PRICE < $MAX", values) == "a"
    assert passed("INCLUDE ItemID WHERE Items.PRICE = ($MAX)", {"MAX": '"2.50"'}) == "b"


def test_an_unbound_placeholder_voids_an_exclude_and_refuses_an_include() -> None:
    assert passed("EXCLUDE ItemID WHERE Items.GENRE IN ($G) | EXCLUDE ItemID WHERE Items.YEAR = 1970") == "bcde"
    with pytest.raises(InvalidInput, match=r"needs values for \$A, \$G"):
        passed("INCLUDE ItemID WHERE Items.GENRE IN ($G) IF CurrentUser.AGE = $A")


@pytest.mark.parametrize(
    ("condition", "value", "reason"),
    [
        ("Items.PRICE < $P", '"x"', "takes a number"),
        ("Items.PRICE < $P", '"1","2"', "takes one value"),
        ("Items.GENRE IN ($P)", "Drama", "number, or quoted values"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(condition: str, value: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        passed(f"INCLUDE ItemID WHERE {condition}", {"P": value})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('"a"', ("a",)),
        (' "a" , "b, c" ', ("a", "b, c")),
        (r'"say \"hi\"","back\slash"', ('say "hi"', r"back\slash")),
        ("'a','b'", ("a", "b")),
        (r"\"a\",\"b, c\"", ("a", "b, c")),
        ("1570003267", ("1570003267",)),
        ("-2.5e3", ("-2.5e3",)),
        ('""', ("",)),
    ],
)
def test_filter_values_are_read(text: str, values: tuple[str, ...]) -> None:
    assert parse_values("P", text) == values


@pytest.mark.parametrize("text", ["", "a", '"a', '"a",', '"a" "b"', "1,2", '"a",b', '"a\\"'])
def test_malformed_filter_values_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="The filter value for P must be"):
        parse_values("P", text)


def test_a_mask_belongs_to_the_caller_and_follows_a_changed_item() -> None:
    columns = {"GENRE": COLUMNS["GENRE"].copy()}
    items = ItemCatalogue(np.array(IDS, object), columns.__getitem__)
    drama = parse('INCLUDE ItemID WHERE Items.GENRE IN ("Drama")')
    allowed(drama, {}, items, {}, [])[:] = True
    columns["GENRE"][3] = "Drama"
    assert allowed(drama, {}, items, {}, []).tolist() == [True, True, False, False, False]
    items.changed()
    assert allowed(drama, {}, items, {}, []).tolist() == [True, True, False, True, False]


SIMPLE = st.sampled_from(
    [
        'Items.GENRE IN ("Drama")',
        'Items.GENRE NOT IN ("Drama")',
        "Items.PRICE < 5",
        "Items.PRICE >= 5",
        'Items.CATEGORY_L1 = "2"',
        "Items.YEAR != 1990",
    ]
)


@given(SIMPLE, SIMPLE)
def test_masks_are_sets(first: str, second: str) -> None:
    a, b = (set(passed(f"INCLUDE ItemID WHERE {part}")) for part in (first, second))
    assert set(passed(f"INCLUDE ItemID WHERE {first} AND {second}")) == a & b
    assert set(passed(f"INCLUDE ItemID WHERE {first} OR {second}")) == a | b
    assert set(passed(f"INCLUDE ItemID WHERE {first} | INCLUDE ItemID WHERE {second}")) == a | b
    assert set(passed(f"INCLUDE ItemID WHERE {first} | EXCLUDE ItemID WHERE {second}")) == a - b
    assert set(passed(f"EXCLUDE ItemID WHERE {first} OR {second}")) == set(IDS) - a - b


@given(st.lists(st.builds(row, st.sampled_from(IDS), kind=st.sampled_from(["View", "Purchase"])), max_size=30))
def test_excluding_and_including_what_was_seen_share_the_catalogue(history: list[Interaction]) -> None:
    allowed_ids, seen = (
        passed(f'{action} ItemID WHERE Interactions.EVENT_TYPE IN ("view")', history=history)
        for action in ("EXCLUDE", "INCLUDE")
    )
    assert sorted(chain(allowed_ids, seen)) == IDS
    assert set(seen) == {row.item_id for row in history if row.event_type == "View"}
