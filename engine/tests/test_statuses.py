# SPDX-License-Identifier: Apache-2.0
"""The statuses that each resource passes through, as AWS's API reference names them, and as Describe and List show."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from personalize_local.testing import FaultDoor

from engine.tests.bare import Bare
from engine.tests.breaches import whole
from engine.tests.calls import BUCKET, MODELS, WORLD, Call, Json, Refused, filled, references, requests_of, write_files
from engine.tests.harness import Engine, EngineHere, until
from engine.tests.names import arn_member, member

STEP = 100.0
"""Seconds of each status: no test lasts so long."""
GONE = ""
CREATED = ("CREATE PENDING", "CREATE IN_PROGRESS", "ACTIVE")
DELETED = ("DELETE PENDING", "DELETE IN_PROGRESS", GONE)
PATHS: Mapping[str, tuple[str, ...]] = {
    "CreateDataDeletionJob": ("PENDING", "IN_PROGRESS", "COMPLETED"),
    "UpdateDataset": ("UPDATE PENDING", "UPDATE IN_PROGRESS", "ACTIVE"),
    "StopRecommender": ("STOP PENDING", "STOP IN_PROGRESS", "INACTIVE"),
    "StartRecommender": ("START PENDING", "START IN_PROGRESS", "ACTIVE"),
    "UpdateMetricAttribution": ("ACTIVE",),
}
"""Where they differ from CREATED; an update of a metric attribution shows nowhere."""
UPDATES = ("Campaign", "Solution", "Recommender")
"""Whose updates have a status of their own, while they stay ACTIVE."""
MOVING = ("Create", "Update", "Start", "Stop")


@dataclass
class World:
    """One resource of every kind, on a clock that stands still."""

    engine: Engine
    bare: Bare
    made: dict[str, str] = field(default_factory=dict)
    paths: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By operation: the statuses that its first call led through."""

    def described(self, noun: str, arn: str) -> Json:
        """What Describe shows; nothing once it is gone."""
        try:
            body: Json = self.bare.perform(f"Describe{noun}", {arn_member(noun): arn})[member(noun)]
        except Refused as error:
            if error.code != "ResourceNotFoundException":
                raise
            return {}
        return body

    def listed(self, noun: str, arn: str) -> Json:
        """What List shows of one."""
        pages = self.bare.perform(f"List{noun}s", {})
        (rows,) = (value for name, value in pages.items() if name != "nextToken")
        return next((row for row in rows if row[arn_member(noun)] == arn), {})

    def walk(self, operation: str, arn: str, *, update: str = "") -> tuple[str, ...]:
        """The statuses from a call, just made, to where they end; `update`: the member of an update's own status."""
        noun, door = _noun(operation), FaultDoor(self.engine.url)
        seen: list[str] = []

        def moved() -> bool:
            body = self.described(noun, arn)
            status = (body[update] if update else body).get("status", GONE)
            if status not in seen:  # and nothing moves it on
                seen.append(status)
                if body and not update:
                    assert self.listed(noun, arn)["status"] == status
                if not status.endswith("PENDING"):
                    door.clear()
                door.advance(STEP)
            return not status.endswith(("PENDING", "IN_PROGRESS"))

        until(moved, f"{operation} of {arn}")
        return tuple(seen)

    def play(self, call: Call) -> None:
        door = FaultDoor(self.engine.url)
        if call.waits:
            door.add("neverEnd", call.operation)
        request = filled(call.request, self.made)
        answer = self.bare.perform(call.operation, request)
        self.made |= references(call, answer)
        if call.waits:
            noun = _noun(call.operation)
            arn = (request | answer)[arn_member(noun)]
            update = f"latest{noun}Update" if call.operation.startswith("Update") and noun in UPDATES else ""
            self.paths.setdefault(call.operation, self.walk(call.operation, arn, update=update))


def _noun(operation: str) -> str:
    return next(operation.removeprefix(verb) for verb in (*MOVING, "Delete") if operation.startswith(verb))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    options = ["--faults", "--strict"]
    with EngineHere(tmp_path_factory.mktemp("statuses"), STEP, options=options) as engine:
        write_files(engine.s3_root / BUCKET)
        with Bare(engine, "statuses") as bare:
            world = World(engine, bare)
            for call in WORLD:
                if call.operation.startswith(MOVING) or call.operation == "DescribeDataset":
                    world.play(call)
            yield world


def test_every_resource_passes_through_its_statuses(world: World) -> None:
    moving = {name for name in MODELS if name.startswith(MOVING)}
    assert set(world.paths) == moving - {"CreateSchema", "StopSolutionVersionCreation"}
    wrong = {name: path for name, path in world.paths.items() if path != PATHS.get(name, CREATED)}
    assert wrong == {}


CREATIONS = sorted(name for name in MODELS if name.startswith("Create") and name != "CreateSchema")
SILENT = ("Dataset", "EventTracker", "Solution")
"""Kinds whose failures have no reason in the models."""
ELSEWHERE: Mapping[str, Json] = {
    "CreateDataset": {"datasetGroupArn": "$other"},
    "CreateEventTracker": {"datasetGroupArn": "$other"},
    "CreateMetricAttribution": {"datasetGroupArn": "$domain"},
}
"""Where a second one can be."""


@pytest.mark.parametrize("operation", CREATIONS)
def test_what_fails_says_why_and_can_be_deleted(world: World, operation: str) -> None:
    noun, door = _noun(operation), FaultDoor(world.engine.url)
    if "other" not in world.made:
        made = world.bare.perform("CreateDatasetGroup", {"name": "other"})
        world.made["other"] = made["datasetGroupArn"]
        world.walk("CreateDatasetGroup", made["datasetGroupArn"])
    request = requests_of(WORLD)[operation] | ELSEWHERE.get(operation, {})
    named = {name: "doomed" for name in ("name", "jobName") if name in whole(operation)}
    door.add("createFailed", operation, reason="It had to fail.")
    answer = world.bare.perform(operation, filled(request, world.made) | named)
    arn = answer[arn_member(noun)]
    seen: list[str] = []

    def failed() -> bool:
        status = str(world.described(noun, arn)["status"])
        if status not in seen:
            seen.append(status)
            door.advance(STEP)
        return status.endswith("FAILED")

    until(failed, f"failure of {arn}")
    door.clear()
    assert (seen[0], seen[-1]) == (
        ("PENDING", "FAILED") if noun == "DataDeletionJob" else ("CREATE PENDING", "CREATE FAILED")
    )
    assert world.described(noun, arn).get("failureReason", "It had to fail.") == "It had to fail."
    assert ("failureReason" in world.described(noun, arn)) == (noun not in SILENT)
    if f"Delete{noun}" in MODELS:
        door.add("neverEnd", f"Delete{noun}")
        world.bare.perform(f"Delete{noun}", {arn_member(noun): arn})
        assert world.walk(f"Delete{noun}", arn) == DELETED


CHANGES: Mapping[str, Json] = {
    "Campaign": {"campaignArn": "$campaign-popular", "minProvisionedTPS": 3},
    "Solution": {"solutionArn": "$solution-popular", "performAutoTraining": True},
    "Recommender": {"recommenderArn": "$recommender", "recommenderConfig": {"minRecommendationRequestsPerSecond": 3}},
    "Dataset": {"datasetArn": "$items", "schemaArn": "$schema-colours"},
}


@pytest.mark.parametrize("noun", CHANGES)
def test_an_update_that_fails_leaves_all_as_it_was(world: World, noun: str) -> None:
    door, request = FaultDoor(world.engine.url), filled(CHANGES[noun], world.made)
    arn, latest = request[arn_member(noun)], f"latest{noun}Update"
    changed = {name for name in request if not name.endswith("Arn")}
    before = world.described(noun, arn)
    door.add("createFailed", f"Update{noun}", reason="It had to fail.")
    world.bare.perform(f"Update{noun}", request)
    seen: list[str] = []

    def failed() -> bool:
        status = str(world.described(noun, arn)[latest]["status"])
        if status not in seen:
            seen.append(status)
            door.advance(STEP)
        return status.endswith("FAILED")

    until(failed, f"failure of the update of {arn}")
    door.clear()
    after = world.described(noun, arn)
    assert (after["status"], after[latest]["failureReason"]) == ("ACTIVE", "It had to fail.")
    assert {name: after.get(name) for name in changed} == {name: before.get(name) for name in changed}
    world.bare.perform(f"Update{noun}", request)
    assert world.walk(f"Update{noun}", arn, update="" if noun == "Dataset" else latest)[-1] == "ACTIVE"


@pytest.mark.parametrize(
    ("begun", "path"),
    [(False, ("CREATE STOPPED",)), (True, ("CREATE STOPPING", "CREATE STOPPED"))],
    ids=["pending", "begun"],
)
def test_a_stopped_training_passes_through_its_statuses(world: World, path: tuple[str, ...], *, begun: bool) -> None:
    door, seen = FaultDoor(world.engine.url), list[str]()
    request = filled(requests_of(WORLD)["CreateSolutionVersion"], world.made) | {"name": f"stopped-{begun}"}
    door.add("neverEnd", "CreateSolutionVersion")
    version = world.bare.perform("CreateSolutionVersion", request)["solutionVersionArn"]
    if begun:
        door.advance(STEP)
        until(lambda: world.described("SolutionVersion", version)["status"] == "CREATE IN_PROGRESS", "training")
    world.bare.perform("StopSolutionVersionCreation", {"solutionVersionArn": version})
    door.clear()

    def stopped() -> bool:
        status = str(world.described("SolutionVersion", version)["status"])
        if status not in seen:
            assert world.listed("SolutionVersion", version)["status"] == status
            seen.append(status)
            door.advance(STEP)
        return status == "CREATE STOPPED"

    until(stopped, "the end of a training")
    assert tuple(seen) == path
