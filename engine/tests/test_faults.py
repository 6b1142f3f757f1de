# SPDX-License-Identifier: Apache-2.0
"""Faults on demand: calls and jobs go wrong as the rules say, and the clock moves."""

from collections.abc import Callable, Iterator

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError, ReadTimeoutError
from personalize_local.testing import FaultDoor

from engine.tests.harness import Argument, Aws, Engine, EngineHere, StillAws, until
from engine.tests.shop_data import columns, interactions, write_csv


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with EngineHere(tmp_path_factory.mktemp("faulty"), options=["--faults", "--strict"]) as engine:
        yield engine


@pytest.fixture
def door(faulty: Engine) -> Iterator[FaultDoor]:
    faults = FaultDoor(faulty.url)
    yield faults
    faults.clear()


@pytest.fixture
def here(faulty: Engine, region: str) -> Aws:
    return Aws(faulty, region)


def outcomes(call: Callable[[], object], count: int) -> list[str]:
    """What so many calls come to: `ok`, or the error's code."""
    outcomes = []
    for _ in range(count):
        try:
            call()
            outcomes.append("ok")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])
        except HTTPClientError as error:
            outcomes.append(type(error).__name__)
    return outcomes


@pytest.mark.parametrize(
    ("action", "code", "status"),
    [
        ("throttle", "ThrottlingException", 400),
        ("limitExceeded", "LimitExceededException", 400),
        ("internalFailure", "InternalFailure", 500),
        ("serviceUnavailable", "ServiceUnavailable", 503),
    ],
)
def test_next_calls_answer_an_error(here: Aws, door: FaultDoor, action: str, code: str, status: int) -> None:
    door.add(action, "CreateDatasetGroup", times=2, skip=1)
    names = iter("abcdef")
    assert outcomes(lambda: here.group(next(names)), 4) == ["ok", code, code, "ok"]
    door.add(action, "CreateDatasetGroup")
    with pytest.raises(ClientError) as caught:
        here.group("g")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_rule_is_about_one_resource_only(here: Aws, door: FaultDoor) -> None:
    door.add("throttle", "Describe*", "*/green-*")
    here.group("blue-1")
    arn = here.control.create_dataset_group(name="green-1")["datasetGroupArn"]
    with pytest.raises(ClientError, match="Rate exceeded"):
        here.control.describe_dataset_group(datasetGroupArn=arn)


def test_same_seed_draws_the_same_chances(here: Aws, door: FaultDoor) -> None:
    seen = []
    for seed in (1, 1, 2):
        rule = door.add("throttle", "ListSchemas", probability=0.5, seed=seed)
        seen.append(outcomes(here.control.list_schemas, 20))
        door.clear(rule["id"])
    assert seen[0] == seen[1] != seen[2]
    assert 5 <= seen[0].count("ok") <= 15


@pytest.mark.parametrize("performed", [False, True])
def test_dropped_connection_before_or_after_the_work(here: Aws, door: FaultDoor, performed: bool) -> None:
    door.add("dropConnection", "CreateDatasetGroup", times=1, performed=performed)
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        here.control.create_dataset_group(name="shop")
    assert len(here.control.list_dataset_groups()["datasetGroups"]) == int(performed)


@pytest.mark.parametrize("performed", [False, True])
def test_hanging_call_before_or_after_the_work(here: Aws, door: FaultDoor, performed: bool) -> None:
    door.add("hang", "CreateDatasetGroup", times=1, performed=performed)
    impatient = here.client("personalize", read_timeout=0.2)
    with pytest.raises(ReadTimeoutError):
        impatient.create_dataset_group(name="shop")

    def made() -> int:
        return len(here.control.list_dataset_groups()["datasetGroups"])

    # On a busy machine the caller may give up before the call has begun.
    until(lambda: made() == int(performed), "the call has hung")


def test_hang_of_a_moment_is_only_late(here: Aws, door: FaultDoor) -> None:
    door.add("hang", "ListSchemas", seconds=0.01)
    assert here.control.list_schemas()["schemas"] == []


def test_job_ends_in_create_failed(here: Aws, faulty: Engine, door: FaultDoor) -> None:
    write_csv(faulty.s3_root / "b/a.csv", columns("Interactions"), interactions())
    dataset = here.dataset(here.group(), "Interactions")
    door.add("createFailed", "CreateDatasetImportJob", "night-*", reason="Out of disk.", times=1)
    assert here.failed_import(dataset, "s3://b/a.csv", "night-1") == "Out of disk."
    here.imported(dataset, "s3://b/a.csv", "night-2")


def test_job_never_ends_until_its_rule_is_forgotten(here: Aws, door: FaultDoor) -> None:
    rule = door.add("neverEnd", "CreateFilter")
    group = here.group()
    here.dataset(group, "Items")
    made = here.control.create_filter(
        name="f", datasetGroupArn=group, filterExpression='INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ("a")'
    )
    until(lambda: here.status("Filter", made["filterArn"]) == "CREATE IN_PROGRESS", "the filter's work")
    door.advance(86_400)
    assert here.status("Filter", made["filterArn"]) == "CREATE IN_PROGRESS"
    assert door.rules()[0]["fired"] == 1
    door.clear(rule["id"])
    here.settle("Filter", made["filterArn"])


def test_clock_moves_timestamps_and_waiting(still: StillAws) -> None:
    door = FaultDoor(still.engine.url)
    before = door.now()
    arn = still.control.create_dataset_group(name="shop")["datasetGroupArn"]
    assert still.status("DatasetGroup", arn) == "CREATE PENDING"
    door.advance(still.STEP)
    until(lambda: still.status("DatasetGroup", arn) == "CREATE IN_PROGRESS", "the second step")
    assert door.advance(2 * still.STEP) >= before + 3 * still.STEP
    until(lambda: still.status("DatasetGroup", arn) == "ACTIVE", "ACTIVE")
    group = still.control.describe_dataset_group(datasetGroupArn=arn)["datasetGroup"]
    assert (group["lastUpdatedDateTime"] - group["creationDateTime"]).total_seconds() >= still.STEP


@pytest.mark.parametrize(
    "rule",
    [
        {"action": "explode"},
        {"action": "throttle", "when": 1},
        {"action": "throttle", "times": "2"},
        {"action": "throttle", "probability": 2},
        {"action": "throttle", "skip": -1},
        {"action": "hang", "seconds": True},
    ],
)
def test_bad_rule_is_refused(door: FaultDoor, rule: Argument) -> None:
    with pytest.raises(ValueError, match=r"rule|not negative"):
        door.add(**rule)
    assert door.rules() == []


def test_several_rules_come_together_or_not_at_all(faulty: Engine, door: FaultDoor) -> None:
    good = b'{"action": "throttle", "operation": "PutEvents", "times": 3}'
    assert faulty.ask("/faults", b'{"rules": [' + good + b", {}]}")[0] == 400
    assert faulty.ask("/faults", b'{"rules": [' + good + b", " + good + b"]}")[0] == 200
    assert [rule["operation"] for rule in door.rules()] == ["PutEvents", "PutEvents"]


@pytest.mark.parametrize("path", ["/faults", "/clock"])
def test_doors_are_shut_unless_asked_for(engine: Engine, path: str) -> None:
    status, _, body = engine.ask(path, None)
    assert (status, b"--faults" in body) == (404, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [(b'{"advanceSeconds": -1}', 400), (b"{}", 400), (b"no", 400), (b'{"advanceSeconds": 0}', 200)],
)
def test_clock_only_moves_forward(faulty: Engine, body: bytes, status: int) -> None:
    assert faulty.ask("/clock", body)[0] == status
