# SPDX-License-Identifier: Apache-2.0
"""A user who is to be deleted: the request is safe at once, the round does it, and every step can be made again."""

import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import boto3
import polars as pl
import pytest
from personalization.core.aws import clients
from personalization.core.errors import Broken, RetryLater
from personalization.events import erasure_requests, store
from personalization.events.erasures import JOB_SECONDS, Request
from personalization.events.models import Call
from personalization.experiments.assignment import unit_digest
from personalization.likelihood import inputs, shards
from personalization.releases import probe
from personalization.runs import concurrent_drops, leases, lifecycle
from personalization.runs.store import DynamoLedger, StateMachine
from personalization.shop.records import release_store
from table_intake.check import counts
from table_intake.write import dialect

from functions.erase_users.app import handler
from functions.import_data.app import handler as import_data
from functions.record_events import app as record_events
from functions.record_events.app import handler as api
from tests.handlers import containers
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.queues import Context
from tests.handlers.samples import BUCKET, RELEASE, SHOPPER_EVENTS, TABLE, body, described, load

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

SETTLED_SECONDS = 120

pytestmark = pytest.mark.usefixtures("aws", "demo", "bucket")
JOB = f"{ARN}:data-deletion-job/retail-demo-erase-1"
ENGINE = ARN.replace(":personalize:", ":engine:")
WAITING, DONE = "!demo", "=demo"


MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:Retrain"


@pytest.fixture(scope="module", autouse=True)
def machine(aws: FakePersonalize) -> Iterator["SFNClient"]:  # noqa: ARG001
    """The machine whose executions run until they are stopped."""
    client = boto3.client("stepfunctions")
    definition = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 9999, "End": True}}}
    role, name = "arn:aws:iam::123456789012:role/machine", MACHINE.rpartition(":")[2]
    client.create_state_machine(name=name, definition=json.dumps(definition), roleArn=role)
    yield client
    client.delete_state_machine(stateMachineArn=MACHINE)


@pytest.fixture(autouse=True)
def _empty(table: "DynamoDBClient", personalize: FakePersonalize) -> Iterator[None]:
    """No request is left of the test before, and a job can be made."""
    personalize.says("CreateDataDeletionJob", {"dataDeletionJobArn": JOB})
    containers.start(record_events)
    yield
    for item in table.scan(TableName=SHOPPER_EVENTS)["Items"]:
        table.delete_item(TableName=SHOPPER_EVENTS, Key={name: item[name] for name in ("shopper", "event")})
    for item in table.scan(TableName=TABLE)["Items"]:
        if item["record"]["S"] != "release":
            table.delete_item(TableName=TABLE, Key={name: item[name] for name in ("shop", "record")})


def ask(user: str = "2375", *, age: int = SETTLED_SECONDS) -> str:
    """A request to delete a user, made so many seconds ago; its receipt."""
    event = load("api_delete_user")
    event["pathParameters"]["userId"] = user
    answer = api(event, None)
    assert answer["statusCode"] == 202
    key, change = {"shopper": {"S": WAITING}, "event": {"S": user}}, {":older": {"N": str(-age)}}
    boto3.client("dynamodb").update_item(
        TableName=SHOPPER_EVENTS, Key=key, UpdateExpression="ADD asked :older", ExpressionAttributeValues=change
    )
    return str(described("Receipt", answer).receipt_id)


def step(receipt: str) -> str:
    """The step that a receipt tells."""
    key = {"shopper": {"S": DONE}, "event": {"S": receipt}}
    return boto3.client("dynamodb").get_item(TableName=SHOPPER_EVENTS, Key=key)["Item"]["step"]["S"]


def round_made(left: int = 600_000, **expected: object) -> dict[str, Any]:
    """A round with so many milliseconds; what it says, as far as a test expects something."""
    done = handler(load("erase_users"), cast("Any", Context(left)))
    assert done == {"sent": 0, "gone": 0, "failed": [], **expected}
    return done


def job_is(personalize: FakePersonalize, status: str) -> None:
    """What the data deletion job says of itself from now on."""
    personalize.reset()
    personalize.says("CreateDataDeletionJob", {"dataDeletionJobArn": JOB + "-next"})
    personalize.says("DescribeDataDeletionJob", {"dataDeletionJob": {"status": status}})


def held(table: "DynamoDBClient", shopper: str) -> list[dict[str, Any]]:
    """What the table has under a key."""
    values: Any = {":shopper": {"S": shopper}}
    answer = table.query(
        TableName=SHOPPER_EVENTS, KeyConditionExpression="shopper = :shopper", ExpressionAttributeValues=values
    )
    return [dict(item) for item in answer["Items"]]


def files(bucket: "S3Client") -> list[str]:
    """The lists of users in the bucket."""
    listed = bucket.list_objects_v2(Bucket=BUCKET, Prefix="erasures/").get("Contents", [])
    return [bucket.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read().decode() for entry in listed]


def test_a_user_is_deleted_by_a_job_and_the_receipt_stays(
    personalize: FakePersonalize, table: "DynamoDBClient", bucket: "S3Client"
) -> None:
    receipt, other = ask(), ask('u,"1"')
    assert step(receipt) == "waiting"
    round_made(sent=2)
    assert step(receipt) == "underWay"
    request = personalize.body_of("CreateDataDeletionJob")
    assert request["datasetGroupArn"] == f"{ARN}:dataset-group/retail-demo"
    assert request["dataSource"] == {"dataLocation": f"s3://{BUCKET}/erasures/demo/{request['jobName']}.csv"}
    assert files(bucket) == ['USER_ID\n2375\n"u,\\"1\\""\n']
    job_is(personalize, "IN_PROGRESS")
    round_made()
    job_is(personalize, "COMPLETED")
    round_made(gone=2)
    assert held(table, WAITING) == []
    assert {item["event"]["S"] for item in held(table, DONE)} == {receipt, other}
    assert step(receipt) == step(other) == "deletedHere"
    assert "2375" not in json.dumps(held(table, DONE))
    round_made()
    assert "CreateDataDeletionJob" not in personalize.operations()


def test_what_the_table_has_of_the_user_goes_and_nobody_elses(table: "DynamoDBClient") -> None:
    view = {"eventType": "View", "itemId": "i", "sentAt": 5}
    search = {"eventType": "Search", "eventId": "s", "sentAt": 5}
    views = [Call("s", "2375", [{**view, "eventId": str(number)}]) for number in range(60)]
    calls = [*views, Call("s", "2375", [search]), Call("s", "23", [{**view, "eventId": "x"}])]
    for shop in ("demo", "demo-2"):
        assert store.note(table, SHOPPER_EVENTS, shop, calls, time.time()) == []
    ask()
    round_made(sent=1)
    assert (held(table, "demo#2375"), held(table, "~demo#user#2375")) == ([], [])
    assert [len(held(table, key)) for key in ("demo#23", "demo-2#2375", "~demo-2#user#2375")] == [1, 60, 1]


def test_the_same_user_twice_is_one_request(personalize: FakePersonalize, table: "DynamoDBClient") -> None:
    receipt = ask()
    assert ask() == receipt
    round_made(sent=1)
    assert len(held(table, WAITING)) == 1
    job_is(personalize, "COMPLETED")
    round_made(gone=1)
    assert [item["event"]["S"] for item in held(table, DONE)] == [receipt]
    assert ask() != receipt


def test_who_is_asked_for_again_during_a_job_goes_into_the_next(
    personalize: FakePersonalize, table: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = ask()
    round_made(sent=1)
    with monkeypatch.context() as patch:
        later(patch, 60 + SETTLED_SECONDS)
        assert ask() == receipt
    job_is(personalize, "COMPLETED")
    later(monkeypatch, 60 + 2 * SETTLED_SECONDS)
    round_made(gone=1, sent=1)
    (item,) = held(table, WAITING)
    assert item["job"]["S"] == JOB + "-next"


def leader(table: "DynamoDBClient") -> str:
    """Who leads the shop."""
    item = table.get_item(TableName=TABLE, Key={"shop": {"S": "demo"}, "record": {"S": leases.RECORD}}).get("Item")
    return item["owner"]["S"] if item else ""


@dataclass
class Runs:
    """Runs of the shop, beside the rounds."""

    table: "DynamoDBClient"
    machine: "SFNClient"
    made: int = 0

    def begun(self) -> leases.Run:
        """A new execution, at work on nothing yet."""
        self.made += 1
        name = f"run-{time.time_ns()}"
        arn = self.machine.start_execution(stateMachineArn=MACHINE, name=name)["executionArn"]
        return leases.Run(name, arn, datetime.now(UTC))

    def claim(self, run: leases.Run, **detail: object) -> dict[str, object]:
        """The run's first step, for a file or as a continuation."""
        request: dict[str, object] = {"action": "continue", "shop": "demo"}
        if detail:
            request = {"detail": {"bucket": {"name": BUCKET}, "object": detail}}
        return concurrent_drops.claim(self._ledger(run), StateMachine(self.machine, MACHINE), run, request)

    def collect(self, run: leases.Run) -> dict[str, object]:
        """What the run handles."""
        return lifecycle.collect(self._ledger(run), run, "demo")

    def end(self, run: leases.Run, *drops: lifecycle.Drop) -> None:
        """The run's last step."""
        lifecycle.finish(self._ledger(run), StateMachine(self.machine, MACHINE), run, "demo", drops)

    def names(self) -> list[str]:
        """The names of all executions."""
        return [execution["name"] for execution in self.machine.list_executions(stateMachineArn=MACHINE)["executions"]]

    def _ledger(self, run: leases.Run) -> DynamoLedger:
        return DynamoLedger(self.table, TABLE, run.now)


@pytest.fixture
def runs(table: "DynamoDBClient", machine: "SFNClient") -> Runs:
    return Runs(table, machine)


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Time goes on."""
    then = time.time() + seconds
    monkeypatch.setattr(time, "time", lambda: then)


def test_no_job_begins_while_a_run_leads_and_then_the_erasure_has_the_next_turn(
    runs: Runs, table: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()
    run = runs.begun()
    assert runs.claim(run)["outcome"] == "leads"
    round_made()
    later(monkeypatch, 3 * 86_400)
    round_made()
    assert leader(table) == run.name
    assert runs.claim(runs.begun(), key="drops/demo/items/a.csv", etag="1", sequencer="1")["outcome"] == "queued"
    runs.end(run)
    assert leader(table).startswith("erasure-demo-")
    round_made(sent=1)


def test_a_drop_during_a_job_waits_for_its_end_and_is_handled_by_one_run(
    runs: Runs, personalize: FakePersonalize, table: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()
    round_made(sent=1)
    owner = leader(table)
    queued = runs.claim(runs.begun(), key="drops/demo/items/a.csv", etag="2", sequencer="1")
    assert (queued["outcome"], queued["by"]) == ("queued", owner)
    job_is(personalize, "IN_PROGRESS")
    # Each round renews the lease, or else it would end after six hours.
    for _ in range(3):
        later(monkeypatch, 6 * 3_600 - 1)
        round_made()
        assert leader(table) == owner
    ask("other")
    job_is(personalize, "COMPLETED")
    round_made(gone=1)
    assert leader(table) == ""
    assert concurrent_drops.next_run_name("demo", owner) in runs.names()
    assert "CreateDataDeletionJob" not in personalize.operations()
    # The run has its turn, and then the next job.
    run = runs.begun()
    assert runs.claim(run)["outcome"] == "leads"
    round_made()
    runs.end(run)


def test_a_file_with_users_who_were_erased_is_not_handled_already(runs: Runs, personalize: FakePersonalize) -> None:
    key = "drops/demo/users/a.csv"

    def choice(sequencer: str) -> Any:  # noqa: ANN401 - the machine's JSON
        run = runs.begun()
        assert runs.claim(run, key=key, etag="2", sequencer=sequencer)["outcome"] == "leads"
        (drop,) = cast("Any", runs.collect(run)["drops"])
        runs.end(
            run, lifecycle.Drop(id=drop["id"], key=key, kind="users", mode="FULL", outcome="imported", content="A")
        )
        return drop["request"]["known"]

    assert choice("1") is None
    assert choice("2")["content"] == "A"
    ask()
    round_made(sent=1)
    job_is(personalize, "COMPLETED")
    round_made(gone=1)
    assert choice("3") is None


def test_a_job_that_does_not_end_makes_way_and_is_followed_by_another(
    runs: Runs, personalize: FakePersonalize, table: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = ask()
    round_made(sent=1)
    job_is(personalize, "IN_PROGRESS")
    later(monkeypatch, JOB_SECONDS)
    round_made(failed=["demo"])
    run = runs.begun()
    assert runs.claim(run)["outcome"] == "leads"
    job_is(personalize, "COMPLETED")
    round_made()
    runs.end(run)
    assert step(receipt) == "waiting"
    round_made(sent=1)
    round_made(gone=1)
    assert (step(receipt), held(table, WAITING)) == ("deletedHere", [])


def test_where_the_lease_was_lost_during_a_job_one_more_follows(
    runs: Runs, personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    receipt = ask()
    round_made(sent=1)
    first = personalize.body_of("CreateDataDeletionJob")["jobName"]
    table.delete_item(TableName=TABLE, Key={"shop": {"S": "demo"}, "record": {"S": leases.RECORD}})
    run = runs.begun()
    assert runs.claim(run)["outcome"] == "leads"
    runs.end(run)
    job_is(personalize, "COMPLETED")
    round_made(sent=1)
    assert personalize.body_of("CreateDataDeletionJob")["jobName"] != first
    assert step(receipt) == "underWay"
    round_made(gone=1)
    assert (step(receipt), held(table, WAITING), leader(table)) == ("deletedHere", [], "")


def test_a_job_that_cannot_be_made_keeps_no_run_waiting(personalize: FakePersonalize, table: "DynamoDBClient") -> None:
    ask()
    personalize.reset()
    personalize.fails("CreateDataDeletionJob", "LimitExceededException")
    round_made(failed=["demo"])
    assert leader(table) == ""


def test_no_job_begins_while_personalize_works_on_a_batch_job(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    ask()
    mark: dict[str, Any] = {
        "shop": "demo",
        "record": f"{leases.BATCH}retail-demo-mail-1",
        "until": int(time.time()) + 60,
    }
    release_store.put(table, TABLE, mark)
    try:
        round_made()
        assert "CreateDataDeletionJob" not in personalize.operations()
        assert release_store.get(table, TABLE, "demo", leases.RECORD) is None
        release_store.put(table, TABLE, {**mark, "until": int(time.time()) - 1})
        round_made(sent=1)
    finally:
        release_store.delete(table, TABLE, "demo", str(mark["record"]))


SOLUTION = "arn:aws:personalize:us-east-1:123456789012:solution/retail-demo-item-affinity"
ANSWERED = {"solutionVersionArn": f"{SOLUTION}/1", "status": "CREATE IN_PROGRESS"}
ANOTHERS = {
    "solutionVersionArn": "arn:aws:personalize:us-east-1:123456789012:solution/other/1",
    "status": "CREATE PENDING",
}


@pytest.mark.parametrize(
    ("operation", "member", "job", "waits"),
    [
        ("ListDatasetImportJobs", "datasetImportJobs", {"datasetImportJobArn": "a", "status": "CREATE PENDING"}, True),
        (
            "ListDatasetExportJobs",
            "datasetExportJobs",
            {"datasetExportJobArn": "a", "status": "CREATE IN_PROGRESS"},
            True,
        ),
        ("ListSolutionVersions", "solutionVersions", ANSWERED, True),
        ("ListBatchInferenceJobs", "batchInferenceJobs", {"batchInferenceJobArn": "a", **ANSWERED}, True),
        ("ListBatchSegmentJobs", "batchSegmentJobs", {"batchSegmentJobArn": "a", **ANSWERED}, True),
        ("ListBatchSegmentJobs", "batchSegmentJobs", {"batchSegmentJobArn": "a", **ANOTHERS}, False),
        ("ListRecommenders", "recommenders", {"recommenderArn": "a", "status": "CREATE IN_PROGRESS"}, True),
        ("ListRecommenders", "recommenders", {"recommenderArn": "a", "status": "INACTIVE"}, False),
        ("ListSolutionVersions", "solutionVersions", {**ANSWERED, "status": "CREATE FAILED"}, False),
    ],
)
def test_no_job_begins_while_something_else_uses_the_data_whoever_began_it(
    operation: str, member: str, job: dict[str, str], waits: bool, personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    """A run that was stopped holds no lease, and what it began in Personalize goes on."""
    ask()
    personalize.says("ListDatasets", {"datasets": [{"datasetArn": "arn:dataset"}]})
    personalize.says("ListSolutions", {"solutions": [{"solutionArn": SOLUTION}]})
    personalize.says(operation, {member: [{"name": "x", **job}]})
    round_made(sent=0 if waits else 1)
    assert (leader(table) == "") is waits


def test_a_group_without_a_domain_may_refuse_to_list_recommenders(personalize: FakePersonalize) -> None:
    ask()
    personalize.fails("ListRecommenders", "InvalidInputException", "not a domain dataset group")
    round_made(sent=1)


def test_a_request_waits_until_all_of_the_api_knows_of_it() -> None:
    ask(age=SETTLED_SECONDS - 5)
    round_made()


def version(personalize: FakePersonalize, made: float, mode: str = "FULL") -> None:
    """What a solution version that serves says of itself from now on."""
    personalize.reset()
    told = {"creationDateTime": made, "trainingMode": mode}
    personalize.says("DescribeSolutionVersion", {"solutionVersion": told})


def test_a_training_that_is_promoted_later_completes_the_receipt(
    runs: Runs, personalize: FakePersonalize, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt, now = ask(), time.time()
    round_made(sent=1)
    job_is(personalize, "COMPLETED")
    round_made(gone=1)
    for made, mode in ((now - 60, "FULL"), (now + 60, "UPDATE")):
        version(personalize, made, mode)
        round_made()
        assert step(receipt) == "deletedHere"
    version(personalize, now + 60)
    round_made()
    assert step(receipt) == "retrained"
    later(monkeypatch, 90 * 86_400)
    round_made()
    assert [name for name in runs.names() if name.startswith("erasure-demo-")] == []


def test_where_no_training_comes_in_time_one_is_started(
    runs: Runs,
    personalize: FakePersonalize,
    bucket: "S3Client",
    machine: "SFNClient",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket.put_object(Bucket=BUCKET, Key="drops/demo/settings.yaml", Body=b"erasure: {retrain_within_days: 10}")
    receipt, now = ask(), time.time()
    round_made(sent=1)
    job_is(personalize, "COMPLETED")
    round_made(gone=1)
    version(personalize, now - 60)
    later(monkeypatch, 9 * 86_400)
    round_made()
    assert [name for name in runs.names() if name.startswith("erasure-demo-")] == []
    later(monkeypatch, 86_400 + 60)
    for _ in range(2):
        round_made()
    (name,) = [name for name in runs.names() if name.startswith("erasure-demo-")]
    arn = MACHINE.replace(":stateMachine:", ":execution:") + f":{name}"
    request = json.loads(machine.describe_execution(executionArn=arn)["input"])
    assert (request, step(receipt)) == ({"action": "retrain", "shop": "demo"}, "deletedHere")


def test_a_list_that_is_long_is_left_to_the_delivery(table: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch) -> None:
    for user in ("a", "b", "2375"):
        ask(user)
    short = table.query
    monkeypatch.setattr(table, "query", lambda **query: short(**query, Limit=1))
    assert erasure_requests.leaving(table, SHOPPER_EVENTS, "demo") == {"a", "b", "2375"}
    with pytest.raises(RetryLater):
        erasure_requests.leaving(table, SHOPPER_EVENTS, "demo", 2)


def test_from_the_request_to_the_end_nothing_is_taken_of_the_user(
    personalize: FakePersonalize, table: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    event, put = load("api_events"), load("api_put_user")
    put["pathParameters"]["userId"] = "2375"
    ask()
    personalize.reset()
    answer = api(event, None)
    assert (answer["statusCode"], {event["status"] for event in body(answer)["events"]}) == (202, {"discarded"})
    assert (api(put, None)["statusCode"], body(api(put, None))["title"]) == (409, "Conflict")
    assert personalize.operations() == []
    assert held(table, "demo#2375") == []
    # Of others everything is.
    other = {**event, "body": json.dumps({**json.loads(event["body"]), "userId": "other"})}
    assert {event["status"] for event in body(api(other, None))["events"]} == {"delivered"}
    personalize.says("CreateDataDeletionJob", {"dataDeletionJobArn": JOB})
    round_made(sent=1)
    job_is(personalize, "COMPLETED")
    round_made(gone=1)
    elapsed = time.monotonic() + 60.0
    monkeypatch.setattr(time, "monotonic", lambda: elapsed)
    assert {event["status"] for event in body(api(event, None))["events"]} == {"delivered"}
    assert len(held(table, "demo#2375")) > 0


def test_the_files_of_the_purchase_likelihood_have_the_user_no_more(
    personalize: FakePersonalize, bucket: "S3Client"
) -> None:
    folder = "likelihood/demo/"
    history = 'USER_ID,ITEM_ID,NOTE\n2375,i1,\nu2,i2,"a \\"b\\",2375,i3"\n"2375",i4,"c,d"\n23,2375,\n2375\n'
    users = "AGE,USER_ID\r\n30,2375\r\n40,23\r\n"
    sample = {
        "anchors": ["i1", "i2"], "at": 5, "users": ["2375", "u2"], "items": ["i1", "i2"], "weights": [1.0, 2.0],
        "scores": [0.1, 0.2], "logits": [0.3, 0.4], "features": {"seen": [0.5, 0.6]}, "labels": None,
    }  # fmt: skip
    counters = {key: shards.pack(entries) for key, entries in {
        "run-1/shoppers-0000.json.gz": {}, "run-1/shoppers-0001.json.gz": {}, "run-1/items-0000.json.gz": {"2375": 1},
    }.items()}  # fmt: skip
    shard = shards.shard_of("2375", 2)
    counters[f"run-1/shoppers-{shard:04d}.json.gz"] = shards.pack({"2375": {"user": [1]}, "u2": {"user": [2]}})
    for key, data in {
        "inputs/interactions/1-000e-FULL-r.csv": history.encode(),
        "inputs/interactions/2-000e-INCREMENTAL-live.csv": b"USER_ID,ITEM_ID\n2375,i1\nu2,i1\n",
        "inputs/users/1-000e-FULL-r.csv": users.encode(),
        "inputs/items/1-000e-FULL-r.csv": b"ITEM_ID\n2375\n",
        "snapshots/r.json.gz": shards.pack(sample),
        **counters,
    }.items():
        bucket.put_object(Bucket=BUCKET, Key=folder + key, Body=data)
    ask()
    round_made(sent=1)
    job_is(personalize, "COMPLETED")
    round_made(left=59_999, failed=["demo"])
    round_made(gone=1)

    def now(key: str) -> bytes:
        return bucket.get_object(Bucket=BUCKET, Key=folder + key)["Body"].read()

    text = 'USER_ID,ITEM_ID,NOTE\nu2,i2,"a \\"b\\",2375,i3"\n23,2375,\n'
    assert now("inputs/interactions/1-000e-FULL-r.csv").decode() == text
    assert now("inputs/interactions/2-000e-INCREMENTAL-live.csv") == b"USER_ID,ITEM_ID\nu2,i1\n"
    assert now("inputs/users/1-000e-FULL-r.csv") == b"AGE,USER_ID\r\n40,23\r\n"
    assert now("inputs/items/1-000e-FULL-r.csv") == b"ITEM_ID\n2375\n"
    assert shards.unpack(now(f"run-1/shoppers-{shard:04d}.json.gz")) == {"u2": {"user": [2]}}
    assert shards.unpack(now("run-1/items-0000.json.gz")) == {"2375": 1}
    assert shards.unpack(now("snapshots/r.json.gz")) == {
        "anchors": ["i1", "i2"], "at": 5, "users": ["u2"], "items": ["i2"], "weights": [2.0],
        "scores": [0.2], "logits": [0.4], "features": {"seen": [0.6]}, "labels": None,
    }  # fmt: skip


def test_the_days_of_experiments_have_the_user_no_more(personalize: FakePersonalize, bucket: "S3Client") -> None:
    key = "aggregates/demo/experiments/home/2026-11-02.parquet"
    units = [unit_digest(str(RELEASE["trackingId"]), user) for user in ("2375", "u2")]
    file = io.BytesIO()
    pl.DataFrame({"unit": units, "orders": [1, 2]}).write_parquet(file, metadata={"notes": '{"settled": true}'})
    bucket.put_object(Bucket=BUCKET, Key=key, Body=file.getvalue())
    ask()
    round_made(sent=1)
    job_is(personalize, "COMPLETED")

    round_made(gone=1)

    left = bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert pl.read_parquet(io.BytesIO(left)).rows() == [(units[1], 2)]
    assert json.loads(pl.read_parquet_metadata(io.BytesIO(left))["notes"]) == {"settled": True}


TWINS = [
    ("u1", "U1"),
    ("caf\u00e9", "cafe\u0301"),
    ("u\x1c1", "u 1"),
    ('u"1', "u1"),
    ('u\\"', 'u"'),
    ("u\\", "u"),
    ("u,1", "u"),
    (' u"', 'u"'),
]
"""Two users whom one character tells apart."""


@pytest.mark.parametrize(("gone", "stays"), [*TWINS, *[pair[::-1] for pair in TWINS]])
def test_of_two_users_whom_one_character_tells_apart_one_is_erased(
    personalize: FakePersonalize, table: "DynamoDBClient", bucket: "S3Client", gone: str, stays: str
) -> None:
    header, both = ("USER_ID", "NOTE", "TIMESTAMP"), (gone, stays)
    note = 'a "b", c'
    copy = inputs.key("demo", "interactions", "FULL", 2, "r")
    text = "".join(dialect.record(row) for row in (header, *((user, note, "5") for user in both)))
    bucket.put_object(Bucket=BUCKET, Key=copy, Body=text.encode())
    hashes, sample = "reports/demo/known/users/run-1.ipc", probe.key("demo")
    bucket.put_object(Bucket=BUCKET, Key=hashes, Body=counts.pack_ids(counts.hash_ids(pl.Series(both))) or b"")
    bucket.put_object(Bucket=BUCKET, Key=sample, Body=json.dumps({"users": both, "items": ["i1"]}).encode())
    counters_key = "likelihood/demo/run-1/shoppers-0000.json.gz"
    bucket.put_object(Bucket=BUCKET, Key=counters_key, Body=shards.pack({user: {"user": [1]} for user in both}))
    view = {"eventType": "View", "itemId": "i", "eventId": "e", "sentAt": 5}
    assert store.note(table, SHOPPER_EVENTS, "demo", [Call("s", user, [view]) for user in both], 5.0) == []

    ask(gone)
    round_made(sent=1)
    (listed,) = files(bucket)
    assert list(dialect.records(listed.split("\n")[:-1])) == [["USER_ID"], [gone]]
    job_is(personalize, "COMPLETED")
    round_made(gone=1)

    def now(key: str) -> bytes:
        return bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    assert now(copy).decode() == dialect.record(header) + dialect.record((stays, note, "5"))
    left = counts.unpack_ids(now(hashes))
    assert left is not None
    assert left.to_list() == counts.hash_ids(pl.Series([stays])).to_list()
    assert json.loads(now(sample)) == {"users": [stays], "items": ["i1"]}
    assert shards.unpack(now(counters_key)) == {stays: {"user": [1]}}
    assert [len(held(table, f"demo#{user}")) for user in both] == [0, 1]


def test_hashes_that_another_build_has_made_go_with_whoever_is_in_them(
    personalize: FakePersonalize, bucket: "S3Client"
) -> None:
    key = "reports/demo/known/users.ipc"
    bucket.put_object(Bucket=BUCKET, Key=key, Body=b"of another build")
    ask()
    round_made(sent=1)
    job_is(personalize, "COMPLETED")
    round_made(gone=1)
    assert bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b""


def test_a_request_that_another_round_has_closed_does_not_come_back(table: "DynamoDBClient") -> None:
    requests = erasure_requests.Requests(table, SHOPPER_EVENTS, "demo", 5)
    gone = Request(user="2375", receipt="receipt", requested=1, job=JOB, sent=2)
    assert requests.closed(gone)
    with pytest.raises(Broken):
        requests.freed(gone, failed=True)
    assert held(table, WAITING) == []


def test_of_two_shops_the_second_is_served_though_the_first_fails(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    release_store.put(table, TABLE, {**RELEASE, "shop": "a-shop", "datasetGroupArn": f"{ARN}:dataset-group/a-shop"})
    erasure_requests.ask(table, SHOPPER_EVENTS, "a-shop", "u", "receipt", 5)
    ask()
    personalize.reset()
    personalize.fails("CreateDataDeletionJob", "InvalidInputException")
    personalize.says("CreateDataDeletionJob", {"dataDeletionJobArn": JOB})
    done = handler(load("erase_users"), cast("Any", Context()))
    table.delete_item(TableName=TABLE, Key={"shop": {"S": "a-shop"}, "record": {"S": "release"}})
    assert done["sent"] == 1
    assert len(cast("list[str]", done["failed"])) == 1


def test_a_job_that_fails_is_made_again_under_another_name(personalize: FakePersonalize) -> None:
    ask()
    round_made(sent=1)
    first = personalize.body_of("CreateDataDeletionJob")["jobName"]
    job_is(personalize, "FAILED")
    round_made(sent=1, failed=["demo"])
    assert personalize.body_of("CreateDataDeletionJob")["jobName"] != first


def test_no_log_line_names_a_user(
    personalize: FakePersonalize, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    ask("shopper-77")
    round_made(sent=1)
    job_is(personalize, "FAILED")
    personalize.reset()
    personalize.fails("DescribeDataDeletionJob", "InternalError")
    round_made(failed=["demo"])
    personalize.reset()
    personalize.fails("CreateDataDeletionJob", "InvalidInputException")
    round_made(failed=["demo"])
    told = capsys.readouterr().out + caplog.text
    assert "Users not deleted" in told
    assert "shopper-77" not in told


def test_a_job_that_was_made_by_a_round_that_died_is_found(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    ask()
    personalize.reset()
    personalize.fails("CreateDataDeletionJob", "ServiceUnavailable", status=503)
    round_made(failed=["demo"])
    name = personalize.body_of("CreateDataDeletionJob")["jobName"]
    personalize.reset()
    personalize.fails("CreateDataDeletionJob", "ResourceAlreadyExistsException")
    personalize.says("ListDataDeletionJobs", {"dataDeletionJobs": [{"jobName": "other"}], "nextToken": "more"})
    personalize.says("ListDataDeletionJobs", {"dataDeletionJobs": [{"jobName": name, "dataDeletionJobArn": JOB}]})
    round_made(sent=1)
    assert [item["job"]["S"] for item in held(table, WAITING)] == [JOB]


def on_the_engine(shop: str, *steps: str) -> None:
    """Let a run make what a shop has on the engine."""
    text = json.dumps(load("import_data_dataset")).replace(":personalize:us-east-1:", ":engine:us-east-1:")
    event = json.loads(text.replace("retail-demo", f"retail-{shop}"))
    event["plan"]["shop"] = shop
    for name in ("datasetGroup", *steps):
        import_data({**event, "steps": [name]}, None)


def jobs_on_the_engine(shop: str) -> list[tuple[str, str]]:
    """The names and statuses of the engine's data deletion jobs."""
    listed = clients.engine().list_data_deletion_jobs(datasetGroupArn=f"{ENGINE}:dataset-group/retail-{shop}")
    return [(job["jobName"], job["status"]) for job in listed["dataDeletionJobs"]]


def test_after_a_move_both_backends_delete_the_user_and_the_receipt_names_both(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    on_the_engine("demo", "schema", "dataset")
    receipt = ask()
    round_made(sent=1)
    name = personalize.body_of("CreateDataDeletionJob")["jobName"]
    assert jobs_on_the_engine("demo") == [(name, "COMPLETED")]
    (told,) = held(table, DONE)
    assert told["job"]["S"].split() == [f"{ENGINE}:data-deletion-job/{name}", JOB]
    job_is(personalize, "IN_PROGRESS")
    round_made()
    assert step(receipt) == "underWay"
    job_is(personalize, "COMPLETED")
    round_made(gone=1)
    assert (step(receipt), held(table, WAITING)) == ("deletedHere", [])


def test_a_round_that_died_between_two_backends_finds_the_job_of_the_first(
    personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    on_the_engine("demo", "schema", "dataset")
    ask()
    personalize.reset()
    personalize.fails("CreateDataDeletionJob", "ResourceInUseException")
    round_made(failed=["demo"])
    personalize.reset()
    personalize.says("CreateDataDeletionJob", {"dataDeletionJobArn": JOB})
    round_made(sent=1)
    name = personalize.body_of("CreateDataDeletionJob")["jobName"]
    assert jobs_on_the_engine("demo") == [(name, "COMPLETED")]
    (request,) = held(table, WAITING)
    assert request["job"]["S"].split() == [f"{ENGINE}:data-deletion-job/{name}", JOB]


def test_where_one_backend_fails_both_delete_once_more(personalize: FakePersonalize) -> None:
    on_the_engine("demo", "schema", "dataset")
    ask()
    round_made(sent=1)
    job_is(personalize, "FAILED")
    round_made(sent=1, failed=["demo"])
    assert len(jobs_on_the_engine("demo")) == 2


def test_a_group_without_data_gets_no_job(personalize: FakePersonalize) -> None:
    on_the_engine("demo")
    ask()
    round_made(sent=1)
    assert "CreateDataDeletionJob" in personalize.operations()
    assert jobs_on_the_engine("demo") == []


@pytest.mark.parametrize("left", [False, True])
def test_amazon_personalize_is_asked_only_for_a_shop_that_was_there(
    left: bool, personalize: FakePersonalize, table: "DynamoDBClient"
) -> None:
    on_the_engine("mover", "schema", "dataset")
    group = f"{ENGINE}:dataset-group/retail-mover"
    serves = {**RELEASE, "shop": "mover", "datasetGroupArn": group, "campaigns": {}}
    release_store.put(table, TABLE, serves)
    if left:
        before = {**serves, "record": "release#1", "datasetGroupArn": f"{ARN}:dataset-group/retail-mover"}
        release_store.put(table, TABLE, before)
    erasure_requests.ask(table, SHOPPER_EVENTS, "mover", "u", "receipt", 5)
    personalize.reset()
    personalize.says("DescribeDatasetGroup", {"datasetGroup": {"status": "ACTIVE"}})
    personalize.says("ListDatasets", {"datasets": [{"datasetArn": "arn:dataset"}]})
    personalize.says("CreateDataDeletionJob", {"dataDeletionJobArn": JOB})
    try:
        round_made(sent=1)
        assert len(jobs_on_the_engine("mover")) == 1
        assert ("CreateDataDeletionJob" in personalize.operations()) is left
        assert bool(personalize.operations()) is left
    finally:
        table.delete_item(TableName=TABLE, Key={"shop": {"S": "mover"}, "record": {"S": "release"}})


def test_a_shop_or_a_user_that_cannot_be_is_refused() -> None:
    for name, value, status in (("shop", "nowhere", 404), ("userId", "x" * 300, 400)):
        event = load("api_delete_user")
        event["pathParameters"][name] = value
        assert api(event, None)["statusCode"] == status


def test_a_browser_may_not_ask_even_for_its_own_user(table: "DynamoDBClient") -> None:
    event = load("api_delete_user")
    event["requestContext"]["authorizer"] = {"user": "2375", "session": "", "shop": "", "expires": "9999999999"}
    answer = api(event, None)
    assert (answer["statusCode"], body(answer)["detail"]) == (403, "This is for the shop's servers.")
    assert held(table, WAITING) == []
