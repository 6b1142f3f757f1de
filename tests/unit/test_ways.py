# SPDX-License-Identifier: Apache-2.0
"""How many files a reader opens who follows one request: bounds that only go down."""

import pytest

from benchmarks import ways

BOUNDS = {
    "get_recommendations": (16, 38),
    "record_events": (17, 42),
    "validate_drop": (45, 290),
    "judge_release": (17, 48),
}
"""The most files and moves of each request."""


@pytest.mark.nightly
@pytest.mark.parametrize("function", ways.REQUESTS)
def test_a_request_stays_in_few_files(function: str) -> None:
    files, moves, _ = ways.count(function)
    assert files > 5, "it is counted"
    most_files, most_moves = BOUNDS[function]
    assert files <= most_files
    assert moves <= most_moves
