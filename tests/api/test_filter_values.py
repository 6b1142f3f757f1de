# SPDX-License-Identifier: Apache-2.0
import pytest
from personalization.api.filter_values import checked
from personalization.core.problems import Problem


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
