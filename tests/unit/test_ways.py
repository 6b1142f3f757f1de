# SPDX-License-Identifier: Apache-2.0
"""How many files a reader opens who follows one request: bounds that only go down."""

import pytest

from benchmarks import ways

BOUNDS = {
    "get_recommendations": (22, 76, 54),
    "record_events": (22, 80, 58),
    "validate_drop": (48, 438, 390),
    "judge_release": (21, 95, 74),
}
"""The most files, moves and returns of each request."""


@pytest.mark.parametrize("function", ways.REQUESTS)
def test_a_request_stays_in_few_files(function: str) -> None:
    counted = ways.count(function)
    assert counted[0] > 5, "it is counted"
    assert all(value <= most for value, most in zip(counted, BOUNDS[function], strict=True)), counted
