# SPDX-License-Identifier: Apache-2.0
"""The sweep: drops that no run is going to handle get one."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from functions.claim_drop import app as claim_drop
from functions.sweep_drops import app
from tests.functions.samples import TABLE, Event, load

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_stepfunctions import SFNClient

CLAIM = load("claim_drop_claim")
STOPPED = load("sweep_drops")
MACHINE = CLAIM["machine"]


@dataclass(frozen=True)
class Context:
    """Of one asynchronous call: Lambda's retries have the same id."""

    aws_request_id: str = "9c3f1f0e-6f1d-4c55-9a53-0d7c9b1f2a3e"
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:retail-SweepDropsFunction-1a2b3c"


LAMBDA: Any = Context()


def sweep(event: Event) -> list[str]:
    """The notes of one sweep."""
    answer = app.handler(event, LAMBDA)
    notes = answer["started"]
    assert isinstance(notes, list)
    return notes


@pytest.fixture
def machine(table: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch) -> Iterator["SFNClient"]:
    """A machine whose executions run until they are stopped, and a table without claims and leases."""
    monkeypatch.setenv("RETRAIN_MACHINE_ARN", MACHINE)
    client = boto3.client("stepfunctions")
    definition = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 9999, "End": True}}}
    role, name = "arn:aws:iam::123456789012:role/machine", MACHINE.rpartition(":")[2]
    client.create_state_machine(name=name, definition=json.dumps(definition), roleArn=role)
    yield client
    client.delete_state_machine(stateMachineArn=MACHINE)
    for item in table.scan(TableName=TABLE)["Items"]:
        if item["record"]["S"] != "release":
            table.delete_item(TableName=TABLE, Key={"shop": item["shop"], "record": item["record"]})


def claims(table: "DynamoDBClient") -> list[dict[str, Any]]:
    found = table.scan(TableName=TABLE)["Items"]
    return [item for item in found if item["record"]["S"].startswith("drop#")]


def inputs(machine: "SFNClient") -> list[Any]:
    """What the executions of the machine were started with, those of tests apart."""
    arns = [each["executionArn"] for each in machine.list_executions(stateMachineArn=MACHINE)["executions"]]
    return [json.loads(machine.describe_execution(executionArn=arn)["input"]) for arn in arns if "continue-" in arn]


def test_a_run_that_was_stopped_is_followed_by_another(machine: "SFNClient") -> None:
    arn = machine.start_execution(stateMachineArn=MACHINE, name=CLAIM["run"])["executionArn"]
    claim_drop.handler(CLAIM, None)
    assert sweep({}) == []
    machine.stop_execution(executionArn=arn)
    notes = sweep({})
    assert notes[0].startswith("demo: continue-demo-")
    # A retry of the same call names the same run.
    assert sweep({}) == notes
    assert inputs(machine) == [{"action": "continue", "shop": "demo"}]


def test_the_drop_of_a_run_that_was_stopped_before_its_claim_is_recorded(
    machine: "SFNClient", table: "DynamoDBClient"
) -> None:
    (note,) = sweep(STOPPED)
    assert note.startswith("demo: continue-demo-")
    (record,) = claims(table)
    assert (record["state"], record["claimedBy"]) == ({"S": "pending"}, {"S": STOPPED["detail"]["name"]})
    assert inputs(machine) == [{"action": "continue", "shop": "demo"}]


def test_nothing_is_started_where_nothing_waits(machine: "SFNClient") -> None:
    assert sweep({"source": "aws.scheduler", "detail": "{}"}) == []
    assert inputs(machine) == []
