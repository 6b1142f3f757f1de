# SPDX-License-Identifier: Apache-2.0
"""A run gets through an engine that throttles, fails and loses answers, and pays for one training only."""

from collections.abc import Iterator

import pytest

from tests.app import retail
from tests.app.laptop import Laptop


@pytest.fixture
def flaky(laptop: Laptop) -> Iterator[Laptop]:
    """The cloud with an engine that fails here and there."""
    for rule in (
        {"action": "throttle", "operation": "DescribeDataset*", "skip": 1, "times": 2},
        {"action": "internalFailure", "operation": "CreateDatasetImportJob", "times": 1, "performed": True},
        {"action": "dropConnection", "operation": "CreateSolutionVersion", "times": 1, "performed": True},
        {"action": "serviceUnavailable", "operation": "DescribeCampaign", "times": 2},
    ):
        laptop.faults.add(**rule)  # type: ignore[arg-type]
    yield laptop
    laptop.faults.clear()


def test_run_survives_calls_that_fail(flaky: Laptop) -> None:
    flaky.drop("faulty", "settings", "recipes: [popularity-count]\n", "settings.yaml")
    run = flaky.drop("faulty", "interactions", retail.interactions())
    fired = [rule["fired"] for rule in flaky.faults.rules()]
    assert (run.status, fired) == ("SUCCEEDED", [2, 1, 1, 2]), run.reason
    solutions = flaky.personalize.get_paginator("list_solutions").paginate().search("solutions[].solutionArn")
    (solution,) = [arn for arn in solutions if "-faulty-" in arn]
    assert len(flaky.personalize.list_solution_versions(solutionArn=solution)["solutionVersions"]) == 1
