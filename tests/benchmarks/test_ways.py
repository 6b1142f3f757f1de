# SPDX-License-Identifier: Apache-2.0
"""How many files a reader opens who follows one request: the figures of the last landing; a raise gives its reason."""

import pytest

from benchmarks import ways
from benchmarks.ways import Way

WAYS = {
    "get_recommendations": (Way(19, 38), Way(0, 0)),
    "record_events": (Way(13, 35), Way(0, 0)),
    "purchase_likelihood": (Way(19, 53), Way(0, 0)),
    "validate_drop": (Way(30, 174), Way(24, 129)),
    "judge_release": (Way(20, 78), Way(2, 3)),
    "claim_drop": (Way(12, 38), Way(0, 0)),
    "import_data": (Way(10, 17), Way(0, 0)),
}
"""Files and moves of each request, in the application and in the library that reads tables."""


@pytest.mark.nightly
@pytest.mark.parametrize("function", ways.REQUESTS)
def test_a_request_stays_in_few_files(function: str) -> None:
    for way, landed in zip(ways.count(function), WAYS[function], strict=True):
        assert (way.files, way.moves) <= (landed.files, landed.moves)
        assert way.moves <= landed.moves
        assert way.files > 5 or landed.files <= 5, "it is counted"
