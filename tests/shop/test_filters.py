# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.shop.filters import parameters

NUMERIC = {("ITEMS", "PRICE"), ("INTERACTIONS", "EVENT_VALUE"), ("ACTIONS", "VALUE")}


@pytest.mark.parametrize(
    ("expression", "kinds"),
    [
        ('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")', {}),
        ("INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ($CATEGORY)", {"CATEGORY": "text"}),
        ("INCLUDE ItemID WHERE Items.PRICE < $MOST AND Items.SIZE = $SIZE", {"MOST": "number", "SIZE": "text"}),
        ('INCLUDE ItemID WHERE items.price >= $LEAST AND Items.NOTE != "$NO"', {"LEAST": "number"}),
        ("INCLUDE ItemID WHERE Users.PRICE = $X", {"X": "text"}),
        ("INCLUDE ActionID WHERE Actions.VALUE > $LEAST AND Actions.TYPE = $T", {"LEAST": "number", "T": "text"}),
        ("EXCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ($TYPES)", {"TYPES": "text"}),
        ('INCLUDE ItemID WHERE Items.A IN ("Items.PRICE", $A, $B)', {"A": "text", "B": "text"}),
        ("INCLUDE ItemID WHERE Items.PRICE > $X | EXCLUDE ItemID WHERE Items.NAME = $Y", {"X": "number", "Y": "text"}),
    ],
)
def test_what_an_expression_takes(expression: str, kinds: dict[str, str]) -> None:
    assert parameters(expression, NUMERIC) == kinds


@given(st.text(max_size=80))
def test_any_text_is_an_expression_with_some_parameters(expression: str) -> None:
    assert set(parameters(expression, NUMERIC).values()) <= {"number", "text"}
