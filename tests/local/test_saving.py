# SPDX-License-Identifier: Apache-2.0
"""What the local AWS saves: whole or not at all, and after a kill everything that was answered is there again."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError

from local.cloud import lifecycle, resuming, saved
from local.cloud.environments import LocalError, cloud_python
from local.cloud.home import Home, State, access

CODE = "code"

ROOT = Path(__file__).resolve().parents[2]
ROLE = "arn:aws:iam::000000000000:role/anyone"
needs_cloud = pytest.mark.skipif(not cloud_python().exists(), reason="no .local/cloud: make setup")


@dataclass
class Machine:
    """A local AWS without a stack, which can be killed and started again."""

    home: Home
    state: State
    clients: dict[tuple[str, bool], Any] = field(default_factory=dict)

    def client(self, service: str, *, once: bool = False) -> Any:  # noqa: ANN401 - of whichever service
        """A client of the session that runs; one that asks `once` does not try again."""
        if (service, once) not in self.clients:
            how = access(self.state)
            if once:
                how |= {"config": how["config"].merge(Config(retries={"total_max_attempts": 1}))}
            self.clients[service, once] = boto3.client(service, **how)  # type: ignore[call-overload]
        return self.clients[service, once]

    def told(self, method: str = "GET") -> dict[str, Any]:
        state_told: dict[str, Any] = urllib3.request(method, f"{self.state.endpoint}/_local/saved").json()
        return state_told

    def kill(self) -> None:
        for process in self.state.processes:
            psutil.Process(process.pid).kill()

    def start(self) -> None:
        lifecycle.stop(self.home)
        resuming.check(self.home)
        self.clients.clear()
        self.state = lifecycle.start(self.home, faults=True)
        lifecycle.wait_ready(self.home, self.state)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    home = Home(tmp_path)
    made = Machine(home, State("", "", ()))
    try:
        made.start()
        yield made
    finally:
        lifecycle.stop(home, save=False)


def made(machine: Machine) -> Callable[[], object]:
    """Make a table, a queue, a schedule and an object, and change them; what tells how they are."""
    dynamodb, sqs, scheduler, s3 = map(machine.client, ("dynamodb", "sqs", "scheduler", "s3"))
    key = {"id": {"S": 'quote " and \u2028'}}
    dynamodb.create_table(
        TableName="shops",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    queue = sqs.create_queue(QueueName="events")["QueueUrl"]
    s3.create_bucket(Bucket="drops")
    resuming.save(machine.state)
    dynamodb.put_item(TableName="shops", Item=key)
    for _ in range(3):
        dynamodb.update_item(
            TableName="shops",
            Key=key,
            UpdateExpression="ADD seen :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
    sqs.send_message(QueueUrl=queue, MessageBody="an event")
    scheduler.create_schedule(
        Name="nightly",
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": queue, "RoleArn": ROLE},
    )
    s3.put_object(Bucket="drops", Key="a", Body=b"content")

    def seen() -> object:
        dynamodb, sqs, scheduler, s3 = map(machine.client, ("dynamodb", "sqs", "scheduler", "s3"))
        waiting = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
        return (
            dynamodb.get_item(TableName="shops", Key=key)["Item"],
            waiting["Attributes"],
            [schedule["Name"] for schedule in scheduler.list_schedules()["Schedules"]],
            s3.get_object(Bucket="drops", Key="a")["Body"].read(),
        )

    return seen


@needs_cloud
def test_what_was_answered_is_there_after_a_kill_and_executions_end_as_stopped(machine: Machine) -> None:
    seen = made(machine)
    before = seen()
    steps = machine.client("stepfunctions")
    waits = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}}
    machine.client("iam").create_role(RoleName="anyone", AssumeRolePolicyDocument="{}")
    arn = steps.create_state_machine(name="waits", definition=json.dumps(waits), roleArn=ROLE)["stateMachineArn"]
    first = steps.start_execution(stateMachineArn=arn, name="first", input='{"shop": "a"}')["executionArn"]
    # Whoever is at work on a message when a session ends can't confirm it any more.
    url = machine.client("sqs").get_queue_url(QueueName="events")["QueueUrl"]
    assert machine.client("sqs").receive_message(QueueUrl=url, VisibilityTimeout=3600)["Messages"]
    resuming.save(machine.state)
    # Of this one the saved state knows nothing.
    second = steps.start_execution(stateMachineArn=arn, name="second", input='{"shop": "b"}')["executionArn"]
    machine.kill()
    machine.start()
    assert seen() == before
    for execution in (first, second):
        execution_now = machine.client("stepfunctions").describe_execution(executionArn=execution)
        assert (execution_now["status"], execution_now["error"]) == ("ABORTED", "States.ServiceRestart")
        history = machine.client("stepfunctions").get_execution_history(executionArn=execution)["events"]
        assert (history[0]["type"], history[-1]["type"]) == ("ExecutionStarted", "ExecutionAborted")
    both = {("first", '{"shop": "a"}'), ("second", '{"shop": "b"}')}
    assert {(execution["name"], execution["input"]) for execution in machine.told()["left"]["stopped"]} == both
    # It is told until somebody has taken it up, even if the session ends meanwhile.
    assert lifecycle.down(machine.home) == ["engine", "cloud"]
    machine.start()
    left = machine.told()["left"]
    assert ({(execution["name"], execution["input"]) for execution in left["stopped"]}, left["killed"]) == (both, True)
    machine.kill()
    machine.start()
    assert seen() == before
    left = machine.told("DELETE")["left"]
    assert (left["stopped"], left["killed"]) == ([], False)
    assert lifecycle.down(machine.home)
    machine.start()
    assert seen() == before
    assert machine.told()["left"]["killed"] is False


@needs_cloud
def test_a_state_that_cannot_be_written_leaves_what_there_was(machine: Machine) -> None:
    seen = made(machine)
    before, folder = seen(), machine.home.saved
    number = saved.read(folder).number
    # As on a full disk: nothing can be written under the next numbers' names.
    blocks = [folder / f"state.{number + offset}.part" for offset in range(1, 8)]
    for block in blocks:
        block.mkdir()
    with pytest.raises(LocalError, match="cannot save its state: IsADirectoryError"):
        resuming.save(machine.state)
    assert "IsADirectoryError" in resuming.failure(machine.state)
    assert saved.read(folder).number == number
    lifecycle.stop(machine.home)
    assert not saved.closed(folder)
    machine.start()
    machine.kill()
    machine.start()
    assert seen() == before
    for block in blocks:
        block.rmdir()
    resuming.save(machine.state)
    assert saved.read(folder).number > number
    lifecycle.stop(machine.home)
    assert saved.closed(folder)


FULL = 50_000
"""The bytes that a file may have on a disk that is full, in the cases that need some that fit and some that do not."""


@needs_cloud
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux changes the limits of another process")
def test_what_was_answered_is_there_on_a_disk_that_fills_is_full_and_is_freed(machine: Machine) -> None:
    """Files may have some bytes and no more, so that writes end in the middle of a record, as on a full disk."""
    made(machine)
    queue = machine.client("sqs").get_queue_url(QueueName="events")["QueueUrl"]
    machine.client("s3").put_bucket_versioning(Bucket="drops", VersioningConfiguration={"Status": "Enabled"})
    resuming.save(machine.state)
    items, sent = set[str](), 0
    objects = {"a": b"content"}

    def change(number: int) -> int:
        """Make a change of each kind; return how many were refused."""
        nonlocal sent
        refused, name = 0, f"{number}"
        dynamodb, sqs, s3 = (machine.client(service, once=True) for service in ("dynamodb", "sqs", "s3"))
        try:
            dynamodb.put_item(TableName="shops", Item={"id": {"S": name}, "text": {"S": "x" * 3000}})
            items.add(name)
        except ClientError:
            refused += 1
        try:
            sqs.send_message(QueueUrl=queue, MessageBody=f"{number} {'y' * 2000}")
            sent += 1
        except ClientError:
            refused += 1
        for key, content in ((name, name.encode()), ("a", name.encode() * 2 * FULL)):
            try:
                s3.put_object(Bucket="drops", Key=key, Body=content)
                objects[key] = content
            except ClientError:
                refused += 1
        return refused

    def holds() -> None:
        dynamodb, sqs, s3 = map(machine.client, ("dynamodb", "sqs", "s3"))
        ids = {item["id"]["S"] for item in dynamodb.scan(TableName="shops")["Items"]}
        assert ids - {'quote " and \u2028'} == items
        waiting = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
        assert int(waiting["Attributes"]["ApproximateNumberOfMessages"]) == sent + 1
        listed = s3.list_objects_v2(Bucket="drops")["Contents"]
        assert {
            entry["Key"]: s3.get_object(Bucket="drops", Key=entry["Key"])["Body"].read() for entry in listed
        } == objects
        assert all(not path.name.endswith(".tmp") for path in machine.home.data.joinpath("objects").rglob("*"))

    for turn in range(2):
        limited(machine, FULL)
        refused = [change(10 * turn + number) for number in range(8)]
        assert (refused[0], refused[-1]) == (1, 3), "a large object is refused at once, records by a full journal"
        holds()
        limited(machine, 100)
        with pytest.raises(LocalError, match="cannot save its state"):
            resuming.save(machine.state)
        if turn:
            limited(machine, resource.RLIM_INFINITY)
            assert change(100 + turn) == 0
        machine.kill()
        machine.start()
        holds()


def limited(machine: Machine, size: int) -> None:
    """Let no file of the local AWS grow beyond so many bytes."""
    process = next(process for process in machine.state.processes if process.name == "cloud")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def written(folder: Path) -> Path:
    """A saved state; its file."""
    (folder / CODE).mkdir()
    (folder / CODE / "5e4.zip").write_bytes(b"zip")
    saved.write(folder, 3, {"at": 5.0, "code": ["5e4"]}, {"dynamodb": b'{"version": 2}', "s3": b"{}"})
    return folder / "state.3"


def test_a_saved_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    written(tmp_path)
    state = saved.read(tmp_path)
    assert (state.number, state.at, state.clean) == (3, 5.0, True)
    assert state.services == {"dynamodb": b'{"version": 2}', "s3": b"{}"}
    # A change whose writing was interrupted was never answered.
    (tmp_path / "journal.3").write_text(CHANGE.format("sqs"))
    (tmp_path / "journal.4").write_text(CHANGE.format("dynamodb") + '{"serv')
    state = saved.read(tmp_path)
    assert (state.clean, state.last, state.damage) == (False, 4, {})
    assert [entry["service"] for entry in state.journal] == ["sqs", "dynamodb"]


CHANGE = '{{"service": "{}", "account": "0"}}\n'
"""A line of a journal."""


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def changed(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"version": 2', b'"version": 1'))


def unknown(path: Path) -> None:
    path.unlink()
    saved.write(path.parent, 3, {"format": 0, "at": 5.0, "code": []}, {})


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def without_code(path: Path) -> None:
    (path.parent / CODE / "5e4.zip").unlink()


DAMAGE = pytest.mark.parametrize("damage", [cut, changed, unknown, emptied, without_code])


@DAMAGE
def test_what_cannot_be_read_is_refused_and_never_deleted(damage: Callable[[Path], None], tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.saved.mkdir(parents=True)
    damage(written(home.saved))
    before = {path: path.read_bytes() for path in home.saved.rglob("*") if path.is_file()}
    with pytest.raises(LocalError, match=r"(?s)cannot be used.*Nothing was deleted.*up --fresh.* aside"):
        resuming.check(home)
    assert {path: path.read_bytes() for path in home.saved.rglob("*") if path.is_file()} == before
    (aside,) = lifecycle.clear(home)
    assert not home.data.exists()
    moved = home.aside / "aws"
    assert str(home.aside) in aside
    assert {path: (moved / path.relative_to(home.saved)).read_bytes() for path in before} == before


@DAMAGE
def test_the_state_before_stands_in_for_one_that_cannot_be_read(damage: Callable[[Path], None], tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.saved.mkdir(parents=True)
    saved.write(home.saved, 1, {"at": 1.0, "code": []}, {})
    saved.write(home.saved, 2, {"at": 2.0, "code": []}, {"dynamodb": b'{"version": 1}'})
    for number, service in ((1, "s3"), (2, "sqs"), (3, "dynamodb")):
        (home.saved / f"journal.{number}").write_text(CHANGE.format(service))
    newest = written(home.saved)
    saved.prune(home.saved, 3, ["5e4"])
    assert sorted(path.name for path in home.saved.glob("*.[0-9]")) == ["journal.2", "journal.3", "state.2", "state.3"]
    damage(newest)
    content = newest.read_bytes()
    state = saved.read(home.saved)
    assert (state.number, state.at, state.clean, state.services) == (2, 2.0, False, {"dynamodb": b'{"version": 1}'})
    assert [entry["service"] for entry in state.journal] == ["sqs", "dynamodb"]
    (note,) = resuming.check(home)
    assert "the state before it and the journal stand in for it" in note
    assert (home.saved / "damaged-state.3").read_bytes() == content


def test_a_damaged_line_of_a_journal_is_left_out_and_named(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.saved.mkdir(parents=True)
    written(home.saved)
    path = home.saved / "journal.3"
    path.write_text(CHANGE.format("sqs") + '{"service": "sc' + CHANGE.format("dynamodb") + "{}\n" + CHANGE.format("s3"))
    assert [entry["service"] for entry in saved.read(home.saved).journal] == ["sqs", "s3"]
    (note,) = resuming.check(home)
    assert "damaged-journal.3: damaged at line 2, 3; what stood there is lost, all else is there" in note


def test_a_deployed_stack_without_a_saved_state_is_no_fresh_start(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.saved.mkdir(parents=True)
    resuming.check(home)
    (home.data / "deployed").write_text("a stack")
    with pytest.raises(LocalError, match="there is none, though a stack was deployed"):
        resuming.check(home)


def in_cloud(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python code in the local AWS's environment, with a `Saver` of this folder."""
    begin = f"""
import asyncio, pathlib, time
from local.cloud import saved
from local.cloud.aws import saving
folder = pathlib.Path({str(folder)!r})
saver = saving.Saver(folder)
"""
    return subprocess.run(
        [str(cloud_python()), "-c", begin + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PERSIST_STATE": "1", "STATE_DIR": str(folder), "S3_DATA_DIR": str(folder / "objects")},
    )


@needs_cloud
def test_a_change_is_saved_unasked_and_silence_is_not(tmp_path: Path) -> None:
    done = in_cloud(
        """
saving.EVERY = 0.05
async def main():
    saver.load()
    numbers = []
    async def until(number):
        while saved.numbers(folder, "state")[-1:] != [number]:
            await asyncio.sleep(0.01)
    await until(1)
    saver.changed = True
    await until(2)
    before = time.monotonic()
    while time.monotonic() < before + 1.3:
        await asyncio.sleep(0.1)
    assert saved.numbers(folder, "state") == [1, 2], "nothing changed"
asyncio.run(asyncio.wait_for(main(), 600))
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr


@needs_cloud
def test_no_state_is_saved_while_a_stack_changes(tmp_path: Path) -> None:
    done = in_cloud(
        """
async def main():
    saver.load()
    await saver.save()
    before = saved.numbers(folder, "state")
    saving.cloudformation._stacks["retail"] = {"StackStatus": "UPDATE_IN_PROGRESS"}
    saver.changed = True
    await saver.save()
    assert saved.numbers(folder, "state") == before
    saving.cloudformation._stacks["retail"] = {"StackStatus": "UPDATE_COMPLETE"}
    await saver.save()
    assert saved.numbers(folder, "state") > before
asyncio.run(asyncio.wait_for(main(), 600))
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr


@needs_cloud
@pytest.mark.nightly
def test_a_state_of_a_newer_local_aws_ends_it_with_the_reason(machine: Machine) -> None:
    assert lifecycle.down(machine.home)
    folder = machine.home.saved
    state = saved.read(folder)
    versions = state.header["versions"] | {"dynamodb": 99}
    saved.write(folder, state.number, {**state.header, "versions": versions}, state.services)
    with pytest.raises(LocalError, match=r"(?s)dynamodb has version 99; this ministack knows \d.*Nothing was deleted"):
        machine.start()
    assert saved.read(folder).services == state.services


STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/events/stream/1"


@needs_cloud
def test_a_stream_goes_on_where_its_function_had_come(tmp_path: Path) -> None:
    first = in_cloud(
        f"""
async def main():
    saver.load()
    saving.dynamodb._stream_records["events"] = [{{"n": n}} for n in range(5)]
    saving.lambda_svc._esms["follower"] = {{"UUID": "follower", "Enabled": False, "EventSourceArn": {STREAM!r},
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:copy"}}
    saving.lambda_svc._dynamodb_stream_positions["follower"] = 3
    saver.changed = True
    await saver.save()
asyncio.run(main())
""",
        tmp_path,
    )
    assert first.returncode == 0, first.stderr
    again = in_cloud(
        """
async def main():
    saver.load()
    position = saving.lambda_svc._dynamodb_stream_positions["follower"]
    print([each["n"] for each in saving.dynamodb.stream_records_since("events", position, 10)])
asyncio.run(main())
""",
        tmp_path,
    )
    assert again.stdout == "[3, 4]\n", again.stderr
