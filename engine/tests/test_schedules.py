# SPDX-License-Identifier: Apache-2.0
"""Automatic training by the engine's clock."""

from collections.abc import Iterator
from typing import Any

import pytest
from personalize_local.testing import FaultDoor

from engine.tests.harness import Argument, Aws, Engine, EngineHere, until
from engine.tests.names import RECIPE
from engine.tests.shop_data import columns, interactions, write_csv

HOUR, DAY = 3600, 86_400
POPULAR = "aws-popularity-count"


@pytest.fixture(scope="module")
def scheduling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with EngineHere(tmp_path_factory.mktemp("schedules"), options=["--faults"]) as engine:
        write_csv(engine.s3_root / "b/a.csv", columns("Interactions"), interactions())
        yield engine


@pytest.fixture
def aws(scheduling: Engine, region: str) -> Aws:
    """A region of the test's own; the clock only moves forward, and is everybody's."""
    return Aws(scheduling, region)


@pytest.fixture
def door(aws: Aws) -> FaultDoor:
    return FaultDoor(aws.engine.url)


def filled(aws: Aws, **options: Argument) -> tuple[str, str]:
    """A dataset group with interactions; also its tracking id."""
    group = aws.group(**options)
    aws.imported(aws.dataset(group, "Interactions", **options), "s3://b/a.csv")
    return group, aws.tracker(group)


def versions(aws: Aws, solution: str) -> list[Any]:
    return list(aws.control.list_solution_versions(solutionArn=solution)["solutionVersions"])


def await_versions(aws: Aws, solution: str, count: int) -> list[str]:
    """Wait for so many ACTIVE versions; returns how they were made."""
    until(lambda: [v["status"] for v in versions(aws, solution)] == ["ACTIVE"] * count, f"{count} versions")
    return [v["trainingType"] for v in versions(aws, solution)]


def test_solution_trains_within_the_hour_then_when_there_is_something_new(aws: Aws, door: FaultDoor) -> None:
    group, tracking_id = filled(aws)
    solution = aws.solution(
        group, POPULAR, solutionConfig={"autoTrainingConfig": {"schedulingExpression": "rate(2 days)"}}
    )
    door.advance(HOUR - 60)
    assert versions(aws, solution) == []
    door.advance(60)
    assert await_versions(aws, solution, 1) == ["AUTOMATIC"]
    door.advance(2 * DAY)
    aws.click(tracking_id, "i1")
    assert len(versions(aws, solution)) == 1
    door.advance(HOUR)
    assert await_versions(aws, solution, 2) == ["AUTOMATIC"] * 2


def test_version_made_by_hand_takes_the_place_of_the_first(aws: Aws, door: FaultDoor) -> None:
    group, tracking_id = filled(aws)
    solution = aws.solution(group, POPULAR)
    aws.version(solution)
    door.advance(2 * HOUR)
    aws.click(tracking_id, "i1")
    door.advance(6 * DAY)
    assert await_versions(aws, solution, 1) == ["MANUAL"]
    door.advance(DAY)
    assert await_versions(aws, solution, 2) == ["MANUAL", "AUTOMATIC"]


def test_without_automatic_training_nothing_trains(aws: Aws, door: FaultDoor) -> None:
    group, _ = filled(aws)
    solutions = [aws.solution(group, POPULAR, name=name, performAutoTraining=name == "yes") for name in ("no", "yes")]
    door.advance(30 * DAY)
    await_versions(aws, solutions[1], 1)
    assert versions(aws, solutions[0]) == []
    aws.control.update_solution(solutionArn=solutions[0], performAutoTraining=True)
    aws.settled_update("Solution", solutions[0])
    door.advance(HOUR)
    assert await_versions(aws, solutions[0], 1) == ["AUTOMATIC"]


def test_recommender_is_trained_every_week(aws: Aws, door: FaultDoor) -> None:
    group, tracking_id = filled(aws, domain="ECOMMERCE")
    recipe = f"{RECIPE}aws-ecomm-popular-items-by-views"
    made = aws.control.create_recommender(name="views", datasetGroupArn=group, recipeArn=recipe)["recommenderArn"]
    aws.settle("Recommender", made)
    for number in range(30):
        aws.click(tracking_id, "new", user=f"u{number}")
    assert "new" not in named(aws, made)
    door.advance(7 * DAY + 60)
    until(lambda: "new" in named(aws, made), "a weekly training")


def named(aws: Aws, recommender: str) -> set[str]:
    answer = aws.runtime.get_recommendations(recommenderArn=recommender, userId="x", numResults=50)
    return {item["itemId"] for item in answer["itemList"]}
