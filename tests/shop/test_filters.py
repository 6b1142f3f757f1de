# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.api.filter_values import checked
from personalization.core.problems import Problem
from personalization.shop.filters import parameters

NUMERIC = {("ITEMS", "PRICE"), ("INTERACTIONS", "EVENT_VALUE")}


@pytest.mark.parametrize(
    ("expression", "kinds"),
    [
        ('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")', {}),
        ("INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ($CATEGORY)", {"CATEGORY": "text"}),
        ("INCLUDE ItemID WHERE Items.PRICE < $MOST AND Items.SIZE = $SIZE", {"MOST": "number", "SIZE": "text"}),
        ('INCLUDE ItemID WHERE items.price >= $LEAST AND Items.NOTE != "$NO"', {"LEAST": "number"}),
        ("INCLUDE ItemID WHERE Users.PRICE = $X", {"X": "text"}),
        ('INCLUDE ItemID WHERE Items.A IN ("Items.PRICE", $A, $B)', {"A": "text", "B": "text"}),
        ("INCLUDE ItemID WHERE Items.PRICE > $X | EXCLUDE ItemID WHERE Items.NAME = $Y", {"X": "number", "Y": "text"}),
    ],
)
def test_what_an_expression_takes(expression: str, kinds: dict[str, str]) -> None:
    assert parameters(expression, NUMERIC) == kinds


def test_a_text_that_looks_like_a_number_gets_its_quotes() -> None:
    assert checked({"SIZE": "42", "MOST": "9.5"}, {"SIZE": "text", "MOST": "number"}) == {"SIZE": '"42"', "MOST": "9.5"}


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({}, {"filterValues.MOST": "is missing: the filter has this parameter"}),
        ({"MOST": '"cheap"'}, {"filterValues.MOST": "must be a number"}),
        ({"MOST": '"1","b"'}, {"filterValues.MOST": "must be a number"}),
        ({"MOST": "1", "X": "1"}, {"filterValues.X": "is not a parameter of the filter, which has: MOST"}),
        (
            {"MOST": "x", "X": "1"},
            {
                "filterValues.MOST": "must be a number",
                "filterValues.X": "is not a parameter of the filter, which has: MOST",
            },
        ),
    ],
)
def test_values_that_do_not_fit_are_told_all_at_once(values: dict[str, str], wrong: dict[str, str]) -> None:
    with pytest.raises(Problem) as refused:
        checked(values, {"MOST": "number"})
    assert refused.value.status == 400
    assert {error.field: error.message for error in refused.value.errors} == wrong


@given(st.text(max_size=80))
def test_any_text_is_an_expression_with_some_parameters(expression: str) -> None:
    assert set(parameters(expression, NUMERIC).values()) <= {"number", "text"}
