# SPDX-License-Identifier: Apache-2.0
import json
import re
from typing import Any

import pytest
from personalization.core.errors import Broken, RetryLater

from functions.train_solution.app import handler
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.samples import Event, load, said

pytestmark = pytest.mark.usefixtures("aws")

BASE = f"{ARN}:solution/retail-demo-user-personalization"
SOLUTION = f"{BASE}-4f53cd"
"""That of a shop without users and items."""
UP = "arn:aws:personalize:::recipe/aws-user-personalization"
DATASETS = ["DescribeDataset", "DescribeDataset"]


def columns(personalize: FakePersonalize, *names: str) -> None:
    """The shop has items with these columns, and no users."""
    fields: list[dict[str, object]] = [{"name": "ITEM_ID", "type": "string"}]
    fields += [{"name": name, "type": "float"} for name in names]
    fields.append({"name": "NOTE", "type": ["null", "string"]})
    personalize.says("DescribeDataset", {"dataset": {"status": "ACTIVE", "schemaArn": f"{ARN}:schema/items"}})
    personalize.fails("DescribeDataset", "ResourceNotFoundException")
    personalize.says("DescribeSchema", {"schema": {"schema": json.dumps({"fields": fields})}})


def named(personalize: FakePersonalize, *names: str, **more: str) -> str:
    """The name of the solution that is made for items with these columns."""
    personalize.reset()
    columns(personalize, *names)
    event = load("train_solution_solution")
    event["recipe"] |= more
    handler(event, None)
    return str(personalize.body_of("CreateSolution")["name"])


def test_a_solutions_name_tells_the_columns_that_it_is_trained_on(personalize: FakePersonalize) -> None:
    plain = named(personalize, "PRICE")
    assert re.fullmatch(r"retail-demo-user-personalization-[0-9a-f]{6}", plain)
    assert named(personalize, "PRICE", "WEIGHT") not in {plain, named(personalize)}
    assert named(personalize, "WEIGHT", "PRICE") == named(personalize, "PRICE", "WEIGHT")


def test_a_solutions_name_tells_its_generation(personalize: FakePersonalize) -> None:
    first = named(personalize, "PRICE")
    second = named(personalize, "PRICE", recipeArn=f"{UP}-v2")
    assert second == first.replace("-user-personalization-", "-user-personalization-v2-")
    assert personalize.body_of("CreateSolution")["recipeArn"] == f"{UP}-v2"


def weighs(view: float = 0.1, **more: object) -> Event:
    """The first step of a recipe with weights of event types, and other members of its solution."""
    event = load("train_solution_solution")
    events = [{"eventType": "Purchase", "weight": 1.0}, {"eventType": "View", "weight": view}]
    config = {"eventsConfig": {"eventParametersList": events}, **more}
    event["recipe"] |= {"recipeArn": f"{UP}-v2", "solutionMembers": {"solutionConfig": config}}
    return event


def made(personalize: FakePersonalize, event: Event) -> dict[str, Any]:
    """The request that makes the solution."""
    personalize.reset()
    columns(personalize, "PRICE")
    handler(event, None)
    return personalize.body_of("CreateSolution")


def test_a_solution_has_the_members_of_the_settings_and_a_name_by_those_that_never_change(
    personalize: FakePersonalize,
) -> None:
    first, second = made(personalize, weighs()), made(personalize, weighs(0.3))
    assert first["solutionConfig"] == weighs()["recipe"]["solutionMembers"]["solutionConfig"]
    assert first["performAutoTraining"] is False
    assert first["name"] == second["name"]
    columns_left_out: Any = {"trainingDataConfig": {"excludedDatasetColumns": {"Items": ["PRICE"]}}}
    third = made(personalize, weighs(**columns_left_out))
    without = load("train_solution_solution")
    without["recipe"]["recipeArn"] = f"{UP}-v2"
    assert len({first["name"], third["name"], made(personalize, without)["name"]}) == 3
    assert made(personalize, without).keys() == {"name", "datasetGroupArn", "recipeArn", "performAutoTraining"}


def solution(event: Event, **more: object) -> dict[str, Any]:
    """What Personalize says of the solution that an event asks for."""
    return {"solution": {"status": "ACTIVE", **event["recipe"]["solutionMembers"], **more}}


def updated(event: Event, status: str) -> dict[str, Any]:
    """An update to what an event asks for."""
    config = event["recipe"]["solutionMembers"]["solutionConfig"]["eventsConfig"]
    return {"latestSolutionUpdate": {"status": status, "solutionUpdateConfig": {"eventsConfig": config}}}


def test_other_weights_change_the_solution_and_are_waited_for_before_anything_trains(
    personalize: FakePersonalize,
) -> None:
    event = weighs(0.3) | {"steps": ["solution", "solutionVersion"]}
    personalize.says("DescribeSolution", solution(weighs()))
    first = handler(event, None)
    assert (first["status"], first["ready"]) == ("UPDATE PENDING", False)
    request = personalize.body_of("UpdateSolution")
    config = event["recipe"]["solutionMembers"]["solutionConfig"]["eventsConfig"]
    assert request == {"solutionArn": first["arn"], "solutionUpdateConfig": {"eventsConfig": config}}
    personalize.reset()
    personalize.says("DescribeSolution", solution(weighs(), **updated(weighs(0.3), "UPDATE IN_PROGRESS")))
    assert handler(event | {"made": first["made"]}, None)["ready"] is False
    assert "CreateSolutionVersion" not in personalize.operations()
    personalize.reset()
    personalize.says("DescribeSolution", solution(weighs(), **updated(weighs(0.3), "ACTIVE")))
    handler(event | {"made": first["made"]}, None)
    assert "CreateSolutionVersion" in personalize.operations()


@pytest.mark.parametrize(
    "there",
    [solution(weighs()), solution(weighs(0.3), **updated(weighs(), "ACTIVE"))],
    ids=["made with them", "updated to them"],
)
def test_weights_that_the_solution_has_change_nothing(there: dict[str, Any], personalize: FakePersonalize) -> None:
    personalize.says("DescribeSolution", there)
    assert handler(weighs(), None)["status"] == "ACTIVE"
    assert "UpdateSolution" not in personalize.operations()


def test_another_change_under_way_is_waited_for_and_a_failed_one_is_tried_again(personalize: FakePersonalize) -> None:
    personalize.says("DescribeSolution", solution(weighs(), **updated(weighs(0.5), "UPDATE IN_PROGRESS")))
    with pytest.raises(RetryLater, match="at work on another change of this solution"):
        handler(weighs(0.3), None)
    personalize.reset()
    personalize.says("DescribeSolution", solution(weighs(), **updated(weighs(0.3), "UPDATE FAILED")))
    step = handler(weighs(0.3), None)
    assert step["status"] == "UPDATE PENDING"
    failed = solution(weighs(), **updated(weighs(0.3), "UPDATE FAILED"))
    failed["solution"]["latestSolutionUpdate"]["failureReason"] = "no such type"
    personalize.reset()
    personalize.says("DescribeSolution", failed)
    with pytest.raises(Broken, match="no such type"):
        handler(weighs(0.3) | {"made": step["made"]}, None)


def test_where_there_are_too_many_solutions_the_oldest_that_nothing_serves_from_goes(
    personalize: FakePersonalize,
) -> None:
    names = ["retail-demo-user-personalization-4567cd", "retail-demo-user-personalization-0123ab"]
    names += [f"retail-demo-similar-items-{number:06x}" for number in range(8)]
    there = [
        {"name": name, "solutionArn": f"{ARN}:solution/{name}", "status": "ACTIVE", "creationDateTime": age}
        for age, name in enumerate(names)
    ]
    personalize.fails("CreateSolution", "LimitExceededException", "more than 10 solutions")
    personalize.says("ListSolutions", {"solutions": there})
    personalize.fails("DeleteSolution", "ResourceInUseException")
    personalize.says("DeleteSolution", {})
    with pytest.raises(RetryLater, match="too many solutions"):
        handler(load("train_solution_solution"), None)
    deleted = [request["solutionArn"] for called, request in personalize.calls if called == "DeleteSolution"]
    assert deleted == [f"{BASE}-4567cd", f"{BASE}-0123ab"]
    # Fewer than the quota: it is a rate, and nothing is deleted. More that all serve: somebody has to delete some.
    for some in (there[:3], there[2:] * 2):
        personalize.reset()
        personalize.fails("CreateSolution", "LimitExceededException", "more than 10 solutions")
        personalize.says("ListSolutions", {"solutions": some})
        step = handler(load("train_solution_solution"), None)
        assert (step["status"], step["patience"]) == ("WAITING", 10)
        assert "delete what is no longer used" in str(step["reason"])
        assert "DeleteSolution" not in personalize.operations()


def test_an_update_of_a_new_solution_is_a_full_training(personalize: FakePersonalize) -> None:
    event = load("train_solution_solution_version")
    event["plan"]["trainingMode"] = "UPDATE"
    handler(event, None)
    assert personalize.body_of("CreateSolutionVersion")["trainingMode"] == "FULL"
    assert personalize.body_of("CreateSolutionVersion")["solutionArn"] == SOLUTION
    personalize.says("ListSolutionVersions", listed("aaaa1111"))
    personalize.says("DescribeSolutionVersion", described("another"))
    handler(event, None)
    assert personalize.body_of("CreateSolutionVersion")["trainingMode"] == "UPDATE"


def listed(*versions: str) -> dict[str, list[dict[str, object]]]:
    return {
        "solutionVersions": [
            {"solutionVersionArn": f"{SOLUTION}/{version}", "status": "ACTIVE", "creationDateTime": 1_700_000_000 + age}
            for age, version in enumerate(versions)
        ]
    }


def described(name: str, status: str = "ACTIVE") -> dict[str, object]:
    return {"solutionVersion": {"name": name, "status": status}}


def test_a_solution_is_made_without_automatic_training(personalize: FakePersonalize) -> None:
    step = handler(load("train_solution_solution"), None)
    assert said(step) == {"arn": SOLUTION, "status": "CREATE PENDING"}
    request = personalize.body_of("CreateSolution")
    assert request["performAutoTraining"] is False
    assert request["recipeArn"] == "arn:aws:personalize:::recipe/aws-user-personalization"


def test_a_solution_that_is_there_is_found(personalize: FakePersonalize) -> None:
    personalize.says("DescribeSolution", {"solution": {"status": "CREATE IN_PROGRESS"}})
    assert handler(load("train_solution_solution"), None)["status"] == "CREATE IN_PROGRESS"
    assert personalize.operations() == [*DATASETS, "DescribeSolution"]


def test_a_solution_whose_creation_failed_is_removed_before_it_is_made_again(personalize: FakePersonalize) -> None:
    personalize.says("DescribeSolution", {"solution": {"status": "CREATE FAILED"}})
    with pytest.raises(RetryLater, match="made again"):
        handler(load("train_solution_solution"), None)
    assert personalize.operations() == [*DATASETS, "DescribeSolution", "DeleteSolution"]


def test_a_run_trains_a_version_of_its_own(personalize: FakePersonalize) -> None:
    personalize.says("ListSolutionVersions", listed("aaaa1111"))
    personalize.says("DescribeSolutionVersion", described("another"))
    event = load("train_solution_solution_version")
    assert said(handler(event, None)) == {"arn": f"{BASE}/1f2e3d4c", "status": "CREATE PENDING"}
    assert personalize.body_of("CreateSolutionVersion")["name"] == event["recipe"]["solutionVersionName"]


def test_a_version_of_this_run_is_found_among_the_newest_and_not_trained_twice(personalize: FakePersonalize) -> None:
    event = load("train_solution_solution_version")
    personalize.says("ListSolutionVersions", {**listed("aaaa1111"), "nextToken": "more"})
    personalize.says("ListSolutionVersions", listed("bbbb2222", "cccc3333"))
    personalize.says("DescribeSolutionVersion", described("another"))
    personalize.says("DescribeSolutionVersion", described(event["recipe"]["solutionVersionName"], "CREATE PENDING"))
    step = handler(event, None)
    assert step["status"] == "CREATE PENDING"
    assert "CreateSolutionVersion" not in personalize.operations()


def went_on() -> Event:
    """The step of a run that goes on with what another one, now dead, had begun."""
    event = load("train_solution_solution_version")
    event["recipe"]["earlierVersions"] = ["of-the-dead-run"]
    return event


@pytest.mark.parametrize("status", ["CREATE PENDING", "CREATE IN_PROGRESS", "ACTIVE"])
def test_the_version_of_a_dead_run_is_adopted(status: str, personalize: FakePersonalize) -> None:
    personalize.says("ListSolutionVersions", listed("aaaa1111"))
    personalize.says("DescribeSolutionVersion", described("of-the-dead-run", status))
    assert said(handler(went_on(), None)) == {"arn": f"{SOLUTION}/aaaa1111", "status": status}
    assert "CreateSolutionVersion" not in personalize.operations()


@pytest.mark.parametrize("status", ["CREATE FAILED", "CREATE STOPPED"])
def test_a_failed_version_of_a_dead_run_is_trained_again_under_a_name_of_its_own(
    status: str, personalize: FakePersonalize
) -> None:
    event = went_on()
    personalize.says("ListSolutionVersions", listed("aaaa1111"))
    personalize.says("DescribeSolutionVersion", described("of-the-dead-run", status))
    assert handler(event, None)["status"] == "CREATE PENDING"
    assert personalize.body_of("CreateSolutionVersion")["name"] == event["recipe"]["solutionVersionName"]


def test_a_training_that_the_dead_run_had_not_begun_has_its_name(personalize: FakePersonalize) -> None:
    """The dead run's function may still be at it: Personalize makes one of two versions with the same name."""
    personalize.says("ListSolutionVersions", {"solutionVersions": []})
    personalize.says("ListSolutionVersions", listed("aaaa1111"))
    personalize.says("DescribeSolutionVersion", described("of-the-dead-run", "CREATE PENDING"))
    personalize.fails("CreateSolutionVersion", "ResourceAlreadyExistsException")
    assert handler(went_on(), None)["arn"] == f"{SOLUTION}/aaaa1111"
    assert personalize.body_of("CreateSolutionVersion")["name"] == "of-the-dead-run"


def test_a_version_that_only_the_solution_tells_of_is_found(personalize: FakePersonalize) -> None:
    (latest,) = listed("aaaa1111")["solutionVersions"]
    personalize.says("DescribeSolution", {"solution": {"status": "ACTIVE", "latestSolutionVersion": latest}})
    personalize.says("DescribeSolutionVersion", described("of-the-dead-run"))
    assert handler(went_on(), None)["arn"] == f"{SOLUTION}/aaaa1111"


def test_a_version_that_is_there_and_not_listed_yet_is_tried_again(personalize: FakePersonalize) -> None:
    personalize.fails("CreateSolutionVersion", "ResourceAlreadyExistsException")
    with pytest.raises(RetryLater, match="is not listed yet"):
        handler(load("train_solution_solution_version"), None)


def test_a_solution_that_is_still_being_made_is_tried_again(personalize: FakePersonalize) -> None:
    personalize.fails("CreateSolutionVersion", "ResourceInUseException", "not ACTIVE")
    with pytest.raises(RetryLater, match=f"{SOLUTION}: ResourceInUseException: not ACTIVE"):
        handler(load("train_solution_solution_version"), None)


BEGUN = "2026-11-25T08:30:00+00:00"
LONG_BEFORE, SHORTLY_AFTER = 1_794_990_600, 1_795_595_460
"""Epoch seconds of a week before that time, and of a minute after it."""


def begun(made: float, name: str, status: str = "ACTIVE") -> tuple[Event, dict[str, object]]:
    """The step of a run that began at BEGUN, and a version that was made at a time."""
    event = went_on()
    event["plan"]["begunAt"] = BEGUN
    version = {"name": name or event["recipe"]["solutionVersionName"], "status": status, "creationDateTime": made}
    return event, {"solutionVersion": version}


@pytest.mark.parametrize("name", ["", "of-the-dead-run"])
def test_a_version_that_is_older_than_the_run_is_told_with_its_time(name: str, personalize: FakePersonalize) -> None:
    event, version = begun(LONG_BEFORE, name)
    personalize.says("ListSolutionVersions", listed("aaaa1111"))
    personalize.says("DescribeSolutionVersion", version)
    told = {"arn": f"{SOLUTION}/aaaa1111", "status": "ACTIVE", "foundFrom": "2026-11-18T08:30:00+00:00"}
    assert said(handler(event, None)) == told


@pytest.mark.parametrize("name", ["", "of-the-dead-run"])
def test_a_version_of_the_run_or_of_one_that_it_goes_on_with_is_its_own(
    name: str, personalize: FakePersonalize
) -> None:
    event, version = begun(SHORTLY_AFTER, name)
    personalize.says("ListSolutionVersions", listed("aaaa1111"))
    personalize.says("DescribeSolutionVersion", version)
    assert said(handler(event, None)) == {"arn": f"{SOLUTION}/aaaa1111", "status": "ACTIVE"}


def test_a_training_without_room_is_waited_for_whatever_the_words(personalize: FakePersonalize) -> None:
    personalize.fails("CreateSolutionVersion", "LimitExceededException", "Training capacity is used up.")
    event = load("train_solution_solution_version")
    told = "LimitExceededException: Training capacity is used up."
    answer = handler(event, None)
    assert said(answer) == {"arn": SOLUTION, "status": "WAITING", "reason": told}
    assert (answer["ready"], answer["made"]) == (False, event["made"])


def test_a_solution_is_trained_as_soon_as_it_is_ready(personalize: FakePersonalize) -> None:
    event = load("train_solution_solution") | {"steps": ["solution", "solutionVersion"]}
    first = handler(event, None)
    assert (first["arn"], first["ready"]) == (SOLUTION, False)
    personalize.says("DescribeSolution", {"solution": {"status": "ACTIVE"}})
    second = handler({**event, "made": first["made"]}, None)
    assert personalize.body_of("CreateSolutionVersion")["solutionArn"] == SOLUTION
    personalize.says("DescribeSolutionVersion", described("", "ACTIVE"))
    third = handler({**event, "made": second["made"]}, None)
    assert (third["arn"], third["status"], third["ready"]) == (second["arn"], "ACTIVE", True)


def test_a_training_that_was_stopped_has_failed(personalize: FakePersonalize) -> None:
    event = load("train_solution_solution_version")
    begun = handler(event, None)
    personalize.says("DescribeSolutionVersion", described("", "CREATE STOPPED"))
    with pytest.raises(Broken, match=f"{event['recipe']['solutionVersionName']}: Personalize gives no reason"):
        handler({**event, "made": begun["made"]}, None)
