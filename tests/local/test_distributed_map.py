# SPDX-License-Identifier: Apache-2.0
"""Distributed Maps of the local AWS, by its API, as AWS documents them for JSONata."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import boto3
import psutil
import pytest
import urllib3
from botocore.exceptions import ClientError

from local.cloud import lifecycle, resuming
from local.cloud.environments import cloud_python
from local.cloud.home import Home, State, access
from tests.app.waiting import received, until

pytestmark = pytest.mark.skipif(not cloud_python().exists(), reason="no .local/cloud: make setup")
BUCKET: Final = "shop"
MACHINES: Final = "arn:aws:states:us-east-1:000000000000:stateMachine:mapped-*"
ENOUGH: Final = [
    (["states:StartExecution"], [MACHINES]),
    (["states:RedriveExecution"], [MACHINES.replace(":stateMachine:", ":execution:")]),
    (["s3:GetObject", "s3:PutObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"],
     [f"arn:aws:s3:::{BUCKET}/*"]),
    (["s3:ListBucket"], [f"arn:aws:s3:::{BUCKET}"]),
]  # fmt: skip
"""Actions and resources that a role with Distributed Maps needs."""
NUMBERS = itertools.count(1)
ECHO: Final = {"StartAt": "Echo", "States": {"Echo": {"Type": "Pass", "End": True}}}
EVEN: Final = {
    "StartAt": "Even",
    "States": {
        "Even": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $states.input % 2 = 0 %}", "Next": "Good"}],
            "Default": "Odd",
        },
        "Good": {"Type": "Succeed"},
        "Odd": {"Type": "Fail", "Error": "Odd", "Cause": "it is odd"},
    },
}
"""States that fail for odd numbers."""


@dataclass
class Cloud:
    home: Home
    state: State

    def client(self, service: str) -> Any:  # noqa: ANN401 - of whichever service
        return boto3.client(service, **access(self.state))  # type: ignore[call-overload]

    def role(self, *allowed: tuple[list[str], list[str]]) -> str:
        name = f"role-{next(NUMBERS)}"
        trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
        iam = self.client("iam")
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
        statements = [{"Effect": "Allow", "Action": actions, "Resource": on} for actions, on in allowed]
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(*statements))
        return arn

    def machine(self, *, states: dict[str, Any] | None = None, role: str = "", **mapped: Any) -> str:  # noqa: ANN401
        """Create a machine whose state `Map` is a Distributed Map with these fields."""
        processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **(states or ECHO)}
        state = {"Type": "Map", "ItemProcessor": processor, "End": True, **mapped}
        note = {"Type": "Pass", "Assign": {"noted": "seven"}, "Next": "Map"}
        definition = {"QueryLanguage": "JSONata", "StartAt": "Note", "States": {"Note": note, "Map": state}}
        arn: str = self.client("stepfunctions").create_state_machine(
            name=f"mapped-{next(NUMBERS)}",
            definition=json.dumps(definition),
            roleArn=role or self.role(*ENOUGH),
        )["stateMachineArn"]
        return arn

    def start(self, machine: str, given: object) -> str:
        client = self.client("stepfunctions")
        return str(client.start_execution(stateMachineArn=machine, input=json.dumps(given))["executionArn"])

    def ended(self, arn: str) -> dict[str, Any]:
        client = self.client("stepfunctions")
        until(lambda: client.describe_execution(executionArn=arn)["status"] != "RUNNING", f"{arn} has ended")
        execution: dict[str, Any] = client.describe_execution(executionArn=arn)
        return execution

    def output(self, given: object, **mapped: Any) -> Any:  # noqa: ANN401 - any JSON
        execution = self.ended(self.start(self.machine(**mapped), given))
        assert execution["status"] == "SUCCEEDED", execution
        return json.loads(execution["output"])

    def failure(self, given: object, **mapped: Any) -> tuple[str, str]:  # noqa: ANN401
        execution = self.ended(self.start(self.machine(**mapped), given))
        assert execution["status"] == "FAILED", execution
        return execution["error"], execution["cause"]

    def run_of(self, execution: str) -> dict[str, Any]:
        """Describe the only map run of an execution."""
        client = self.client("stepfunctions")
        (listed,) = client.list_map_runs(executionArn=execution)["mapRuns"]
        map_run: dict[str, Any] = client.describe_map_run(mapRunArn=listed["mapRunArn"])
        return map_run

    def read(self, key: str) -> Any:  # noqa: ANN401 - any JSON
        return json.loads(self.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def write(self, key: str, text: str) -> None:
        self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=text.encode())


def document(*statements: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    home = Home(tmp_path_factory.mktemp("mapped"))
    made = Cloud(home, lifecycle.start(home, faults=True))
    try:
        lifecycle.wait_ready(home, made.state)
        made.client("s3").create_bucket(Bucket=BUCKET)
        yield made
    finally:
        lifecycle.stop(home, save=False)


def test_items_are_selected_and_a_child_is_an_execution_of_its_own(cloud: Cloud) -> None:
    selector = {
        "n": "{% $states.context.Map.Item.Value * 10 %}",
        "at": "{% $states.context.Map.Item.Index %}",
        "from": "{% $states.context.Map.Item.Source %}",
        "noted": "{% $noted %}",
        "shop": "{% $states.input.shop %}",
    }
    look = {
        "Type": "Pass",
        "End": True,
        "Output": {
            "n": "{% $states.input.n %}",
            "own": "{% $states.context.Execution.Input = $states.input %}",
            "outer": "{% $exists($noted) or $exists($states.context.Map) %}",
            "named": "{% $contains($states.context.Execution.Id, '/parts:') %}",
        },
    }
    states = {"StartAt": "Look", "States": {"Look": look}}
    mapped = {"Items": "{% $states.input.parts %}", "ItemSelector": selector, "Label": "parts"}
    given = {"shop": "a", "parts": [1, 2, 3]}
    assert cloud.output(given, states=states, **mapped) == [
        {"n": n, "own": True, "outer": False, "named": True} for n in (10, 20, 30)
    ]
    assert cloud.output(given, **mapped)[2] == {"n": 30, "at": 2, "from": "STATE_DATA", "noted": "seven", "shop": "a"}
    # An object's members are items with a key each.
    assert cloud.output({"a": 1}, ItemSelector="{% $states.context.Map.Item.Key %}") == ["a"]


def test_batches_are_as_large_as_they_may_be(cloud: Cloud) -> None:
    batcher = {"MaxItemsPerBatch": "{% $states.input.most %}", "BatchInput": {"noted": "{% $noted %}"}}
    batches = cloud.output({"most": 2, "of": [1, 2, 3]}, Items="{% $states.input.of %}", ItemBatcher=batcher)
    assert batches == [{"BatchInput": {"noted": "seven"}, "Items": items} for items in ([1, 2], [3])]
    # {"Items":["aaaa","aaaa"]} has 25 bytes.
    sizes = [len(batch["Items"]) for batch in cloud.output(["aaaa"] * 5, ItemBatcher={"MaxInputBytesPerBatch": 25})]
    assert sizes == [2, 2, 1]


@pytest.mark.parametrize(
    ("key", "text", "config", "items"),
    [
        ("a.json", '[{"id": 1}, {"id": 2}]', {"MaxItems": 1}, [{"id": 1}]),
        ("a.jsonl", '{"id": 1}\n{"id": 2}\n', {"InputType": "JSONL"}, [{"id": 1}, {"id": 2}]),
        ("a.csv", "id,name\n1,x\n2", {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
         [{"id": "1", "name": "x"}, {"id": "2", "name": ""}]),
    ],
)  # fmt: skip
def test_items_are_read_from_a_file(
    cloud: Cloud, key: str, text: str, config: dict[str, Any], items: list[object]
) -> None:
    cloud.write(key, text)
    location = {"Bucket": BUCKET, "Key": "{% $states.input.key %}"}
    reader = {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": config, "Arguments": location}
    assert cloud.output({"key": key}, ItemReader=reader) == items
    assert cloud.failure({"key": "none"}, ItemReader=reader)[0] == "States.ItemReaderFailed"


def test_what_is_listed_is_written_with_a_manifest(cloud: Cloud) -> None:
    for number in range(4):
        cloud.write(f"parts/{number}", "x" * number)
    listing = {
        "Resource": "arn:aws:states:::s3:listObjectsV2",
        "Arguments": {"Bucket": BUCKET, "Prefix": "{% $states.input.prefix %}"},
    }
    writer = {
        "Resource": "arn:aws:states:::s3:putObject",
        "Arguments": {"Bucket": BUCKET, "Prefix": "{% 'work/' & $noted %}"},
    }
    mapped: dict[str, Any] = {"ItemReader": listing, "ItemSelector": "{% $states.context.Map.Item.Value.Size %}"}
    mapped |= {"ResultWriter": writer, "ToleratedFailurePercentage": 50}
    machine = cloud.machine(states=EVEN, **mapped)
    execution = cloud.start(machine, {"prefix": "parts/"})
    result = json.loads(cloud.ended(execution)["output"])
    run = cloud.run_of(execution)
    folder = f"work/seven/{run['mapRunArn'].rpartition(':')[2]}"
    details = {"Bucket": BUCKET, "Key": f"{folder}/manifest.json"}
    assert result == {"MapRunArn": run["mapRunArn"], "ResultWriterDetails": details}
    manifest = cloud.read(details["Key"])
    assert (manifest["DestinationBucket"], manifest["MapRunArn"]) == (BUCKET, run["mapRunArn"])
    files = manifest["ResultFiles"]
    assert files["PENDING"] == []
    assert [file["Key"] for file in files["FAILED"]] == [f"{folder}/FAILED_0.json"]
    good = cloud.read(f"{folder}/SUCCEEDED_0.json")
    assert [(record["Input"], record["Output"], record["Status"]) for record in good] == [
        (n, n, "SUCCEEDED") for n in "02"
    ]
    bad = cloud.read(f"{folder}/FAILED_0.json")
    assert [(record["Input"], record["Error"], record["Cause"]) for record in bad] == [
        (n, "Odd", "it is odd") for n in "13"
    ]
    counts = run["executionCounts"]
    assert (run["status"], counts["succeeded"], counts["failed"], counts["resultsWritten"]) == ("SUCCEEDED", 2, 2, 4)
    children = cloud.client("stepfunctions").list_executions(mapRunArn=run["mapRunArn"])["executions"]
    assert sorted(child["status"] for child in children) == ["FAILED", "FAILED", "SUCCEEDED", "SUCCEEDED"]
    # Its history is its own.
    (child_run,) = [child for child in children if child["executionArn"] == good[1]["ExecutionArn"]]
    history = cloud.client("stepfunctions").get_execution_history(executionArn=child_run["executionArn"])["events"]
    assert [event["type"] for event in history] == [
        "ExecutionStarted",
        "ChoiceStateEntered",
        "ChoiceStateExited",
        "SucceedStateEntered",
        "SucceedStateExited",
        "ExecutionSucceeded",
    ]


def test_outputs_are_flattened_and_failures_told_whole(cloud: Cloud) -> None:
    flat = {"ResultWriter": {"WriterConfig": {"Transformation": "FLATTEN"}}}
    assert cloud.output([[1, 2], [3]], **flat) == [1, 2, 3]
    first, second = cloud.output([1, 2], states=EVEN, ToleratedFailureCount=1)
    assert (first["Error"], first["Status"], second) == ("Odd", "FAILED", 2)


@pytest.mark.parametrize("tolerated", [{}, {"ToleratedFailureCount": 1}, {"ToleratedFailurePercentage": 49}])
def test_more_failures_than_tolerated_fail_the_state(cloud: Cloud, tolerated: dict[str, int]) -> None:
    error, _ = cloud.failure([1, 2, 3, 4], states=EVEN, **tolerated)
    assert error == "States.ExceedToleratedFailureThreshold"


@pytest.fixture
def blocked_children(cloud: Cloud) -> Iterator[tuple[dict[str, Any], Callable[[], tuple[int, str]]]]:
    """States that send their input to a queue and wait for an answer; a function that takes a question from it."""
    sqs = cloud.client("sqs")
    queue = sqs.create_queue(QueueName=f"asked-{next(NUMBERS)}")["QueueUrl"]
    body = {"token": "{% $states.context.Task.Token %}", "n": "{% $states.input %}"}
    ask = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Arguments": {"QueueUrl": queue, "MessageBody": body},
        "End": True,
    }

    def question() -> tuple[int, str]:
        message = received(sqs, queue)
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        told = json.loads(message["Body"])
        return told["n"], told["token"]

    yield {"StartAt": "Ask", "States": {"Ask": ask}}, question
    sqs.delete_queue(QueueUrl=queue)


Blocked = tuple[dict[str, Any], Callable[[], tuple[int, str]]]


def test_no_more_children_run_than_allowed_and_a_redrive_runs_the_rest(cloud: Cloud, blocked_children: Blocked) -> None:
    states, question = blocked_children
    steps = cloud.client("stepfunctions")
    execution = cloud.start(cloud.machine(states=states, MaxConcurrency="{% 2 %}"), [0, 1, 2, 3])
    tokens = dict(question() for _ in range(2))
    counts = cloud.run_of(execution)["itemCounts"]
    assert (set(tokens), counts["running"], counts["pending"], counts["total"]) == ({0, 1}, 2, 2, 4)
    steps.send_task_success(taskToken=tokens[0], output='"nought"')
    third, _ = question()
    steps.send_task_failure(taskToken=tokens[1], error="Broken", cause="")
    assert cloud.ended(execution)["error"] == "States.ExceedToleratedFailureThreshold"
    run = cloud.run_of(execution)
    counts = run["executionCounts"]
    assert (run["status"], third) == ("FAILED", 2)
    assert (counts["succeeded"], counts["failed"], counts["aborted"], counts["pending"]) == (1, 1, 1, 1)
    steps.redrive_execution(executionArn=execution)
    for _ in range(3):
        n, token = question()
        steps.send_task_success(taskToken=token, output=json.dumps(n))
    assert json.loads(cloud.ended(execution)["output"]) == ["nought", 1, 2, 3]
    again = cloud.run_of(execution)
    assert (again["mapRunArn"], again["status"], again["redriveCount"]) == (run["mapRunArn"], "SUCCEEDED", 1)
    assert again["executionCounts"]["total"] == 4


def test_a_stopped_execution_stops_its_children(cloud: Cloud, blocked_children: Blocked) -> None:
    states, question = blocked_children
    steps = cloud.client("stepfunctions")
    execution = cloud.start(cloud.machine(states=states), [1, 2])
    question(), question()
    steps.stop_execution(executionArn=execution)
    run = cloud.run_of(execution)
    children = steps.list_executions(mapRunArn=run["mapRunArn"])["executions"]
    assert (run["status"], [child["status"] for child in children]) == ("ABORTED", ["ABORTED", "ABORTED"])
    assert cloud.ended(execution)["status"] == "ABORTED"


@pytest.mark.parametrize("missing", range(len(ENOUGH)))
def test_a_role_without_a_right_fails_the_state(cloud: Cloud, missing: int) -> None:
    reader = {"Resource": "arn:aws:states:::s3:listObjectsV2", "Arguments": {"Bucket": BUCKET, "Prefix": "none/"}}
    writer = {"Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": BUCKET}}
    role = cloud.role(*(settings for number, settings in enumerate(ENOUGH) if number != missing))
    mapped: dict[str, Any] = {"ItemReader": reader, "ResultWriter": writer, "role": role}
    if missing == 1:  # which a redrive alone needs
        assert set(cloud.output({}, **mapped)) == {"MapRunArn", "ResultWriterDetails"}
        return
    error, cause = cloud.failure({}, **mapped)
    assert "is not authorized to perform" in cause
    assert error == ("States.Runtime", "", "States.ResultWriterFailed", "States.ItemReaderFailed")[missing]


def test_more_than_a_state_holds_fails_it_and_no_states_all_catches_that(cloud: Cloud) -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Note"}]
    large = {"Type": "Pass", "Output": "{% $states.input & $states.input %}", "End": True}
    states = {"StartAt": "Large", "States": {"Large": large}}
    # Each output is small enough, both together are not.
    error, _ = cloud.failure(["x" * 70_000] * 2, states=states, Catch=catch)
    assert error == "States.DataLimitExceeded"
    with pytest.raises(ClientError, match="ValidationException"):
        cloud.start(cloud.machine(), "x" * 262_143)


@pytest.mark.parametrize("wrong", [
    {"ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, **ECHO}},
    {"ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {}}},
    {"ItemBatcher": {"BatchInput": {}}},
    {"ResultWriter": {"Resource": "arn:aws:states:::s3:putObject"}},
    {"Label": "x" * 41},
])  # fmt: skip
def test_a_wrong_definition_is_refused(cloud: Cloud, wrong: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="SCHEMA_VALIDATION_FAILED"):
        cloud.machine(**wrong)


@pytest.mark.nightly
def test_a_killed_cloud_leaves_an_aborted_map_run(cloud: Cloud, blocked_children: Blocked) -> None:
    states, question = blocked_children
    execution = cloud.start(cloud.machine(states=states), [1, 2])
    question(), question()
    resuming.save(cloud.state)
    for process in cloud.state.processes:
        psutil.Process(process.pid).kill()
    lifecycle.stop(cloud.home)
    cloud.state = lifecycle.start(cloud.home, faults=True)
    lifecycle.wait_ready(cloud.home, cloud.state)
    run = cloud.run_of(execution)
    counts = run["executionCounts"]
    assert (run["status"], counts["running"], counts["aborted"]) == ("ABORTED", 0, 2)
    children = cloud.client("stepfunctions").list_executions(mapRunArn=run["mapRunArn"])["executions"]
    assert [child["status"] for child in children] == ["ABORTED", "ABORTED"]
    left = urllib3.request("GET", f"{cloud.state.endpoint}/_local/saved").json()["left"]["stopped"]
    assert [execution["executionArn"] for execution in left] == [execution]
